"""Sandboxed DuckDB instances: no network, no extensions, no file outside named folders, settings locked."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.duckdb_files import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DuckDbConfig:
    """How much of this machine DuckDB may use, and what it may touch.

    Attributes:
        threads: Threads of one statement.
        memory_limit_mb: Memory of one statement in MiB; what is more goes to `temp_dir`.
        temp_dir: Folder for what does not fit into memory.
        database: DuckDB file whose tables `raw.table` names; opened read-only.
        allowed_dirs: Folders that statements may read and write besides those of their inputs and outputs.
            With the warehouse among them one instance serves all days.
    """

    threads: int
    memory_limit_mb: int
    temp_dir: Path
    database: Path | None = None
    allowed_dirs: tuple[Path, ...] = ()


class DuckDbSessions:
    """Opens instances and keeps them: opening one takes some 20 ms, a cursor of it half a millisecond."""

    def __init__(self, config: DuckDbConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._folders = frozenset(
            str(path) for folder in config.allowed_dirs for path in (folder.absolute(), folder.resolve())
        )
        self._instances: dict[tuple[int, bool], tuple[frozenset[str], duckdb.DuckDBPyConnection]] = {}
        self._scratches: dict[str, duckdb.DuckDBPyConnection] = {}
        self._numbers = itertools.count(1)

    def cursor(
        self, folders: frozenset[str], *, threads: int | None = None, tables: bool = False
    ) -> duckdb.DuckDBPyConnection:
        """A connection that may touch these folders; the caller closes it.

        Args:
            folders: What it may touch besides the folders of the configuration.
            threads: Instead of those of the configuration.
            tables: Whether it sees the tables of the configured database.

        Raises:
            EngineError: The instance or the database cannot be opened.
        """
        wanted = (threads or self._config.threads, tables and self._config.database is not None)
        with self._lock:
            allowed, instance = self._instances.get(wanted, (frozenset[str](), None))
            if instance is None or not all(_within(folder, allowed) for folder in folders):
                # Folders add up, so that a source and the warehouse share one instance.
                allowed = self._folders | allowed | folders
                opened = self._open(*wanted, allowed)
                if instance is not None:
                    instance.close()  # its cursors in use stay open
                self._instances[wanted] = allowed, opened
                instance = opened
            return instance.cursor()

    def keeps(self, folder: str) -> bool:
        """Whether every instance may touch a folder, so that none is opened anew for its sake."""
        return _within(folder, self._folders)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """The name of a new schema whose tables are dropped in the end, in an instance that stays for it.

        Its tables are in memory; what is more than the limit goes to `temp_dir`.
        """
        name = f"scratch_{next(self._numbers)}"
        connection = self.cursor(frozenset())
        connection.execute(f"CREATE SCHEMA {name}")
        with self._lock:
            self._scratches[name] = connection
        try:
            yield name
        finally:
            with self._lock:
                del self._scratches[name]
            with suppress(duckdb.Error):  # of an instance that a fatal error ended, its tables with it
                connection.execute(f"DROP SCHEMA {name} CASCADE")
            connection.close()

    def scratch_cursor(self, name: str, folders: frozenset[str]) -> duckdb.DuckDBPyConnection:
        """A connection that sees the tables of a scratch; the caller closes it.

        Raises:
            EngineError: The scratch has ended, or a folder is not among those of the configuration.
        """
        if outside := sorted(folder for folder in folders if not self.keeps(folder)):
            raise EngineError(
                "a statement that reads scratch tables may touch the folders of the configuration only",
                where=outside[0],
                remedy="add the folder to allowed_dirs",
            )
        with self._lock:
            if name not in self._scratches:
                raise EngineError(f"{name} has ended, and its tables are gone")
            return self._scratches[name].cursor()

    def close(self) -> None:
        """Close every instance; those with a scratch stay until it ends."""
        with self._lock:
            for _, instance in self._instances.values():
                instance.close()
            self._instances.clear()

    def _open(self, threads: int, tables: bool, folders: frozenset[str]) -> duckdb.DuckDBPyConnection:
        config = self._config
        config.temp_dir.mkdir(parents=True, exist_ok=True)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": f"{config.memory_limit_mb}MiB",
            "temp_directory": str(config.temp_dir),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
        try:
            instance = duckdb.connect(config=settings)
            if tables:
                instance.execute(f"ATTACH {_quoted(str(config.database))} AS {SOURCE} (READ_ONLY)")
            # As in Trino, integers divide to integers; GLOBAL, or else cursors would not have it.
            instance.execute("SET GLOBAL integer_division = true")
            instance.execute("SET GLOBAL TimeZone = 'UTC'")
            listed = ", ".join(_quoted(folder) for folder in sorted(folders))
            instance.execute(f"SET GLOBAL allowed_directories = [{listed}]")
            instance.execute("SET GLOBAL enable_external_access = false")
            instance.execute("SET GLOBAL lock_configuration = true")
        except duckdb.Error as error:
            raise _not_opened(error, config.database if tables else config.temp_dir) from error
        return instance


def interruptibly(cursor: duckdb.DuckDBPyConnection, work: Callable[[], _Result]) -> _Result:
    """Run a query so that whatever stops this thread stops the query, and is raised as it came.

    DuckDB run in this thread would turn a signal's exception into its own 'Query interrupted'.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread
            future.set_exception(error)

    thread = threading.Thread(target=run, name="duckdb-statement", daemon=True)
    thread.start()
    try:
        return future.result()
    except BaseException:
        while not future.done():
            cursor.interrupt()  # again, should it have come before the query began
            wait([future], timeout=0.05)
        thread.join()
        raise


def _not_opened(error: duckdb.Error, place: Path | None) -> EngineError:
    if "lock" in str(error).lower():
        return EngineError(
            "the database is locked: another process has it open for writing",
            where=str(place),
            remedy="close the program that writes it, then run again",
        )
    return EngineError(
        f"DuckDB cannot be opened: {error}",
        where=str(place),
        remedy="check CLUSTER_DUCKDB_DATABASE and that the folder for temporary files can be written",
    )


def _within(folder: str, allowed: frozenset[str]) -> bool:
    path = Path(folder)
    return folder in allowed or any(str(parent) in allowed for parent in path.parents)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
