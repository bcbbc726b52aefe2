"""The condition that source rows belong to a day, or to one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.statements import column
from cluster_assets.domain.column_types import is_integer
from cluster_assets.domain.days import consecutive
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.stages.points.kinds.moments import moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.times.formats import TimeFormat
    from cluster_assets.spec.pipeline import Raw


def day_predicate(raw: Raw, schema: Mapping[str, str], days: Sequence[Day]) -> exp.Expr:
    """Return the condition that a row of the source belongs to one of some UTC days.

    Partition columns are compared with constants, so that engines prune other partitions. If file paths
    contain the day, the condition is always true, because files of other days are not read.

    Args:
        raw: Names the time or partition columns.
        schema: Athena types of the source's columns by name.
        days: The days, ascending; at least one.

    Raises:
        SourceSchemaError: The type of a column cannot hold a day.
    """
    if raw.time_column is not None:
        moment = moment_of(raw, schema)
        return exp.or_(*(moment.is_within(first, last) for first, last in consecutive(days)))
    layout = raw.layout
    if layout is None or (raw.files is not None and layout.column is None):
        return exp.true()
    return exp.or_(
        *(
            exp.and_(*(_spells(name, schema[name], form, day) for name, form in layout.columns.items()))
            for day in days
        )
    )


def counted_rows(raw: Raw, schema: Mapping[str, str], day: Day) -> tuple[exp.Expr, exp.Expr]:
    """Return the condition of the rows to read for counting a UTC day, and what to count for each of them.

    A number in another unit than declared would be a time of another day. Such rows are read too, and
    counting them fails.

    Raises:
        SourceSchemaError: As `day_predicate`.
    """
    predicate, one = day_predicate(raw, schema, [day]), exp.Literal.number(1)
    moment = None if raw.time_column is None else moment_of(raw, schema)
    if moment is None or (misread := moment.misread()) is None:
        return predicate, one
    text = exp.cast(moment.value.copy(), exp.DType.VARCHAR)
    # A text that no engine can cast.
    refused = exp.DPipe(this=exp.Literal.string("not in the declared unit: "), expression=text)
    fails = exp.If(this=misread.copy(), true=exp.cast(refused, exp.DType.BIGINT))
    return exp.or_(predicate, misread), exp.Case(ifs=[fails], default=one)


def _spells(name: str, kind: str, form: TimeFormat, day: Day) -> exp.Expr:
    """Return the condition that a partition column equals a day, or its part of a day."""
    texts = form.spellings(day.date)
    if kind == "varchar":
        literals: list[exp.Expr] = [exp.Literal.string(text) for text in texts]
        return column(name).eq(literals[0]) if len(texts) == 1 else column(name).isin(*literals)
    if is_integer(kind) and texts[0].isdigit():
        return column(name).eq(exp.Literal.number(int(texts[0])))
    if kind == "date" and texts == (day.key,):
        return column(name).eq(exp.cast(exp.Literal.string(day.key), exp.DType.DATE))
    raise SourceSchemaError(
        f"the partition column {name} is {kind}, which is never {texts[0]!r}",
        where=f"column {name}",
        remedy="write the format under raw.partition, such as dt=%Y%m%d; for the time of each row "
        "use raw.time_column",
    )
