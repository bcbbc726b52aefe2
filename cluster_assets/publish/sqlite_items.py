"""The items of target `dynamodb` in an SQLite file, for a laptop: the same keys, attributes and expiry."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import PublicationError, TargetUnavailableError
from cluster_assets.publish.items import EXPIRES, KEY, read_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cluster_assets.publish.items import Pointer

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS items (pk TEXT PRIMARY KEY, item TEXT NOT NULL, expires INTEGER NOT NULL)"
    " WITHOUT ROWID"
)
_PUT = "INSERT OR REPLACE INTO items (pk, item, expires) VALUES (?, ?, ?)"
_WAIT_S = 120.0


class SqliteItems:
    """An `ItemStore` in a file; `item` is the JSON of an item.

    Args:
        path: The file; the first publication creates it with its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.address = str(path)

    def pointer(self, pipeline: str) -> Pointer | None:
        """Return the pointer of a pipeline; None if there is none.

        Raises:
            PublicationError: The file cannot be read, or is not one of ours.
        """
        if not self._path.exists():
            return None
        with self._opened() as connection:
            return self._pointer(connection, pipeline)

    def write(self, items: Iterator[dict[str, Any]], pointer: Pointer) -> None:
        """Write items in one transaction.

        Raises:
            PublicationError: The file cannot be written.
        """
        with self._opened(writes=True) as connection:
            connection.executemany(_PUT, map(_row, items))

    def flip(self, pointer: Pointer, now: int) -> bool:
        """Move the pointer if it `replaces` the one that is there.

        Raises:
            PublicationError: The file cannot be written.
        """
        with self._opened(writes=True) as connection:
            found = self._pointer(connection, pointer.pipeline)
            if not pointer.replaces(found, now):
                return False
            connection.execute(_PUT, _row(pointer.attributes))
            connection.execute("DELETE FROM items WHERE expires <= ?", (now,))
        return True

    def count(self, pointer: Pointer, keys: Iterable[str]) -> int:
        """Count the items of a publication.

        Raises:
            PublicationError: The file cannot be read.
        """
        prefix = f"{pointer.pipeline}#{pointer.publication}#"
        with self._opened() as connection:
            # '$' follows '#', so these are the keys with the prefix.
            found = connection.execute(
                "SELECT count(*) FROM items WHERE pk >= ? AND pk < ?", (prefix, f"{prefix[:-1]}$")
            ).fetchone()
        return int(found[0])

    def _pointer(self, connection: sqlite3.Connection, pipeline: str) -> Pointer | None:
        found = connection.execute("SELECT item FROM items WHERE pk = ?", (pipeline,)).fetchone()
        return None if found is None else read_pointer(json.loads(found[0]), self.address)

    @contextmanager
    def _opened(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection; one that writes holds the write lock, and commits unless there is an error."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)
            try:
                # Readers see the last commit while a writer works.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(_SCHEMA)
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise self._unusable(error) from error
            raise TargetUnavailableError(
                f"another program has locked the SQLite file for {_WAIT_S:.0f} s: {error}",
                where=self.address,
                remedy="end the program that writes it, then publish the day again",
            ) from error
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> PublicationError:
        return PublicationError(
            f"the SQLite file cannot be used: {error}",
            where=self.address,
            remedy="choose a file that this process may create and write, and that nothing else uses",
        )


def _row(item: dict[str, Any]) -> tuple[str, str, int]:
    return item[KEY], json.dumps(item, ensure_ascii=False), item[EXPIRES]
