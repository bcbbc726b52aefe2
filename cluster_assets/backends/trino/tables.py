"""Files as tables for Trino: external Hive tables that exist for the duration of one statement."""

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

from cluster_assets.backends.ports import FileRelation, Relation, TableRelation
from cluster_assets.backends.sql_base import empty_item, gone, unreadable
from cluster_assets.backends.trino.errors import FAILURES
from cluster_assets.backends.trino.sql import declared_type, quoted, read_column, text
from cluster_assets.domain.column_types import wider
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import EngineError, SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cluster_assets.backends.trino.sessions import TrinoSessions
    from cluster_assets.domain.tables import Column

PATH_COLUMN = "$path"  # Hive's hidden column: the file of the row
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
# Each folder is one scan; with more, Trino takes longer to plan a statement than to run it.
_MOST_FOLDERS = 400
_STALE = dt.timedelta(days=1)
_NAME = re.compile(r"files_(\d{14})_[0-9a-f]{12}")
# Declared types are read as they are, except for zones of timestamps; nanoseconds prevent rounding.
NANOSECONDS = {"timestamp_precision": "NANOSECONDS"}


class ReadsFooters(Protocol):
    """Reads the columns of Parquet files, which Trino cannot describe."""

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI."""
        ...

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Return the bytes of a scan of some columns."""
        ...

    def stored_rows(self, relation: FileRelation) -> int:
        """Return the number of rows of Parquet files."""
        ...


@dataclass(frozen=True, slots=True)
class Locations:
    """Translates between paths of this machine and Trino's locations.

    Attributes:
        root: Trino's location of `/`: `local:///`.
    """

    root: str

    def of(self, uri: str) -> str:
        """Return Trino's location of a URI; URIs with a scheme, such as `s3://`, stay unchanged."""
        return uri if "://" in uri else self.root + uri.lstrip("/")

    def to_uri(self, location: str) -> str:
        """Return the URI of a location."""
        return "/" + location.removeprefix(self.root) if location.startswith(self.root) else location

    def path_expression(self) -> str:
        """Return the SQL that translates `"$path"` into a URI."""
        hidden = quoted(PATH_COLUMN)
        return (
            f"CASE WHEN starts_with({hidden}, {text(self.root)}) "
            f"THEN '/' || substr({hidden}, {len(self.root) + 1}) ELSE {hidden} END AS {hidden}"
        )


@dataclass
class ScratchTables:
    """The tables of one statement; all are dropped when it ends, also after an error.

    Attributes:
        files: URI of every file read so far, by Trino's location.
        scans: For each file, a query that decodes the columns that are read.
    """

    sessions: TrinoSessions
    footers: ReadsFooters
    files: dict[str, str] = field(default_factory=dict)
    scans: dict[str, str] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    @property
    def locations(self) -> Locations:
        """The translation of locations."""
        return Locations(self.sessions.config.files_root)

    def create(
        self, columns: Sequence[tuple[str, str]], folder_uri: str, partitioned_by: str | None = None
    ) -> str:
        """Create a table over a folder and return its quoted name.

        Args:
            columns: Names and declared types.
            folder_uri: Holds Parquet files only.
            partitioned_by: The last column, if each of its values has its own folder.
        """
        config = self.sessions.config
        catalog = config.scratch_catalog
        now = dt.datetime.now(dt.UTC)
        name = quoted(catalog, config.scratch_schema, f"files_{now:%Y%m%d%H%M%S}_{uuid.uuid4().hex[:12]}")
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
        options = f"external_location = {text(self.locations.of(folder_uri))}, format = 'PARQUET'"
        if partitioned_by is not None:
            options += f", partitioned_by = ARRAY[{text(partitioned_by)}]"
        self._made.append(name)  # first, so that the table is dropped even after an interrupt
        self.sessions.run(
            f"CREATE TABLE {name} ({listed}) WITH ({options})",
            {f"{catalog}.{key}": value for key, value in NANOSECONDS.items()},
        )
        return name

    def drop_all(self) -> None:
        """Drop all tables; their files remain.

        Raises:
            EngineError: Some tables could not be dropped; all others were.
        """
        failures = []
        while self._made:
            try:
                self.sessions.run(f"DROP TABLE IF EXISTS {self._made.pop()}")
            except (EngineError, *FAILURES) as error:
                failures.append(error)
        if failures:
            raise EngineError(
                f"{counted(len(failures), 'scratch table')} could not be dropped: {failures[0]}",
                where=f"{self.sessions.config.scratch_catalog}.{self.sessions.config.scratch_schema}",
                remedy="nothing to do: they are dropped a day later",
            ) from failures[0]

    def from_item(self, relation: Relation, wanted: Collection[str]) -> exp.Expr:
        """Return a relation as a FROM item.

        Args:
            relation: Files or a table.
            wanted: Columns that the statement reads, possibly `"$path"`; no others are declared.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: Trino cannot read the files in this form.
        """
        if isinstance(relation, TableRelation):
            return _table(relation, (self.sessions.config.catalog, self.sessions.config.schema))
        if not relation.uris:
            return empty_item(relation.columns)
        check_files(relation)
        columns = _declared(self.columns_of(relation), relation, wanted)
        parts = [self._select(relation, folder, uris, columns) for folder, uris in _folders(relation).items()]
        if len(parts) > _MOST_FOLDERS:
            raise SourceUnreadableError(
                f"the files are in {len(parts):,} folders; Trino reads at most {_MOST_FOLDERS} per statement",
                where=relation.uris[0],
                remedy="narrow raw.files, partition it by day (raw.partition_column), "
                "or make it a Hive table and name that in raw.table",
            )
        query = sqlglot.parse_one(" UNION ALL ".join(parts), read="trino")
        return exp.Subquery(this=query)

    def columns_of(self, relation: FileRelation) -> tuple[Column, ...]:
        """Return the columns of all files, each with its widest type."""
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
        # Read these files only: the folder may contain others, now or later.
        named = ", ".join(text(location) for location in locations)
        return f"SELECT {', '.join(shown)} FROM {table} WHERE {quoted(PATH_COLUMN)} IN ({named})"


