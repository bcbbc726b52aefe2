"""The interactive mode of `cluster-assets sql`: queries over several lines, history, one line an error."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click
import sqlglot
from sqlglot.errors import TokenError

from cluster_assets.domain.errors import ClusterAssetsError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PROMPT, _CONTINUED = "sql> ", "...> "
_MOST_HISTORY = 1000
HELP = "End a query with ;  Ctrl-C clears it.  .tables lists tables, .help shows this text, .quit ends."


class SqlShell:
    """Reads queries from the terminal or a pipe and prints their answers.

    An error in a terminal is printed in one line, and the shell goes on. An error in a pipe ends the command.

    Args:
        run: Runs a query and prints its answer.
        list_tables: Returns the lines that `.tables` prints.
    """

    def __init__(self, run: Callable[[str], None], list_tables: Callable[[], list[str]]) -> None:
        self._run = run
        self._commands: dict[str, Callable[[], list[str]]] = {".tables": list_tables, ".help": lambda: [HELP]}
        self._is_terminal = sys.stdin.isatty()

    def loop(self) -> None:
        """Read and run queries until `.quit` or the end of the input."""
        text = ""
        while True:
            try:
                line = self._read(is_first=not text)
                if line is None:
                    break
                if not text and line.lstrip().startswith("."):
                    if line.strip() == ".quit":
                        return
                    self._attempt(self._command, line.strip())
                    continue
                queries, text = split_queries(text + line)
                for query in queries:
                    self._attempt(self._run, query)
            except KeyboardInterrupt:
                text = ""
                click.echo()
        if text and not self._is_terminal:
            self._run(text)

    def _read(self, *, is_first: bool) -> str | None:
        if not self._is_terminal:
            return sys.stdin.readline() or None
        try:
            return input(_PROMPT if is_first else _CONTINUED) + "\n"
        except EOFError:
            click.echo()
            return None

    def _command(self, name: str) -> None:
        if name not in self._commands:
            raise SpecError(f"there is no command {name}", remedy=HELP)
        click.echo("\n".join(self._commands[name]()))

    def _attempt(self, act: Callable[[str], None], text: str) -> None:
        if not self._is_terminal:
            act(text)
            return
        try:
            act(text)
        except ClusterAssetsError as error:
            parts = [part for part in (error.what, error.where, error.remedy) if part]
            click.secho(f"error: {'; '.join(parts)}".replace("\n", " "), fg="red", err=True)


def split_queries(text: str) -> tuple[list[str], str]:
    """Return the queries of a text that end with `;`, and the rest; comments in front of them are left out.

    >>> split_queries("SELECT 'a;b'; /* two */ SELECT 2")
    (["SELECT 'a;b'"], 'SELECT 2')
    """
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
    except TokenError:  # a quotation or a comment continues on the next line
        return [], text
    queries = []
    first = None
    for token in tokens:
        if token.token_type != sqlglot.TokenType.SEMICOLON:
            first = first or token
        elif first:
            queries.append(text[first.start : token.start])
            first = None
    return queries, text[first.start :] if first else ""


@contextmanager
def interactive_terminal(history: Path) -> Iterator[None]:
    """Edit lines with readline, keep their history in a file, and let Ctrl-C interrupt a line or a query."""
    import readline  # only here: it changes how the process reads its terminal

    readline.set_history_length(_MOST_HISTORY)
    with suppress(OSError):  # there is no history yet, or it belongs to somebody else
        readline.read_history_file(history)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        with suppress(OSError):  # a shared CLUSTER_HOME may be read-only
            readline.write_history_file(history)
