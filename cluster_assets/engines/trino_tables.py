"""Files as tables that Trino can read and write: external Hive tables that live as long as one statement."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.column_types import wider
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.engines.trino_errors import FAILURES
from cluster_assets.engines.trino_sql import quoted, text
from cluster_assets.engines.trino_types import declared_type, read_column
from cluster_assets.ports import FileRelation, Relation, TableRelation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cluster_assets.domain.tables import Column
    from cluster_assets.engines.trino_sessions import TrinoSessions

PATH_COLUMN = "$path"  # Hive's hidden column: the file a row comes from
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
# One scan each; a statement of more would take Trino longer to plan than to run.
_MOST_FOLDERS = 400
_STALE = dt.timedelta(days=1)
_NAME = re.compile(r"files_(\d{14})_[0-9a-f]{12}")
# The zone of a timestamp aside, what is declared is what is read; nanoseconds so that nothing is rounded.
NANOSECONDS = {"timestamp_precision": "NANOSECONDS"}


class ReadsFooters(Protocol):
    """Something that tells the columns of Parquet files, which Trino does not."""

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each file by its address."""
        ...

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Bytes of the files that hold some columns."""
        ...


@dataclass(frozen=True, slots=True)
class Locations:
    """How Trino's file system calls a path of this machine.

    Attributes:
        root: What it calls `/`: `local:///`.
    """

    root: str

    def of(self, uri: str) -> str:
        """The address for Trino; one with a scheme, such as `s3://`, is the same for both."""
        return uri if "://" in uri else self.root + uri.lstrip("/")

    def to_uri(self, location: str) -> str:
        """The address for us."""
        return "/" + location.removeprefix(self.root) if location.startswith(self.root) else location

    def path_expression(self) -> str:
        """SQL that turns `"$path"` into an address for us."""
        hidden = quoted(PATH_COLUMN)
        return (
            f"CASE WHEN starts_with({hidden}, {text(self.root)}) "
            f"THEN '/' || substr({hidden}, {len(self.root) + 1}) ELSE {hidden} END AS {hidden}"
        )


@dataclass
class ScratchTables:
    """The tables that one statement uses; all are dropped when it ends, however it ends.

    Attributes:
        files: Every file read so far, by the address Trino uses.
        scans: For each of them a query that decodes all its values that are read.
    """

    sessions: TrinoSessions
    footers: ReadsFooters
    files: dict[str, str] = field(default_factory=dict)
    scans: dict[str, str] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    @property
    def locations(self) -> Locations:
        """Translates addresses."""
        return Locations(self.sessions.config.files_root)

    def create(
        self, columns: Sequence[tuple[str, str]], folder_uri: str, partitioned_by: str | None = None
    ) -> str:
        """Make a table over a folder; returns its quoted name.

        Args:
            columns: Names and declared types.
            folder_uri: Holds Parquet files only.
            partitioned_by: The last column, where each of its values has a folder of its own.
        """
        config = self.sessions.config
        catalog = config.scratch_catalog
        now = dt.datetime.now(dt.UTC)
        name = quoted(catalog, config.scratch_schema, f"files_{now:%Y%m%d%H%M%S}_{uuid.uuid4().hex[:12]}")
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
        options = f"external_location = {text(self.locations.of(folder_uri))}, format = 'PARQUET'"
        if partitioned_by is not None:
            options += f", partitioned_by = ARRAY[{text(partitioned_by)}]"
        self._made.append(name)  # first, so that an interrupt between here and the answer leaves nothing
        self.sessions.run(
            f"CREATE TABLE {name} ({listed}) WITH ({options})",
            {f"{catalog}.{key}": value for key, value in NANOSECONDS.items()},
        )
        return name

    def drop_all(self) -> None:
        """Drop every table made; the files stay.

        Raises:
            EngineError: Some could not be dropped; the others are.
        """
        failures = []
        while self._made:
            try:
                self.sessions.run(f"DROP TABLE IF EXISTS {self._made.pop()}")
            except (EngineError, *FAILURES) as error:
                failures.append(error)
        if failures:
            raise EngineError(
                f"{len(failures)} scratch tables could not be dropped: {failures[0]}",
                where=f"{self.sessions.config.scratch_catalog}.{self.sessions.config.scratch_schema}",
                remedy="none is needed: they are dropped a day later",
            ) from failures[0]

    def from_item(self, relation: Relation, wanted: Collection[str]) -> exp.Expr:
        """A relation as a node that may stand after FROM.

        Args:
            relation: Files or a table.
            wanted: Columns the statement reads, maybe `"$path"`; others need not be declared.

        Raises:
            SourceMissingError: A file is gone.
            SourceUnreadableError: Files Trino does not read as they are.
        """
        if isinstance(relation, TableRelation):
            return _table(relation, (self.sessions.config.catalog, self.sessions.config.schema))
        if not relation.uris:
            return _empty(relation)
        check_files(relation)
        columns = _declared(self.columns_of(relation), relation, wanted)
        parts = [self._select(relation, folder, uris, columns) for folder, uris in _folders(relation).items()]
        if len(parts) > _MOST_FOLDERS:
            raise SourceUnreadableError(
                f"the files lie in {len(parts):,} folders; Trino reads {_MOST_FOLDERS} at once here",
                where=relation.uris[0],
                remedy="narrow raw.files, partition it by day (raw.partition_column), "
                "or make it a Hive table and name that in raw.table",
            )
        query = sqlglot.parse_one(" UNION ALL ".join(parts), read="trino")
        return exp.Subquery(this=query)

    def columns_of(self, relation: FileRelation) -> tuple[Column, ...]:
        """Columns of files, those of several files merged, each with the widest type."""
        if relation.columns:
            return relation.columns
        merged: dict[str, Column] = {}
        for columns in self.footers.describe_files(relation).values():
            for column in columns:
                key = column.name.lower()
                known = merged.get(key, column)
                both = wider(known.type, column.type, guessed=False)
                merged[key] = type(column)(known.name, both or known.type)
        return tuple(merged.values())

    def _select(
        self, relation: FileRelation, folder: str, uris: Sequence[str], columns: Sequence[Column]
    ) -> str:
        hive = relation.partition_column
        stored = [column for column in columns if column.name != hive]
        table = self.create([(c.name.lower(), declared_type(c.type)) for c in stored], folder)
        locations = {self.locations.of(uri): uri for uri in uris}
        self.files.update(locations)
        row = ", ".join(quoted(column.name) for column in stored)
        for location in locations:
            of_file = f"{quoted(PATH_COLUMN)} = {text(location)}"
            self.scans[location] = f"SELECT checksum(ROW({row})) FROM {table} WHERE {of_file}"
        shown = [read_column(quoted(column.name), column.type) for column in stored]
        if hive is not None:
            shown.append(f"CAST({_folder_value(folder, hive)} AS VARCHAR) AS {quoted(hive)}")
        shown.append(self.locations.path_expression())
        # Exactly these: others may lie in the folder, or come to lie there meanwhile.
        named = ", ".join(text(location) for location in locations)
        return f"SELECT {', '.join(shown)} FROM {table} WHERE {quoted(PATH_COLUMN)} IN ({named})"


@contextmanager
def scratch_tables(sessions: TrinoSessions, footers: ReadsFooters) -> Iterator[ScratchTables]:
    """The tables of one statement."""
    tables = ScratchTables(sessions, footers)
    try:
        yield tables
    except BaseException:
        with suppress(EngineError):  # what stopped the statement is what matters
            tables.drop_all()
        raise
    tables.drop_all()


def make_schema(sessions: TrinoSessions) -> None:
    """Make the schema of the scratch tables, and drop those that killed processes left long ago."""
    config = sessions.config
    schema = quoted(config.scratch_catalog, config.scratch_schema)
    sessions.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    oldest = f"{dt.datetime.now(dt.UTC) - _STALE:%Y%m%d%H%M%S}"
    for (name,) in sessions.run(f"SHOW TABLES FROM {schema}").rows:
        found = _NAME.fullmatch(name)
        if found and found[1] < oldest:
            sessions.run(f"DROP TABLE IF EXISTS {schema}.{quoted(name)}")


def parts_of(name: str, defaults: tuple[str, str]) -> tuple[str, ...]:
    """Catalog, schema and table of a name that may leave the first ones out, as Trino spells them.

    >>> parts_of("Lake.events", ("hive", "default"))
    ('hive', 'lake', 'events')
    """
    parts = name.lower().split(".")
    return (*defaults[: 3 - len(parts)], *parts)


def check_files(relation: FileRelation) -> None:
    """Make sure of what Trino would pass over in silence: missing, empty and hidden files.

    Raises:
        SourceMissingError: A file of this machine is gone.
        SourceUnreadableError: A file is empty or hidden, or not Parquet.
    """
    if relation.format != "parquet":
        raise SourceUnreadableError(
            f"Trino does not read {relation.format} files here",
            where=relation.uris[0] if relation.uris else None,
            remedy="write them as Parquet, or make them a Hive table with its types and name it in raw.table",
        )
    for uri in relation.uris:
        if PurePosixPath(uri).name.startswith((".", "_")):
            raise SourceUnreadableError(
                "Trino passes over files whose names begin with . or _",
                where=uri,
                remedy="give the file another name",
            )
        if "://" in uri:
            continue
        path = Path(uri)
        if not path.is_file():
            raise SourceMissingError(
                f"{uri} is gone", where=uri, remedy="put the file back, then run the day again"
            )
        if path.stat().st_size == 0:
            raise SourceUnreadableError(
                "a file is not readable as parquet: it is empty",
                where=uri,
                remedy="replace the file: it is truncated",
            )


def _declared(
    columns: Iterable[Column], relation: FileRelation, wanted: Collection[str]
) -> tuple[Column, ...]:
    """The columns that are read, or one, as no table is without columns."""
    everything = tuple(column for column in columns if column.name != relation.partition_column)
    lowered = {name.lower() for name in wanted}
    return tuple(column for column in everything if column.name.lower() in lowered) or everything[:1]


def _folders(relation: FileRelation) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for uri in relation.uris:
        folders.setdefault(uri.rpartition("/")[0], []).append(uri)
    return folders


def _folder_value(folder: str, column: str) -> str:
    values = [part.partition("=")[2] for part in folder.split("/") if part.startswith(f"{column}=")]
    if not values or values[-1] == _NULL_FOLDER:
        return "NULL"
    return text(unquote(values[-1]))


def _table(relation: TableRelation, defaults: tuple[str, str]) -> exp.Expr:
    parts = parts_of(relation.name, defaults)
    return exp.table_(parts[2], db=parts[1], catalog=parts[0], quoted=True)


def _empty(relation: FileRelation) -> exp.Expr:
    if not relation.columns:
        raise EngineError("an empty relation was given without columns")
    columns = ", ".join(
        f"CAST(NULL AS {column.type}) AS {quoted(column.name)}" for column in relation.columns
    )
    query = sqlglot.parse_one(f"SELECT {columns} WHERE FALSE", read="trino")
    return exp.Subquery(this=query)
