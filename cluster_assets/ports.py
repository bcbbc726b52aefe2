"""What the stages need from the outside: an SQL engine, an object store, a catalog, an invoker.

Each protocol has a local and an AWS implementation with the same names, checked by one contract suite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import sqlglot.expressions as exp

    from cluster_assets.domain.partitions import Day
    from cluster_assets.domain.tables import Column, TableContract


@dataclass(frozen=True, slots=True)
class Statement:
    """A bound SQL statement in the Athena dialect.

    Attributes:
        name: The file it came from, for messages: `points/points.sql`.
        tree: The parsed query, values and expressions already bound.
        order_sensitive: True when it adds up floating-point numbers, so that the order of the
            rows could change the last bit. Engines that can, run it in a fixed order.
    """

    name: str
    tree: exp.Query
    order_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class FileRelation:
    """Files that a statement reads as a table.

    Attributes:
        uris: Absolute paths or `s3://` addresses, sorted.
        format: `parquet`, `csv` or `json` (JSON lines); gzip is told by the ending `.gz`.
        types: Declared Athena types by column; CSV and JSON are read with them.
        partition_column: A Hive partition column (`name=value` folders) to read as varchar.
        columns: Columns of an empty relation (no uris), so that an empty day has a schema.
    """

    uris: tuple[str, ...]
    format: str = "parquet"
    types: Mapping[str, str] = field(default_factory=dict)
    partition_column: str | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class TableRelation:
    """A table the engine knows by name.

    Attributes:
        name: `table`, `schema.table` or `catalog.schema.table`.
        scratch: The scratch that holds it and ends with it, of a table that an engine made for itself.
    """

    name: str
    scratch: str | None = None


Relation = FileRelation | TableRelation


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a statement took.

    Attributes:
        seconds: Wall time.
        bytes_scanned: Bytes of input read.
        queue_seconds: How long a shared engine let it wait.
        engine_seconds: How long a shared engine worked on it.
        billed_bytes: Bytes that are charged for, rounded as the engine's owner does; 0 where nothing is.
    """

    seconds: float
    bytes_scanned: int
    queue_seconds: float = 0.0
    engine_seconds: float = 0.0
    billed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A small result: rows as dictionaries by column name."""

    rows: tuple[Mapping[str, Any], ...]
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A data file an engine wrote.

    Attributes:
        partition: The value its rows share, of a table that is partitioned.
    """

    uri: str
    rows: int
    bytes: int
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class UnloadResult:
    """The files a statement filled; none when it returned no row."""

    files: tuple[WrittenFile, ...]
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class ScratchTable:
    """A filled table that later statements of the same scratch read as `relation`."""

    relation: Relation
    statistics: Statistics


class Scratch(Protocol):
    """Tables on the way from one statement to the next."""

    def fill(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """Put the rows of a query into a new table.

        They are sorted where the engine keeps the table; a file is not. The columns must be those of `table`,
        with its types.

        Raises:
            EngineError: As `SqlEngine.unload`.
        """
        ...


class SqlEngine(Protocol):
    """Runs bound statements next to the data."""

    name: str

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation with Athena types.

        Raises:
            SourceMissingError: A file or table does not exist.
            SourceUnreadableError: A file is not of the format; the message names it.
        """
        ...

    def table_state(self, name: str) -> str:
        """A text that changes when a table of the engine may have changed.

        Raises:
            SourceMissingError: There is no such table.
        """
        ...

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Bytes that reading some columns of a relation takes, without reading them.

        Compressed column chunks where the engine can look at Parquet footers; else whole files, which is
        an upper bound. 0 for a table whose size the engine does not know.

        Raises:
            SourceMissingError: A file or table does not exist.
            SourceUnreadableError: A file is not of the format; the message names it.
        """
        ...

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small answer.

        Args:
            statement: Its table names are keys of `relations`.
            relations: What each table name stands for.

        Raises:
            EngineError: The engine refused or failed it.
            SourceUnreadableError: An input file could not be read; the message names it.
        """
        ...

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write the rows of a query as zstd Parquet below a fresh prefix.

        They are sorted where the engine writes one file; Athena writes several at once, in no order.
        The columns of the statement must be those of `table`, with its types.

        Where the table is `partitioned_by` a column, its last one, the files of a value hold the rows of
        that value in any order, without the column; `WrittenFile.partition` tells it as decimal digits. A
        statement has at most 100 such values, Athena's and Trino's limit (UNLOAD or CREATE TABLE AS with
        `partitioned_by = ARRAY['column']`). The files are sorted by value, then by name.

        Raises:
            EngineError: As `fetch`, or the columns differ from the contract.
        """
        ...

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """A place for scratch tables: in the engine itself, which drops them when the context ends, or files.

        Args:
            prefix_uri: A fresh prefix, where an engine that keeps no tables writes them, one folder each. The
                files stay; whoever owns the prefix removes it.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store."""

    key: str
    bytes: int
    modified: dt.datetime


class ObjectStore(Protocol):
    """Immutable objects by key (`a/b/c.json`, relative to the warehouse)."""

    def uri(self, key: str) -> str:
        """The address engines and workers open: an absolute path or `s3://…`."""
        ...

    def key(self, uri: str) -> str:
        """The key of an address below this store.

        Raises:
            IntegrityError: The address lies outside the store.
        """
        ...

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store a small object whole or not at all; False when the key is taken, whoever took it."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes of a small object.

        Raises:
            FileNotFoundError: There is no such object.
        """
        ...

    def digest(self, key: str) -> str:
        """SHA-256 of an object's bytes, made durable before it returns.

        Raises:
            FileNotFoundError: There is no such object.
        """
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with `prefix`, in key order."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects in the order given; a missing one is no error."""
        ...

    def sweep(self, before: dt.datetime) -> int:
        """Remove what killed writers left before a time and no reader can see; how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which manifest readers of a day see."""

    manifest_key: str
    version: int


class Catalog(Protocol):
    """The published pointer of each (pipeline, stage, day)."""

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """The published pointer, or None when the day was never published."""
        ...

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        """Publish a manifest atomically.

        Returns:
            True when `pointer` is what readers see now; False when a later version was there already.
        """
        ...

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        """All published days, ascending."""
        ...


class Invoker(Protocol):
    """Calls the worker, at most `max_concurrency` at a time; safe to call from several threads.

    Attributes:
        is_billed: Whether somebody charges for a call.
    """

    is_billed: bool

    @property
    def max_concurrency(self) -> int:
        """Calls it runs at a time; further ones wait."""
        ...

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run one event to its reply.

        Raises:
            WorkerError: One of its subclasses, by cause.
        """
        ...

    def close(self) -> None:
        """Stop every worker this invoker started."""
        ...
