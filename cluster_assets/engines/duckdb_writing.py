"""How tables are written as Parquet: sorted by their keys, small, and cheap to read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.duckdb_files import parquet_columns
from cluster_assets.ports import FileRelation

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.ports import Statement

# Level 1 halves the time of writing pairs and makes files one per cent larger than the default level 3.
# Version 2 writes sorted ids and entities as differences: a third smaller, and a fifth faster.
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION V2"
# Ids and distances repeat too little for a dictionary. Writing 7.7M pairs takes two thirds of the time.
_NUMBERS = f"{_PARQUET}, DICTIONARY_SIZE_LIMIT 1"


def parquet_options(table: TableContract) -> str:
    """Options of COPY for a table."""
    numeric = all(column.type in ("bigint", "double") for column in table.columns)
    return _NUMBERS if numeric else _PARQUET


def copy_sorted(cursor: duckdb.DuckDBPyConnection, query: str, table: TableContract, target: Path) -> int:
    """Write a query as one file in the order of the table's keys; the number of rows.

    Raises:
        duckdb.Error: The query failed.
    """
    path = "'" + str(target).replace("'", "''") + "'"
    written = cursor.execute(
        f"COPY ({in_order(query, table)}) TO {path} ({parquet_options(table)})"
    ).fetchall()
    return int(written[0][0])


def in_order(query: str, table: TableContract) -> str:
    """The rows of a query in the order of a table's keys."""
    order = ", ".join(f'"{name}"' for name in table.sort_by)
    return f"SELECT * FROM ({query}) ORDER BY {order}" if order else query


def check_contract(
    statement: Statement, cursor: duckdb.DuckDBPyConnection, table: TableContract, path: Path
) -> None:
    """Compare what was written with the contract: a footer is read faster than a query is planned twice.

    Raises:
        EngineError: Names or types differ.
    """
    refuse_other_columns(statement, parquet_columns(cursor, FileRelation((str(path),)))[str(path)], table)


def refuse_other_columns(statement: Statement, found: tuple[Column, ...], table: TableContract) -> None:
    """Compare the columns a statement gave with the contract.

    Raises:
        EngineError: Names or types differ.
    """
    if found != table.columns:
        expected = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        actual = ", ".join(f"{column.name} {column.type}" for column in found)
        raise EngineError(
            f"{statement.name} does not fill the table {table.name}: it gives {actual}; expected {expected}"
        )
