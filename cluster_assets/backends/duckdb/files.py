"""Files and tables as FROM items of DuckDB."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.types import athena_type, duckdb_type
from cluster_assets.backends.ports import FileRelation, Relation, TableRelation
from cluster_assets.backends.sql_base import empty_item
from cluster_assets.domain.column_types import MOST_DIGITS
from cluster_assets.domain.errors import EngineError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

SOURCE = "source"  # the name of the attached database
PATH_COLUMN = "$path"  # Athena's hidden column: the file of the row


def from_item(relation: Relation, *, with_path: bool = False) -> str:
    """Return a table or Parquet files as a FROM item.

    Args:
        relation: Files or a table.
        with_path: Whether to add the file of each row as `"$path"`.

    Raises:
        EngineError: The files have another format.
    """
    if isinstance(relation, TableRelation):
        return _table(relation).sql("duckdb")
    if not relation.uris:
        return empty_item(relation.columns, duckdb_type).sql("duckdb")
    if relation.format != "parquet":
        raise EngineError(f"only Parquet files can be a FROM item, not {relation.format}")
    options = ", union_by_name=true" if len(relation.uris) > 1 else ""
    if with_path:
        options += f", filename={text_literal(PATH_COLUMN)}"
    return f"read_parquet({file_list(relation.uris)}{options}{hive_options(relation)})"


def hive_options(relation: FileRelation) -> str:
    """Return the options of a reader for a column in folder names."""
    if relation.partition_column is None:
        return ", hive_partitioning=false"
    return f", hive_partitioning=true, hive_types={{{text_literal(relation.partition_column)}: VARCHAR}}"


def folders_of(relation: Relation) -> frozenset[str]:
    """Return the folders of a relation's files.

    Raises:
        EngineError: A file is not on this machine.
    """
    if isinstance(relation, TableRelation):
        return frozenset()
    for uri in relation.uris:
        if "://" in uri:
            raise EngineError(
                f"DuckDB reads only files on this machine, not {uri}",
                remedy="copy the files to this machine",
            )
    return frozenset(str(Path(uri).parent) for uri in relation.uris)


def files_of(relation: Relation) -> frozenset[str]:
    """Return the files of a relation.

    Raises:
        EngineError: A file is not on this machine.
    """
    folders_of(relation)
    uris = relation.uris if isinstance(relation, FileRelation) else ()
    return frozenset(uris)


def is_of_database(relation: Relation) -> TypeGuard[TableRelation]:
    """Whether a relation is a table of the configured database."""
    return isinstance(relation, TableRelation) and relation.scratch is None


def scratches_of(relations: Iterable[Relation]) -> list[str]:
    """Return the names of the scratches that hold some of the relations."""
    kept = {one.scratch for one in relations if isinstance(one, TableRelation) and one.scratch is not None}
    return sorted(kept)


def whole_scan(relation: FileRelation, uri: str) -> str:
    """Return a query that decodes every value of one Parquet file."""
    one = FileRelation((uri,), relation.format, relation.types, relation.partition_column)
    return f"SELECT count(hash(scanned)) FROM {from_item(one)} AS scanned"


def parquet_columns(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation
) -> dict[str, tuple[Column, ...]]:
    """Return the columns of each Parquet file, reading all footers in one query.

    Raises:
        duckdb.Error: A file is not readable.
    """
    # The schema of a file is a tree in pre-order, the root first.
    rows = cursor.execute(
        "SELECT file_name, name, duckdb_type, coalesce(num_children, 0), precision, scale "
        f"FROM parquet_schema({file_list(relation.uris)}) ORDER BY file_name, column_id"
    ).fetchall()
    found: dict[str, tuple[Column, ...]] = {}
    for uri, elements in itertools.groupby(rows, key=lambda row: row[0]):
        columns, pending = [], 0
        for _, name, kind, children, precision, scale in itertools.islice(elements, 1, None):
            if pending == 0:
                columns.append(Column(name, athena_type(kind)))
            if precision is not None and precision > MOST_DIGITS:
                # DuckDB reads such a decimal as a double.
                exact = columns[-1].type.replace("double", f"decimal({precision},{scale})")
                columns[-1] = replace(columns[-1], type=exact)
            pending += children - (pending > 0)
        found[uri] = tuple(columns)
    folder = () if relation.partition_column is None else (Column(relation.partition_column, "varchar"),)
    return {uri: (*found[uri], *folder) for uri in relation.uris}


def file_list(uris: Iterable[str]) -> str:
    """Return files as a list literal."""
    return f"[{', '.join(text_literal(literal_path(uri)) for uri in uris)}]"


def literal_path(path: str) -> str:
    """Return a glob pattern that matches only this path, escaping `*`, `?` and `[`.

    >>> literal_path("/lake/a[1]/x.csv")
    '/lake/a[[]1]/x.csv'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


def _table(relation: TableRelation) -> exp.Expr:
    if relation.scratch is not None:
        return exp.table_(relation.name, db=relation.scratch, quoted=True)
    parts = relation.name.split(".")
    schema = parts[-2] if len(parts) > 1 else "main"
    return exp.table_(parts[-1], db=schema, catalog=SOURCE, quoted=True)


def text_literal(value: str) -> str:
    """Return a string literal."""
    return "'" + value.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'
