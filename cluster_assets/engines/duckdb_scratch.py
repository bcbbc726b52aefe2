"""Scratch tables that DuckDB keeps in itself: neither compressed into files nor read back from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.engines.duckdb_text_files import columns_of_query
from cluster_assets.engines.duckdb_writing import in_order, refuse_other_columns
from cluster_assets.ports import ScratchTable, TableRelation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import duckdb

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import Relation, Statement, Statistics

    Keep = Callable[[Statement, Mapping[str, Relation], TableContract, str], Statistics]


class KeptScratch:
    """Implements `ports.Scratch` by tables of one schema.

    Args:
        name: The schema.
        keep: Fills a table of it.
    """

    def __init__(self, name: str, keep: Keep) -> None:
        self._name = name
        self._keep = keep

    def fill(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """Fill a table; see `ports.Scratch`."""
        statistics = self._keep(statement, relations, table, self._name)
        return ScratchTable(TableRelation(table.name, scratch=self._name), statistics)


def create_sorted(
    cursor: duckdb.DuckDBPyConnection, query: str, statement: Statement, table: TableContract, schema: str
) -> None:
    """Fill a new table with a query, in the order of its keys.

    Args:
        cursor: Sees the schema.
        query: The statement in DuckDB's dialect.
        statement: For messages.
        table: What the columns must be.
        schema: Where the table goes, under its own name.

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
