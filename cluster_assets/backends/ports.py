"""The interfaces that stages use: SQL engine, object store, catalog and invoker, grouped in a `Backend`.

Each protocol has a local and an AWS implementation, and both pass the same contract suite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cluster_assets.domain.text_files import RFC_4180

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import sqlglot.expressions as exp

    from cluster_assets.backends.stored import Pointer, StoredObject
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.domain.text_files import CsvDialect, Use
    from cluster_assets.domain.times.layouts import TableDay
    from cluster_assets.spec.pipeline import Limits

MOST_PARTITIONS = 100
"""Most values of `partitioned_by` in one statement: the limit of Athena and Trino."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A bound SQL statement in the Athena dialect.

    Attributes:
        name: The file it came from, for messages: `points/points.sql`.
        tree: The parsed query with values and expressions bound.
        order_sensitive: Whether it sums floating-point numbers, so that the order of the rows could change
            the last bit. Engines run it in a fixed order if they can.
    """

    name: str
    tree: exp.Query
    order_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class FileRelation:
    """Files that a statement reads as a table.

    Attributes:
        uris: Absolute paths or `s3://` addresses, sorted.
        format: `parquet`, `csv` or `json` (lines, or one array); the extension `.gz` marks gzip.
        types: Declared Athena types by column; files are read with them.
        partition_column: A Hive partition column (`name=value` folders) to read as varchar.
        columns: Columns of an empty relation (no uris), so that an empty day has a schema.
        uses: The columns that statements read, with their uses; empty means all columns. The types of other
            columns of CSV and JSON files are not inferred.
        dialect: The dialect of CSV files.
    """

    uris: tuple[str, ...]
    format: str = "parquet"
    types: Mapping[str, str] = field(default_factory=dict)
    partition_column: str | None = None
    columns: tuple[Column, ...] = ()
    uses: Mapping[str, Use] = field(default_factory=dict)
    dialect: CsvDialect = RFC_4180


@dataclass(frozen=True, slots=True)
class TableRelation:
    """A table that the engine knows by name.

    Attributes:
        name: `table`, `schema.table` or `catalog.schema.table`.
        scratch: For a scratch table, the scratch that holds it.
    """

    name: str
    scratch: str | None = None


Relation = FileRelation | TableRelation


@dataclass(frozen=True, slots=True)
class Statistics:
    """The time and cost of a statement.

    Attributes:
        seconds: Wall time.
        bytes_scanned: Bytes of input read.
        queue_seconds: Seconds it waited in the queue of a shared engine.
        engine_seconds: Seconds a shared engine worked on it.
        billed_bytes: Bytes billed, with the provider's rounding; 0 if the engine is free.
        queries: Queries of the engine; 0 if the answer took none.
    """

    seconds: float
    bytes_scanned: int
    queue_seconds: float = 0.0
    engine_seconds: float = 0.0
    billed_bytes: int = 0
    queries: int = 1


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A small result: rows as dictionaries by column name, and the columns in order."""

    rows: tuple[Mapping[str, Any], ...]
    statistics: Statistics
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A data file that an engine wrote; of a partitioned table, with its partition value."""

    uri: str
    rows: int
    bytes: int
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class UnloadResult:
    """The files that a statement wrote; none if it returned no rows."""

    files: tuple[WrittenFile, ...]
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class ScratchTable:
    """A filled scratch table; later statements of the same scratch read its `relation`."""

    relation: Relation
    statistics: Statistics


class Scratch(Protocol):
    """Fills temporary tables between statements, one per call."""

    def __call__(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """Write the rows of a query to a new table.

        Tables inside the engine are sorted, files are not. The columns and types must be those of `table`.

        Raises:
            EngineError: As `SqlEngine.unload`.
        """


@runtime_checkable
class DescribesFiles(Protocol):
    """An engine that reads files itself and can describe their columns."""

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI."""


