"""Tables whose files are told apart by the value of one column, as Hive partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.engines.duckdb_writing import parquet_options
from cluster_assets.ports import WrittenFile

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from cluster_assets.domain.tables import TableContract


def copy_partitioned(
    cursor: duckdb.DuckDBPyConnection, query: str, table: TableContract, folder: Path
) -> tuple[WrittenFile, ...]:
    """Write a query below a folder, `column=value/data_0.parquet`, and tell what was written.

    Args:
        cursor: May write to the folder.
        query: In DuckDB's dialect.
        table: Names the column.
        folder: A fresh one.

    Returns:
        The files by partition value, then by name.

    Raises:
        duckdb.Error: The query failed.
    """
    name = table.partitioned_by or ""
    quoted = name.replace('"', '""')
    cursor.execute(f'COPY ({query}) TO {_text(folder)} ({parquet_options(table)}, PARTITION_BY ("{quoted}"))')
    paths = sorted(folder.glob(f"{name}=*/*.parquet"))
    if not paths:
        return ()
    listed = ", ".join(_text(path) for path in paths)
    counted = cursor.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata([{listed}])").fetchall()
    rows = {str(file): int(count) for file, count in counted}
    files = [
        WrittenFile(str(path), rows[str(path)], path.stat().st_size, path.parent.name.partition("=")[2])
        for path in paths
    ]
    return tuple(sorted(files, key=lambda file: (int(file.partition or 0), file.uri)))


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
