"""Sandboxed DuckDB instances: no network, no extensions, no file outside named folders, settings locked."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from cluster_assets.backends.duckdb.files import SOURCE, literal_path, text_literal
from cluster_assets.backends.statement_threads import run_interruptibly
from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Result = TypeVar("_Result")
_CONFINED = 4  # instances to keep: enough for the statements of a stage that read the source


@dataclass(frozen=True, slots=True)
class DuckDbConfig:
    """Limits of DuckDB: threads, memory, and accessible folders.

    Attributes:
        threads: Threads of one statement.
        memory_limit_mb: Memory of one statement in MiB; larger data is spilled to `temp_dir`.
        temp_dir: Folder for spilled data.
        database: DuckDB file with the tables of `raw.table`; opened read-only.
        allowed_dirs: Folders that statements may always access, besides those of their inputs and outputs.
            If they include the warehouse, one instance serves all days.
    """

    threads: int
    memory_limit_mb: int
    temp_dir: Path
    database: Path | None = None
    allowed_dirs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Confinement:
    """The files that a statement with a pipeline's expressions may access.

    Attributes:
        files: Input files.
        folder: Output folder.
        threads: Overrides the threads of the configuration.
        tables: Whether the statement may read tables of the configured database.
    """

    files: frozenset[str]
    folder: str | None
    threads: int | None
    tables: bool


class DuckDbSessions:
    """A pool of instances: opening one takes about 20 ms, a cursor half a millisecond."""

    def __init__(self, config: DuckDbConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._folders = frozenset(
            str(path) for folder in config.allowed_dirs for path in (folder.absolute(), folder.resolve())
        )
        self._instances: dict[tuple[int, bool], tuple[frozenset[str], duckdb.DuckDBPyConnection]] = {}
        self._confined: OrderedDict[Confinement, duckdb.DuckDBPyConnection] = OrderedDict()
        self._scratches: dict[str, duckdb.DuckDBPyConnection] = {}
        self._numbers = itertools.count(1)

    def cursor(
        self, folders: frozenset[str], *, threads: int | None = None, tables: bool = False
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection that may access some folders; the caller closes it.

        Args:
            folders: Accessible folders, besides those of the configuration.
            threads: Overrides the threads of the configuration.
            tables: Whether it may read tables of the configured database.

        Raises:
            EngineError: The instance or the database cannot be opened.
        """
        wanted = (threads or self._config.threads, tables and self._config.database is not None)
        with self._lock:
            allowed, instance = self._instances.get(wanted, (frozenset[str](), None))
            if instance is None or not all(_within(folder, allowed) for folder in folders):
                # Folders accumulate, so that a source and the warehouse share one instance.
                allowed = self._folders | allowed | folders
                opened = self._open(*wanted, allowed)
                if instance is not None:
                    instance.close()  # its cursors in use stay open
                self._instances[wanted] = allowed, opened
                instance = opened
            return instance.cursor()

    def confined_cursor(self, confinement: Confinement) -> duckdb.DuckDBPyConnection:
        """Return a connection that may access only some files; the caller closes it.

        Raises:
            EngineError: The instance or the database cannot be opened.
        """
        threads = confinement.threads or self._config.threads
        tables = confinement.tables and self._config.database is not None
        folders = frozenset({confinement.folder} if confinement.folder else ())
        with self._lock:
            instance = self._confined.pop(confinement, None)
            if instance is None:
                instance = self._open(threads, tables, folders, confinement.files)
            self._confined[confinement] = instance
            if len(self._confined) > _CONFINED:
                self._confined.popitem(last=False)[1].close()  # its cursors in use stay open
            return instance.cursor()

    def keeps(self, folder: str) -> bool:
        """Whether every instance may access a folder, so that no new instance is needed for it."""
        return _within(folder, self._folders)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Yield the name of a new schema, which is dropped on exit; its instance stays open until then.

        Its tables are in memory; data above the limit is spilled to `temp_dir`.
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
            with suppress(duckdb.Error):  # a fatal error has closed the instance and dropped its tables
                connection.execute(f"DROP SCHEMA {name} CASCADE")
            connection.close()

    def scratch_cursor(self, name: str, folders: frozenset[str]) -> duckdb.DuckDBPyConnection:
        """Return a connection that can read and write the tables of a scratch; the caller closes it.

        Raises:
            EngineError: The scratch has ended, or a folder is not in the configuration.
        """
        if outside := sorted(folder for folder in folders if not self.keeps(folder)):
            raise EngineError(
                "a statement that reads scratch tables can access only the folders of the configuration",
                where=outside[0],
                remedy="add the folder to allowed_dirs",
            )
        with self._lock:
            if name not in self._scratches:
                raise EngineError(f"{name} has ended, and its tables are gone")
            return self._scratches[name].cursor()

    def close(self) -> None:
        """Close all instances; those with a scratch stay open until it ends."""
        with self._lock:
            for _, instance in self._instances.values():
                instance.close()
            self._instances.clear()
            for instance in self._confined.values():
                instance.close()
            self._confined.clear()

    def _open(
        self, threads: int, tables: bool, folders: frozenset[str], files: frozenset[str] = frozenset()
    ) -> duckdb.DuckDBPyConnection:
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
                instance.execute(f"ATTACH {text_literal(str(config.database))} AS {SOURCE} (READ_ONLY)")
            # As in Trino, dividing integers gives an integer. Only GLOBAL settings apply to cursors.
            instance.execute("SET GLOBAL integer_division = true")
            instance.execute("SET GLOBAL TimeZone = 'UTC'")
            # Statements name files by patterns; DuckDB compares the patterns themselves with these paths.
            instance.execute(f"SET GLOBAL allowed_directories = {_listed(folders)}")
            instance.execute(f"SET GLOBAL allowed_paths = {_listed(files)}")
            instance.execute("SET GLOBAL enable_external_access = false")
            instance.execute("SET GLOBAL lock_configuration = true")
        except duckdb.Error as error:
            raise _not_opened(error, config.database if tables else config.temp_dir) from error
        return instance


def interruptibly(cursor: duckdb.DuckDBPyConnection, work: Callable[[], _Result]) -> _Result:
    """Run a query in another thread; an interrupt of this thread stops it and is raised unchanged.

    In this thread, DuckDB would replace the exception of a signal by its own 'Query interrupted'.
    """
    return run_interruptibly("duckdb-statement", work, cursor.interrupt)


def _not_opened(error: duckdb.Error, place: Path | None) -> EngineError:
    if "lock" in str(error).lower():
        return EngineError(
            "the database is locked: another process has it open for writing",
            where=str(place),
            remedy="close the program that writes to it, then run again",
        )
    return EngineError(
        f"DuckDB cannot be opened: {error}",
        where=str(place),
        remedy="check CLUSTER_DUCKDB_DATABASE, and that the folder for temporary files is writable",
    )


def _within(folder: str, allowed: frozenset[str]) -> bool:
    path = Path(folder)
    return folder in allowed or any(str(parent) in allowed for parent in path.parents)


def _listed(paths: frozenset[str]) -> str:
    """Return paths as a list literal, each as written and as its escaped pattern."""
    spellings = paths | {literal_path(path) for path in paths}
    return f"[{', '.join(text_literal(path) for path in sorted(spellings))}]"
