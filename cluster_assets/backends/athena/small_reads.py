"""Statements over small tables, run in this process on copies of their files.

Athena bills 10 MB for each statement and takes a second or two, however few rows it reads. Most questions are
about a few tables that the pipeline itself wrote, of some kilobytes on a small day. DuckDB gives the same
answers from copies of their files: every statement is tested on both engines.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.backends.athena.queries import interruptibly
from cluster_assets.backends.athena.sql import PATH_COLUMN, mentioned_columns
from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation, UnloadResult
from cluster_assets.domain.errors import EngineError, SourceUnreadableError
from cluster_assets.spec.expressions.printed import SOURCE_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.backends.athena.config import AthenaConfig
    from cluster_assets.backends.athena.files import S3Files
    from cluster_assets.backends.ports import QueryResult, Relation, Statement, Statistics
    from cluster_assets.domain.tables import TableContract

_logger = logging.getLogger(__name__)

_MOST_FILES = 100  # of one statement; each takes a request
_MEMORY_MB = 512


@dataclass(frozen=True, slots=True)
class _Near:
    """What a statement reads, in a folder of this machine that also takes what it writes."""

    engine: DuckDbEngine
    folder: Path
    relations: Mapping[str, FileRelation]


class SmallReads:
    """Runs statements over small tables of the pipeline; safe to call from several threads.

    The statistics of its results count no query. Source rows are left to Athena: it has read them, and a
    check compares its counts.

    Args:
        files: Listings, copies and writes.
        config: The largest size of all files of a statement, and the KMS key of what is written.
    """

    def __init__(self, files: S3Files, config: AthenaConfig) -> None:
        self._files = files
        self._config = config
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._opened: tuple[Path, DuckDbEngine] | None = None

    def close(self) -> None:
        """Close DuckDB and remove the copies; the next question opens it again."""
        with self._lock:
            self._opened = None
            self._open.close()

    def fetch(self, statement: Statement, used: Mapping[str, Relation]) -> QueryResult | None:
        """Return the answer to a question; None if Athena must answer.

        Raises:
            SourceMissingError: A file does not exist.
        """
        with self._near(statement, used) as near:
            if near is None:
                return None
            try:
                answer = near.engine.fetch(statement, near.relations)
            except (EngineError, SourceUnreadableError) as error:
                _leave_to_athena(statement, error)
                return None
        return replace(answer, statistics=_uncounted(answer.statistics))

    def unload(
        self, statement: Statement, used: Mapping[str, Relation], table: TableContract, prefix_uri: str
    ) -> UnloadResult | None:
        """Write a table as one sorted file below an empty prefix; None if Athena must write it.

        Raises:
            ClusterAssetsError: A file does not exist, or S3 refuses the new one.
        """
        with self._near(statement, used) as near:
            if near is None:
                return None
            try:
                written = near.engine.unload(statement, near.relations, table, str(near.folder / "written"))
            except (EngineError, SourceUnreadableError) as error:
                _leave_to_athena(statement, error)
                return None
            files = tuple(
                replace(file, uri=f"{prefix_uri.rstrip('/')}/{Path(file.uri).name}") for file in written.files
            )
            for near_file, file in zip(written.files, files, strict=True):
                self._store(Path(near_file.uri), file.uri)
        return UnloadResult(files, _uncounted(written.statistics))

    def _store(self, path: Path, uri: str) -> None:
        body = path.read_bytes()
        interruptibly(lambda stop: self._files.write(uri, body, stop, self._config))

    @contextmanager
    def _near(self, statement: Statement, used: Mapping[str, Relation]) -> Iterator[_Near | None]:
        relations = _own_tables(statement, used)
        if not relations or not self._config.small_read_bytes:
            yield None
            return
        folder, engine = self._engine()
        with tempfile.TemporaryDirectory(dir=folder) as copies:
            near = interruptibly(lambda stop: self._copied(relations, Path(copies), stop))
            yield None if near is None else _Near(engine, Path(copies), near)

    def _engine(self) -> tuple[Path, DuckDbEngine]:
        with self._lock:
            if self._opened is None:
                folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="small-reads-")))
                config = DuckDbConfig(
                    threads=1, memory_limit_mb=_MEMORY_MB, temp_dir=folder / "spilled", allowed_dirs=(folder,)
                )
                self._opened = folder, self._open.enter_context(DuckDbEngine(config))
            return self._opened

    def _copied(
        self, relations: Mapping[str, FileRelation], folder: Path, stop: threading.Event
    ) -> dict[str, FileRelation] | None:
        """Return the same tables in copies; None if they are too large."""
        uris = sorted({uri for relation in relations.values() for uri in relation.uris})
        if len(uris) > _MOST_FILES:
            return None
        listed, _ = self._files.list_files(uris, stop)
        if sum(found.bytes for found in listed.values()) > self._config.small_read_bytes:
            return None
        # Numbered in the order of the names, because DuckDB reads the files of a table in order.
        copies = {uri: folder / f"{number:05}.parquet" for number, uri in enumerate(uris)}
        with ThreadPoolExecutor(self._config.parallel, "small-read") as pool:
            tuple(pool.map(lambda uri: copies[uri].write_bytes(self._files.read(uri, stop)), uris))
        return {
            name: replace(relation, uris=tuple(str(copies[uri]) for uri in relation.uris))
            for name, relation in relations.items()
        }


def _leave_to_athena(statement: Statement, error: Exception) -> None:
    """Log why: Athena may have more memory, and its message names the file rather than the copy."""
    _logger.info("%s is left to Athena: %s", statement.name, error)


def _uncounted(statistics: Statistics) -> Statistics:
    return replace(statistics, queries=0)


def _own_tables(statement: Statement, used: Mapping[str, Relation]) -> dict[str, FileRelation]:
    """Return what a statement reads if all of it are tables with a contract; nothing otherwise."""
    mentioned = mentioned_columns(statement)
    if SOURCE_ROWS in used or (mentioned is not None and PATH_COLUMN in mentioned):
        return {}
    found = {
        name: relation
        for name, relation in used.items()
        if isinstance(relation, FileRelation)
        and relation.columns
        and not relation.types
        and relation.format == "parquet"
        and relation.partition_column is None
    }
    return found if len(found) == len(used) else {}
