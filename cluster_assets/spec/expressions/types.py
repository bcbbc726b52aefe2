"""The type of an expression over columns of known types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types

from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Mapping

NESTED = (exp.DType.ARRAY, exp.DType.LIST, exp.DType.STRUCT, exp.DType.MAP)
# Functions that sqlglot leaves untyped or types as text, because other dialects have no lists.
_OF_FIRST = (exp.ArrayDistinct, exp.Reverse)
_OF_ELEMENT = (exp.ArrayMin, exp.ArrayMax)
_JOINED = (exp.Concat, exp.DPipe)


def type_of(tree: exp.Expr, schema: Mapping[str, str]) -> exp.DataType:
    """Return the type of an expression, or `UNKNOWN`.

    Args:
        tree: A checked expression; it is not modified.
        schema: Athena types of the columns by name; a missing column is unknown.
    """
    root = exp.Paren(this=tree.copy())
    for node in reversed(list(root.walk())):  # inner nodes first
        if isinstance(node, exp.Column):
            node.replace(_value_of(named_type(schema.get(node.name, ""))))
        elif isinstance(node, exp.Split):
            node.replace(_value_of(named_type("array(varchar)")))
        elif isinstance(node, _OF_FIRST):
            node.replace(node.this)
        elif isinstance(node, _OF_ELEMENT):
            node.replace(exp.Bracket(this=node.this, expressions=[exp.Literal.number(1)]))
        elif isinstance(node, _JOINED):
            first, *others = node.expressions or (node.this, node.expression)
            node.replace(exp.Coalesce(this=first, expressions=others))
    found: exp.DataType | None = annotate_types(root, dialect=DIALECT).this.type
    return found if found is not None else exp.DataType(this=exp.DType.UNKNOWN)


def named_type(name: str) -> exp.DataType:
    """Parse the name of an Athena type; rows and maps of types that Athena lacks keep their kind."""
    try:
        return exp.DataType.build(name, dialect=DIALECT)
    except (SqlglotError, ValueError):
        kinds = {"row(": exp.DType.STRUCT, "map(": exp.DType.MAP, "array(": exp.DType.ARRAY}
        kind = next((kind for start, kind in kinds.items() if name.startswith(start)), exp.DType.UNKNOWN)
        return exp.DataType(this=kind)


def element_of(kind: exp.DataType) -> exp.DataType | None:
    """Return the element type of a list type; None for other types."""
    if kind.this not in (exp.DType.ARRAY, exp.DType.LIST):
        return None
    element = kind.expressions[0] if kind.expressions else None
    return element if isinstance(element, exp.DataType) else exp.DataType(this=exp.DType.UNKNOWN)


def _value_of(kind: exp.DataType) -> exp.Cast:
    return exp.Cast(this=exp.null(), to=kind)