class SqlEngine(Protocol):
    """Runs bound statements close to the data."""

    name: str

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Return the columns of a relation with Athena types.

        Raises:
            SourceMissingError: A file or table does not exist.
            SourceUnreadableError: A file does not have the format; the message names it.
        """

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        """Return a string that changes whenever the table, or the part of it, may have changed.

        Args:
            name: The table.
            part: One day, if columns spell the days. The state of the whole table is returned where the
                engine cannot tell the state of a part.

        Raises:
            SourceMissingError: The table does not exist.
        """

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Return the bytes that a scan of some columns would read, without reading them.

        Counts compressed column chunks if the engine can read Parquet footers, else whole files, which is an
        upper bound. 0 for a table whose size the engine does not know.

        Raises:
            SourceMissingError, SourceUnreadableError: As `describe`.
        """

    def stored_rows(self, relation: FileRelation) -> int:
        """Return the number of rows of Parquet files according to their footers, without a statement.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet; the message names it.
        """

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small result; its table names are the keys of `relations`.

        Raises:
            EngineError: The engine rejected the query, or the query failed.
            SourceUnreadableError: An input file could not be read; the message names it.
        """

    def unload(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract, prefix_uri: str
    ) -> UnloadResult:
        """Write the rows of a query as zstd Parquet below an empty prefix.

        Rows are sorted if the engine writes one file; Athena writes several files in parallel, unsorted.
        The columns and types of the statement must be those of `table`.

        If the table is `partitioned_by` its last column, each value has its own files, with rows in any order
        and without that column; `WrittenFile.partition` is the value in decimal digits. A statement may write
        at most `MOST_PARTITIONS` values. The files are sorted by value, then by name.

        Raises:
            EngineError: As `fetch`, or the columns differ from the contract.
        """

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """Return a context for scratch tables, kept as files or in the engine, which drops them on exit.

        Args:
            prefix_uri: An empty prefix for engines without tables of their own, which write a folder per
                table. The files remain; the owner of the prefix removes them.
        """


class RowCounter(Protocol):
    """Counts the rows of a file independently of the SQL engine, to reveal faults of either reader."""

    def count_rows(self, relation: FileRelation, uri: str) -> int:
        """Count the rows of one file of a relation.

        Raises:
            SourceUnreadableError: This reader cannot read the file.
            FileNotFoundError: The file does not exist.
        """


class ObjectStore(Protocol):
    """Immutable objects by key (`a/b/c.json`, relative to the warehouse)."""

    def uri(self, key: str) -> str:
        """Return the URI for engines and workers: an absolute path or `s3://…`."""

    def key(self, uri: str) -> str:
        """Return the key of a URI inside this store.

        Raises:
            IntegrityError: The URI is outside the store.
        """

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store a small object atomically; False if the key exists, whichever process wrote it."""

    def read(self, key: str) -> bytes:
        """Return the bytes of a small object.

        Raises:
            FileNotFoundError: The object does not exist.
        """

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object's bytes.

        Raises:
            FileNotFoundError: The object does not exist.
        """

    def seal(self, key: str) -> str:
        """Make an object durable and return its `digest`, which a later `is_intact` finds cheaply."""

    def copy(self, key: str, target: str) -> None:
        """Give the bytes of an object a second key, durably; a target that exists is left as it is.

        Raises:
            FileNotFoundError: As `digest`.
        """

    def is_intact(self, key: str, digest: str, committed_at: dt.datetime) -> bool:
        """Whether an object still has the SHA-256 of a manifest, checked as cheaply as the store allows.

        A missing object counts as intact; its reader notices. `committed_at` is the time of the manifest.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`, in key order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects in the given order; a missing object is not an error."""

    def sweep(self, before: dt.datetime) -> int:
        """Remove invisible leftovers of killed writers older than a time, and return their number."""


class Catalog(Protocol):
    """The published pointer of each (pipeline, stage, day)."""

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """Return the published pointer; None if the day was never published."""

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        """Publish a manifest atomically; False if a later version was already published."""

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        """Return all published days, ascending."""

    def pointers(self, pipeline: str, stage: str) -> Mapping[Day, Pointer]:
        """Return the published pointers of all days, ascending, from one listing."""

    def pipelines(self) -> tuple[str, ...]:
        """Return the names of the pipelines whose clusters are or were published, sorted."""

    def remove(self, pipeline: str) -> None:
        """Remove the pointers of all days of a pipeline; nothing happens if there are none."""


class Invoker(Protocol):
    """Calls the worker with at most `max_concurrency` concurrent calls; thread-safe.

    Attributes:
        is_billed: Whether calls are billed.
    """

    is_billed: bool

    @property
    def max_concurrency(self) -> int:
        """Maximum number of concurrent calls; further calls wait."""

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one event and return the reply.

        Raises:
            WorkerError: One of its subclasses, by cause.
        """

    def close(self) -> None:
        """Stop every worker this invoker started."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The systems a pipeline runs on: SQL engine, object store, catalog of published days and workers.

    Attributes:
        invoker_for: Returns the invoker whose memory, timeout and concurrency follow a pipeline's limits.
        source_variables: Values for `${NAME}` in `raw.files`.
        row_counter: Counts the rows of source files independently; None if no second reader can read them.
    """

    engine: SqlEngine
    store: ObjectStore
    catalog: Catalog
    invoker_for: Callable[[Limits], Invoker]
    source_variables: Mapping[str, str]
    row_counter: RowCounter | None = None
