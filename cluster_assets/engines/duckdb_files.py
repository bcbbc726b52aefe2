"""Files and tables as FROM items of DuckDB, and which file of many is broken."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError
from cluster_assets.domain.tables import Column
from cluster_assets.engines.duckdb_types import athena_type, duckdb_type
from cluster_assets.ports import FileRelation, Relation, TableRelation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

SOURCE = "source"  # name under which the configured database file is attached
PATH_COLUMN = "$path"  # Athena's hidden column: the file a row comes from

_READERS = {"parquet": "read_parquet", "csv": "read_csv", "json": "read_json"}


def from_item(
    relation: Relation, json_columns: Mapping[str, str] | None = None, *, with_path: bool = False
) -> exp.Expr:
    """A relation as a node that may stand after FROM.

    Args:
        relation: Files or a table.
        json_columns: For JSON files, all their columns with Athena types: the reader takes all or none.
        with_path: Whether the statement asks for the file of each row, `"$path"`.

    Raises:
        EngineError: The files are not on this machine, or of an unknown format.
    """
    if isinstance(relation, TableRelation):
        return _table(relation)
    if not relation.uris:
        return _empty(relation)
    options = {"union_by_name": "true"} if len(relation.uris) > 1 else {}
    if with_path:
        options["filename"] = _text(PATH_COLUMN)
    if relation.partition_column is not None:
        name = _text(relation.partition_column)
        options |= {"hive_partitioning": "true", "hive_types": f"{{{name}: VARCHAR}}"}
    else:
        options["hive_partitioning"] = "false"
    if relation.format == "csv":
        options["header"] = "true"
        if relation.types:
            options["types"] = _struct(relation.types)
    if relation.format == "json":
        options["format"] = "'newline_delimited'"
        if json_columns:
            options["columns"] = _struct(json_columns)
    if relation.format not in _READERS:
        raise EngineError(f"DuckDB reads no {relation.format} files here")
    arguments = ", ".join(
        [file_list(relation.uris), *(f"{name} = {value}" for name, value in options.items())]
    )
    query = sqlglot.parse_one(f"SELECT * FROM {_READERS[relation.format]}({arguments})", read="duckdb")
    item: exp.Expr = query.args["from_"].this.pop()
    return item


def folders_of(relation: Relation) -> frozenset[str]:
    """The folders whose files a relation reads.

    Raises:
        EngineError: A file is not on this machine.
    """
    if isinstance(relation, TableRelation):
        return frozenset()
    for uri in relation.uris:
        if "://" in uri:
            raise EngineError(
                f"DuckDB reads files of this machine only, not {uri}",
                remedy="copy the files to this machine",
            )
    return frozenset(str(Path(uri).parent) for uri in relation.uris)


def is_of_database(relation: Relation) -> TypeGuard[TableRelation]:
    """Whether a relation is a table of the configured database."""
    return isinstance(relation, TableRelation) and relation.scratch is None


def scratches_of(relations: Iterable[Relation]) -> list[str]:
    """The scratches whose tables are among some relations."""
    kept = {one.scratch for one in relations if isinstance(one, TableRelation) and one.scratch is not None}
    return sorted(kept)


def whole_scan(relation: FileRelation, uri: str) -> str:
    """A query that decodes every value of one file."""
    one = FileRelation((uri,), relation.format, relation.types, relation.partition_column)
    return f"SELECT count(hash(scanned)) FROM {from_item(one).sql('duckdb')} AS scanned"


def parquet_columns(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation
) -> dict[str, tuple[Column, ...]]:
    """Columns of each Parquet file from all footers in one query.

    Raises:
        duckdb.Error: A file is not readable.
    """
    # The elements of a file in order: a tree, each node followed by its children, the root first.
    rows = cursor.execute(
        "SELECT file_name, name, duckdb_type, coalesce(num_children, 0) "
        f"FROM parquet_schema({file_list(relation.uris)}) ORDER BY file_name, column_id"
    ).fetchall()
    found: dict[str, tuple[Column, ...]] = {}
    for uri, elements in itertools.groupby(rows, key=lambda row: row[0]):
        columns, pending = [], 0
        for _, name, kind, children in itertools.islice(elements, 1, None):
            if pending == 0:
                columns.append(Column(name, athena_type(kind)))
            pending += children - (pending > 0)
        found[uri] = tuple(columns)
    folder = () if relation.partition_column is None else (Column(relation.partition_column, "varchar"),)
    return {uri: (*found[uri], *folder) for uri in relation.uris}


def file_list(uris: Iterable[str]) -> str:
    """Files as a list literal."""
    return f"[{', '.join(_text(_literal_path(uri)) for uri in uris)}]"


def _table(relation: TableRelation) -> exp.Expr:
    if relation.scratch is not None:
        return exp.table_(relation.name, db=relation.scratch, quoted=True)
    parts = relation.name.split(".")
    schema = parts[-2] if len(parts) > 1 else "main"
    return exp.table_(parts[-1], db=schema, catalog=SOURCE, quoted=True)


def _empty(relation: FileRelation) -> exp.Expr:
    columns = [
        exp.alias_(exp.Cast(this=exp.null(), to=duckdb_type(column.type)), column.name, quoted=True)
        for column in relation.columns
    ]
    if not columns:
        raise EngineError("an empty relation was given without columns")
    return exp.select(*columns).where(exp.false()).subquery()


def _struct(types: Mapping[str, str]) -> str:
    pairs = (f"{_text(name)}: {_text(duckdb_type(kind).sql('duckdb'))}" for name, kind in types.items())
    return f"{{{', '.join(pairs)}}}"


def _literal_path(path: str) -> str:
    """Keep `*`, `?` and `[` of a file name from being read as a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _text(value: str) -> str:
    return exp.Literal.string(value).sql("duckdb")
