"""Second check against injection: parses printed SQL again, and requires that it reads no more than its tree.

The allow-list of expressions is the first check; this one does not depend on how sqlglot prints.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.domain.errors import EngineError

SOURCE_ROWS = "raw"
"""The table that every expression of a pipeline reads; statements without it contain no expression."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Everything a tree reads: the number of uses of each table, the columns, and the number of queries."""

    tables: Counter[tuple[str, str, str]]
    columns: frozenset[tuple[str, str]]
    queries: int

    def covers(self, other: Reads) -> bool:
        """Whether another tree reads the same tables with as many queries, and no other columns."""
        same = self.tables == other.tables and self.queries == other.queries
        return same and other.columns <= self.columns


def reads_of_tree(tree: exp.Expr) -> Reads:
    """Collect what a tree reads; a table function counts as a table without a name."""
    nodes = list(tree.walk())
    return Reads(
        Counter((node.catalog, node.db, node.name) for node in nodes if isinstance(node, exp.Table)),
        frozenset((node.table, node.name) for node in nodes if isinstance(node, exp.Column)),
        sum(isinstance(node, exp.Query) for node in nodes),
    )


def parse_again(text: str, dialect: str, reads: Reads) -> exp.Expr:
    """Parse printed SQL.

    Args:
        text: The printed SQL.
        dialect: The dialect it was printed for.
        reads: What the printed tree reads.

    Raises:
        ValueError: The text is not exactly one statement, or reads something else too.
    """
    try:
        trees = sqlglot.parse(text, read=dialect)
    except (SqlglotError, RecursionError) as error:
        raise ValueError(f"the printed {dialect} text cannot be parsed again: {text[:200]}") from error
    if len(trees) != 1 or trees[0] is None or not reads.covers(reads_of_tree(trees[0])):
        raise ValueError(f"the printed {dialect} text differs from its tree: {text[:200]}")
    return trees[0]


def check_statement(name: str, text: str, dialect: str, reads: Reads) -> None:
    """Refuse the text of a statement that reads more than its tree.

    Raises:
        EngineError: It reads more: part of an expression became SQL.
    """
    try:
        parse_again(text, dialect, reads)
    except ValueError as error:
        raise EngineError(
            f"{name} was not run: {error}",
            remedy="check the quotes in the expressions and column names of the pipeline",
        ) from error
