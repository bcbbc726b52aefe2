"""Row counts of local files by readers other than the SQL engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.row_counts.parquet_footers import parquet_rows
from cluster_assets.backends.row_counts.text_rows import csv_rows, json_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.ports import FileRelation

_READERS: dict[str, Callable[[FileRelation, str], int]] = {
    "csv": csv_rows,
    "json": json_rows,
    "parquet": lambda _, uri: parquet_rows(uri),
}


class LocalRowCounter:
    """Implements `ports.RowCounter`: CSV and JSON by Python's own modules, Parquet by its footer."""

    def count_rows(self, relation: FileRelation, uri: str) -> int:
        """Rows of one file; see `ports.RowCounter`."""
        return _READERS[relation.format](relation, uri)
