"""Writing of tables: as sorted Parquet files, as Hive partitions, or as scratch tables inside DuckDB.

Scratch tables inside DuckDB are neither compressed into files nor read back from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import file_list, parquet_columns, quoted_name, text_literal
from cluster_assets.backends.duckdb.reading.text_files import columns_of_query
from cluster_assets.backends.ports import FileRelation, WrittenFile
from cluster_assets.backends.sql_base import other_columns

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from cluster_assets.backends.ports import Statement
    from cluster_assets.domain.tables import Column, TableContract

# Level 1 halves the time to write pairs, and makes files one per cent larger than the default level 3.
# Version 2 encodes sorted ids and entities as differences: files are a third smaller, writing a fifth faster.
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION V2"
# Ids and distances repeat too rarely for a dictionary; without one, 7.7M pairs take two thirds of the time.
_NUMBERS = f"{_PARQUET}, DICTIONARY_SIZE_LIMIT 1"


def parquet_options(table: TableContract) -> str:
    """Return the options of COPY for a table."""
    numeric = all(column.type in ("bigint", "double") for column in table.columns)
    return _NUMBERS if numeric else _PARQUET


def copy_sorted(cursor: duckdb.DuckDBPyConnection, query: str, table: TableContract, target: Path) -> int:
    """Write a query as one file, sorted by the table's keys, and return the number of rows.

    Raises:
        duckdb.Error: The query failed.
    """
    written = cursor.execute(
        f"COPY ({in_order(query, table)}) TO {text_literal(str(target))} ({parquet_options(table)})"
    ).fetchall()
    return int(written[0][0])


def in_order(query: str, table: TableContract) -> str:
    """Return the query sorted by a table's keys."""
    order = ", ".join(f'"{name}"' for name in table.sort_by)
    return f"SELECT * FROM ({query}) ORDER BY {order}" if order else query


def check_contract(
    statement: Statement, cursor: duckdb.DuckDBPyConnection, table: TableContract, path: Path
) -> None:
    """Compare a written file with the contract; reading its footer is faster than planning the query twice.

    Raises:
        EngineError: Names or types differ.
    """
    refuse_other_columns(statement, parquet_columns(cursor, FileRelation((str(path),)))[str(path)], table)


def refuse_other_columns(statement: Statement, found: tuple[Column, ...], table: TableContract) -> None:
    """Compare the columns of a statement with the contract.

    Raises:
        EngineError: Names or types differ.
    """
    if found != table.columns:
        raise other_columns(statement.name, table.name, found, table.columns)


def copy_partitioned(
    cursor: duckdb.DuckDBPyConnection, query: str, table: TableContract, folder: Path
) -> tuple[WrittenFile, ...]:
    """Write a query below a folder as `column=value/data_0.parquet` and return the files.

    Args:
        cursor: A connection that can write to the folder.
        query: SQL in DuckDB's dialect.
        table: The partitioned table.
        folder: A new folder.

    Returns:
        The files by partition value, then by name.

    Raises:
        duckdb.Error: The query failed.
    """
    name = table.partitioned_by or ""
    options = f"{parquet_options(table)}, PARTITION_BY ({quoted_name(name)})"
    cursor.execute(f"COPY ({query}) TO {text_literal(str(folder))} ({options})")
    paths = sorted(folder.glob(f"{name}=*/*.parquet"))
    if not paths:
        return ()
    listed = file_list(str(path) for path in paths)
    counted = cursor.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({listed})").fetchall()
    rows = {str(file): int(count) for file, count in counted}
    files = [
        WrittenFile(str(path), rows[str(path)], path.stat().st_size, path.parent.name.partition("=")[2])
        for path in paths
    ]
    return tuple(sorted(files, key=lambda file: (int(file.partition or 0), file.uri)))


def create_sorted(
    cursor: duckdb.DuckDBPyConnection, query: str, statement: Statement, table: TableContract, schema: str
) -> None:
    """Fill a new table with a query, sorted by its keys.

    Args:
        cursor: A connection that can write to the schema.
        query: The statement in DuckDB's dialect.
        statement: Named in messages.
        table: The contract.
        schema: The schema of the new table.

    Raises:
        EngineError: The columns differ from the contract; the table is dropped.
        duckdb.Error: The query failed.
    """
    name = f'"{schema}"."{table.name}"'
    cursor.execute(f"CREATE TABLE {name} AS {in_order(query, table)}")
    found = columns_of_query(cursor, f"SELECT * FROM {name}")
    if found != table.columns:
        cursor.execute(f"DROP TABLE {name}")
    refuse_other_columns(statement, found, table)
