"""Qualified names of the raw columns in statements."""

from __future__ import annotations

import sqlglot.expressions as exp


def of_raw(tree: exp.Expr) -> exp.Expr:
    """Qualify each column as `raw."name"`, so that no output name of a statement can shadow it."""
    for column in tree.find_all(exp.Column):
        column.set("table", exp.to_identifier("raw"))
    return tree
