"""Queries by Athena on the Glue tables of the published days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.backends.ports import Statement, TableRelation
from cluster_assets.domain.errors import EngineError, SpecError
from cluster_assets.lake.answers import Answer, names_of_tables, not_one_query, refuse_equal_names
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.ports import SqlEngine
    from cluster_assets.lake.lake import Lake


class AthenaSql:
    """Implements `SqlSession`.

    `pipeline.table` becomes the Glue table `pipeline_table`. Its partition column `day` is a text,
    YYYY-MM-DD.

    Args:
        engine: Athena.
        open_lake: Opens the lake as it is now.
        database: Glue database of the published tables.
    """

    def __init__(self, engine: SqlEngine, open_lake: Callable[[], Lake], database: str) -> None:
        self._engine = engine
        self._open_lake = open_lake
        self._database = database

    def run(self, query: str) -> Answer:
        """Run one query in Athena's dialect; see `SqlSession`."""
        tree = _parsed(query)
        lake = self._open_lake()
        used = _renamed(tree, lake)
        relations = {name: TableRelation(f"{self._database}.{name}") for name in used}
        found = self._engine.fetch(Statement("the query", tree), relations)
        refuse_equal_names(found.columns)
        return Answer(found.columns, [tuple(row.values()) for row in found.rows])


def _parsed(query: str) -> exp.Query:
    try:
        trees = [tree for tree in sqlglot.parse(query, read=DIALECT) if tree is not None]
    except SqlglotError as error:
        raise EngineError(f"the query cannot be parsed: {str(error).partition(chr(10))[0]}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise not_one_query(query)
    return trees[0]


def _renamed(tree: exp.Query, lake: Lake) -> set[str]:
    """Replace `pipeline.table` by the name of the Glue table in place; return the names used.

    Raises:
        SpecError: The query reads a table that is not published.
    """
    glue_tables = {
        (pipeline, table): f"{pipeline}_{table}" for pipeline in lake.pipelines() for table in lake.tables()
    }
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    used = set()
    for table in list(tree.find_all(exp.Table)):
        if not table.db and table.name in own:
            continue
        name = glue_tables.get((table.db.lower(), table.name.lower()))
        if name is None or table.catalog:
            raise SpecError(
                f"there is no published table {table.sql(DIALECT)}",
                remedy=names_of_tables(lake),
            )
        renamed = exp.table_(name, quoted=True)
        renamed.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
        table.replace(renamed)
        used.add(name)
    for column in tree.find_all(exp.Column):
        column.set("db", None)  # attackers.clusters.entity: the alias is `clusters`
    return used
