"""Several small queries as one statement: a shared engine charges and queues each statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlglot.expressions as exp

from cluster_assets.backends.ports import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Relation

PART = "batch_part"


@dataclass(frozen=True, slots=True)
class Query:
    """A query with a small result, and what it reads."""

    statement: Statement
    relations: Mapping[str, Relation]


@dataclass(frozen=True, slots=True)
class Batch:
    """The statement of several queries.

    Attributes:
        statement: One row for each row of each query, marked with the number of the query.
        relations: What all of them read.
        columns: Names of the columns of each query, in order.
    """

    statement: Statement
    relations: Mapping[str, Relation]
    columns: tuple[tuple[str, ...], ...]

    def split(self, rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], ...], ...]:
        """Return the rows of each query, in the order that its statement asks for."""
        found: list[list[Mapping[str, Any]]] = [[] for _ in self.columns]
        for row in rows:
            part = int(row[PART])
            names = self.columns[part]
            found[part].append({name: row[_shown(part, number)] for number, name in enumerate(names)})
        return tuple(tuple(one) for one in found)


def batched(queries: Sequence[Query]) -> Batch:
    """Return one statement for several queries.

    Its columns are those of all queries, null in the rows of the others, so types need not agree.

    Args:
        queries: Each is one SELECT. Tables of the same name may differ.
    """
    relations: dict[str, Relation] = {}
    columns = tuple(tuple(query.statement.tree.named_selects) for query in queries)
    trees = [_renamed(query, part, relations) for part, query in enumerate(queries)]
    order = [exp.column(PART).asc()]
    for part, tree in enumerate(trees):
        order += _order(tree, part)
    shown = [tuple(tree.named_selects) for tree in trees]  # with the columns that only the order needs
    parts = []
    for part, tree in enumerate(trees):
        row = [exp.Literal.number(part).as_(PART)]
        for other, names in enumerate(shown):
            for number, name in enumerate(names):
                value = exp.column(name, table=_ALIAS, quoted=True) if other == part else exp.null()
                row.append(exp.alias_(value, _shown(other, number)))
        parts.append(exp.select(*row).from_(tree.subquery(_ALIAS)))
    whole = parts[0] if len(parts) == 1 else exp.union(*parts, distinct=False, copy=False)
    statements = [query.statement for query in queries]
    name = SEPARATOR.join(one.name for one in statements)
    # Named one by one, because engines read all columns of all tables for a star.
    tree = exp.select(*whole.named_selects).from_(whole.subquery(_ALIAS)).order_by(*order)
    return Batch(Statement(name, tree, any(one.order_sensitive for one in statements)), relations, columns)


SEPARATOR = " + "
"""Between the names of the statements in the name of a batch."""
_ALIAS = "one_query"


def _shown(part: int, number: int) -> str:
    return f"q{part}_c{number}"


def _renamed(query: Query, part: int, relations: dict[str, Relation]) -> exp.Query:
    """Return the tree with table names that are unambiguous in the batch, and add its relations."""
    tree = query.statement.tree.copy()
    local = {cte.alias: f"q{part}_{cte.alias}" for cte in tree.find_all(exp.CTE)}
    for cte in tree.find_all(exp.CTE):
        cte.set("alias", exp.TableAlias(this=exp.to_identifier(local[cte.alias])))
    for table in list(tree.find_all(exp.Table)):
        name = table.name
        new = local.get(name, name)
        if name not in local:
            given = query.relations[name]
            if relations.setdefault(new, given) != given:
                new = f"{name}_{part}"
                relations[new] = given
        if new != name:
            alias = table.alias_or_name
            table.set("this", exp.to_identifier(new))
            table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return tree


def _order(tree: exp.Query, part: int) -> list[exp.Ordered]:
    """Return the order of a query over its columns in the batch; they are null in rows of other queries.

    A term that is not a column of the result becomes one.
    """
    order = tree.args.get("order")
    numbers: dict[exp.Expr, int] = {}
    for number, shown in enumerate(tree.selects):
        value = shown.unalias()
        numbers.setdefault(exp.column(shown.alias_or_name), number)
        numbers.setdefault(value.this if isinstance(value, exp.Cast) else value, number)
    found = []
    for term in () if order is None else order.expressions:
        if term.this not in numbers:
            numbers[term.this] = number = len(tree.selects)
            tree.args["expressions"].append(exp.alias_(term.this.copy(), f"ordered_{number}"))
        moved = term.copy()
        moved.set("this", exp.column(_shown(part, numbers[term.this])))
        found.append(moved)
    return found
