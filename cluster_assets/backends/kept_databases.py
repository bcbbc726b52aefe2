"""Dagster's SQLite databases, kept open during a run: an event then takes half the time.

Dagster opens four connections for each evaluation of a check. When the last connection to a database closes,
SQLite copies its write-ahead log into the file and deletes the log. Another open connection prevents that.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)


@contextmanager
def kept_open(folder: Path) -> Iterator[None]:
    """Keep each database below a folder open once SQLAlchemy has opened it; may be nested.

    Their transactions do not wait for the disk. The databases always stay consistent; a power failure may
    undo the last events, and the next run of the same days records them again.

    Args:
        folder: Dagster's databases; without SQLite databases in it, this does nothing.
    """
    folder = folder.resolve()
    kept: dict[Path, sqlite3.Connection] = {}
    lock = Lock()

    def keep(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        path = _path_of(connection)
        if path is None or not path.is_relative_to(folder):
            return
        try:
            if not _has_log(connection):
                return
            connection.execute("PRAGMA synchronous = NORMAL")
            with lock:
                if path not in kept:
                    kept[path] = sqlite3.connect(path, check_same_thread=False)
                    _has_log(kept[path])  # reads the file: until then it is not open
        except sqlite3.OperationalError as error:  # locked: Dagster opens it as without this function
            _log.debug("%s is not kept open: %s", path, error)

    event.listen(Engine, "connect", keep)
    try:
        yield
    finally:
        event.remove(Engine, "connect", keep)
        for connection in kept.values():
            connection.close()


def _path_of(connection: sqlite3.Connection) -> Path | None:
    """Return the file of a connection; None if it is in memory."""
    (_, _, name) = connection.execute("PRAGMA database_list").fetchone()
    return Path(name).resolve() if name else None


def _has_log(connection: sqlite3.Connection) -> bool:
    """Whether a database has a write-ahead log; one that is just being created has none yet."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    return bool(mode == "wal")