@contextmanager
def scratch_tables(sessions: TrinoSessions, footers: ReadsFooters) -> Iterator[ScratchTables]:
    """Yield the tables of one statement, and drop them at the end."""
    tables = ScratchTables(sessions, footers)
    try:
        yield tables
    except BaseException:
        with suppress(EngineError):  # the statement's own error is more important
            tables.drop_all()
        raise
    tables.drop_all()


def make_schema(sessions: TrinoSessions) -> None:
    """Create the schema of the scratch tables, and drop old leftovers of killed processes."""
    config = sessions.config
    schema = quoted(config.scratch_catalog, config.scratch_schema)
    sessions.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    oldest = f"{dt.datetime.now(dt.UTC) - _STALE:%Y%m%d%H%M%S}"
    for (name,) in sessions.run(f"SHOW TABLES FROM {schema}").rows:
        found = _NAME.fullmatch(name)
        if found and found[1] < oldest:
            sessions.run(f"DROP TABLE IF EXISTS {schema}.{quoted(name)}")


def parts_of(name: str, defaults: tuple[str, str]) -> tuple[str, ...]:
    """Return catalog, schema and table of a name in lower case, with defaults for missing parts.

    >>> parts_of("Lake.events", ("hive", "default"))
    ('hive', 'lake', 'events')
    """
    parts = name.lower().split(".")
    return (*defaults[: 3 - len(parts)], *parts)


def check_files(relation: FileRelation) -> None:
    """Refuse files that Trino would silently ignore: missing, empty and hidden ones.

    Raises:
        SourceMissingError: A local file does not exist.
        SourceUnreadableError: A file is empty or hidden, or not Parquet.
    """
    if relation.format != "parquet":
        raise SourceUnreadableError(
            f"the Trino backend cannot read {relation.format} files",
            where=relation.uris[0] if relation.uris else None,
            remedy="write them as Parquet, or create a Hive table over them and name it in raw.table",
        )
    for uri in relation.uris:
        if PurePosixPath(uri).name.startswith((".", "_")):
            raise SourceUnreadableError(
                "Trino ignores files whose names begin with . or _",
                where=uri,
                remedy="rename the file",
            )
        if "://" in uri:
            continue
        path = Path(uri)
        if not path.is_file():
            raise gone(uri)
        if path.stat().st_size == 0:
            raise unreadable(uri, "it is empty")


def _declared(
    columns: Iterable[Column], relation: FileRelation, wanted: Collection[str]
) -> tuple[Column, ...]:
    """Return the columns that are read, or any one: a table needs a column."""
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
