"""Which columns of a statement's own tables are surely whole numbers: a cast of them needs no care."""

from __future__ import annotations

import sqlglot.expressions as exp

INTEGERS = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
_WHOLE = (
    exp.Floor, exp.Ceil, exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank, exp.ArraySize, exp.Length,
    exp.Boolean, exp.Null,
)  # fmt: skip
_MARK = "is_whole"


def is_whole(node: exp.Expr) -> bool:
    """Whether a value is surely an integer, or a double that holds one."""
    if isinstance(node, exp.Literal):
        return bool(node.name.lstrip("+-").isdigit())
    if isinstance(node, exp.Cast) and node.to.this in INTEGERS:
        return True
    if isinstance(node, _WHOLE) or node.meta.get(_MARK):
        return True
    values = _values(node)
    return bool(values) and all(is_whole(value) for value in values)


def _values(node: exp.Expr) -> tuple[exp.Expr, ...]:
    """What the value of an expression is one of; nothing where it is something else."""
    if isinstance(node, exp.Case):
        otherwise = node.args.get("default") or exp.null()
        return (*(branch.args["true"] for branch in node.args["ifs"]), otherwise)
    if isinstance(node, exp.Paren | exp.Neg | exp.Alias | exp.Cast | exp.Window):
        return (node.this,)
    if isinstance(node, exp.Least | exp.Greatest | exp.Coalesce | exp.Max | exp.Min):
        return (node.this, *node.expressions)
    return ()


def mark_whole_columns(tree: exp.Query) -> None:
    """Mark columns that come from whole outputs of WITH, for `is_whole`; the tree must not be changed yet."""
    outputs: dict[str, set[str]] = {}
    for cte in _in_order(tree):
        if isinstance(cte.this, exp.Select) and not cte.alias_column_names:
            _mark(cte.this, outputs)
            whole = {one.alias_or_name for one in cte.this.expressions if is_whole(one)}
            # Two of one name in different places: what both have.
            outputs[cte.alias] = outputs.get(cte.alias, whole) & whole
        else:
            outputs[cte.alias] = set()
    if isinstance(tree, exp.Select):
        _mark(tree, outputs)


def _in_order(tree: exp.Query) -> list[exp.CTE]:
    """Inner ones before the query that holds them, and each before those that read it."""
    found = []
    with_ = tree.args.get("with_")
    for cte in with_.expressions if with_ is not None else ():
        found += [*_in_order(cte.this), cte]
    return found


def _mark(select: exp.Select, outputs: dict[str, set[str]]) -> None:
    read = [select.args.get("from_"), *select.args.get("joins", ()), *select.args.get("laterals", ())]
    items = [source.this if isinstance(source, exp.From | exp.Join) else source for source in read if source]
    sources = {
        item.alias_or_name: outputs.get(item.name, set())
        for item in items
        if isinstance(item, exp.Table) and not item.alias_column_names
    }
    alone = next(iter(sources), "") if len(items) == 1 else ""
    for column in select.find_all(exp.Column):
        if column.parent_select is select and column.name in sources.get(column.table or alone, ()):
            column.meta[_MARK] = True
