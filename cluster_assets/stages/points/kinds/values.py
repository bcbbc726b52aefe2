"""Casts of values: lists become members of sets, and whole doubles are printed like integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.spec.expressions import DIALECT
from cluster_assets.spec.expressions.number_texts import FRACTIONS, text_of_number, texts_of_numbers
from cluster_assets.spec.expressions.types import NESTED, element_of, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS = (exp.DType.VARCHAR, exp.DType.TEXT)


def fitted(tree: exp.Expr, target: str, schema: Mapping[str, str], where: str) -> exp.Expr:
    """Return the expression, ready to be cast to its target type.

    A whole number has the same text in columns of integers and doubles: `100`, never `100.0`.

    Args:
        tree: A checked expression; it is modified in place.
        target: `varchar`, `double` or `array(double)`; `array(varchar)` takes a member or a list of members.
        schema: Athena types of the source's columns by name.
        where: The field of the YAML, for messages.

    Raises:
        SourceSchemaError: The expression gives a list, row or map where a single value is required.
    """
    tree = with_whole_texts(tree, schema)
    kind = type_of(tree, schema)
    if target == "array(double)":
        return tree
    element = element_of(kind) if target == "array(varchar)" else None
    _refuse_nested(kind if element is None else element, tree, where, in_list=element is not None)
    if target == "double":
        return tree
    if element is not None:
        return texts_of_numbers(tree) if element.this in FRACTIONS else tree
    return text_of_number(tree) if kind.this in FRACTIONS else tree


def is_list(tree: exp.Expr, schema: Mapping[str, str]) -> bool:
    """Whether an expression returns a list."""
    return element_of(type_of(tree, schema)) is not None


def with_whole_texts(tree: exp.Expr, schema: Mapping[str, str]) -> exp.Expr:
    """Rewrite casts of doubles to text as described in `fitted`; the tree is modified in place."""
    root = exp.Paren(this=tree)
    for node in reversed(list(root.find_all(exp.Cast, exp.TryCast))):
        if node.to.this in _TEXTS and type_of(node.this, schema).this in FRACTIONS:
            node.set("this", text_of_number(node.this.copy()))
    changed: exp.Expr = root.this.pop()
    return changed


def _refuse_nested(kind: exp.DataType, tree: exp.Expr, where: str, *, in_list: bool) -> None:
    if kind.this not in NESTED:
        return
    plain = tree.copy()
    for column in plain.find_all(exp.Column):
        column.set("table", None)
    text = plain.sql(DIALECT)
    said = kind.sql(DIALECT).lower()
    if in_list:
        raise SourceSchemaError(
            f"{text} is a list of {said}; the members of a set are single values",
            where=where,
            remedy="flatten the list in a view over the source, and name that under raw.table",
        )
    if element_of(kind) is None:
        raise SourceSchemaError(
            f"{text} is a {said}, where one value belongs",
            where=where,
            remedy="take one of its fields in a view over the source, and name that under raw.table",
        )
    raise SourceSchemaError(
        f"{text} is a list ({said}), where one value belongs",
        where=where,
        remedy="compare the list as a set (features: {set: …}), or take one value of it: an element "
        "(x[1]), their number (cardinality(x)) or one text (array_join(x, ','))",
    )
