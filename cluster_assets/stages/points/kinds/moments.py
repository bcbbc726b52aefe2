"""The time of a row, from `raw.time_column` and `raw.time_format`."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import sqlglot.expressions as exp

from cluster_assets.domain.column_types import ZONED_NANOSECONDS, is_integer, is_number
from cluster_assets.domain.days import Day
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.domain.times.epochs import other_units
from cluster_assets.domain.times.formats import (
    EPOCHS,
    ISO,
    ISO_PATTERN,
    ZONE_PATTERN,
    TimeFormat,
    read_format,
)
from cluster_assets.domain.times.zones import day_of_local, local_start
from cluster_assets.spec.expressions import time_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.spec.pipeline import Raw

_EXACT = exp.DataType.build("DECIMAL(38, 9)")
# With Trino's default of three digits, 23:59:59.9996 would be rounded into the next day.
_INSTANT = exp.DataType.build("TIMESTAMP(12) WITH TIME ZONE", dialect="athena")
_ALL_DAYS = (-62_135_596_800, 253_402_300_800)  # seconds of the years 1 to 9999
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # engines print times without a zone


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a row as an engine compares it.

    Attributes:
        value: A date, a time without a zone, one with a zone, or a number of ticks since 1970.
        kind: Which of these it is.
        zone: The zone of a time without a zone.
        ticks: Ticks per second, for a number.
        says_zone: The condition that a text has a zone, if the values are texts of which some have one.
    """

    value: exp.Expr
    kind: Literal["date", "local", "instant", "ticks"]
    zone: str = "UTC"
    ticks: int = 1
    says_zone: exp.Expr | None = None

    def is_within(self, first: Day, last: Day) -> exp.Expr:
        """Return the condition that it belongs to the UTC days from `first` to `last`."""
        ends = (first, last.next)  # compared with constants, so that engines skip row groups
        if self.kind == "date":
            if first == last:
                return self.value.eq(_date(first))
            return _within(self.value, *(_date(one) for one in ends))
        if self.kind == "ticks":
            return _within(self.value, *(self._ticks_of(one) for one in ends))
        if self.kind == "local":
            return _within(self.value, *(_time(local_start(one, self.zone)) for one in ends))
        whole = _within(self.value, *(_time(local_start(one, "UTC"), " UTC") for one in ends))
        if self.says_zone is None:
            return whole
        # A text without a zone was read as UTC, so it is compared with the local time of the zone.
        local = _within(self.value, *(_time(local_start(one, self.zone), " UTC") for one in ends))
        return exp.Case(ifs=[exp.If(this=self.says_zone, true=whole)], default=local)

    def misread(self) -> exp.Expr | None:
        """Return the condition that a number counts in another unit than declared; None if it is no number.

        It compares with constants, so that engines skip row groups.
        """
        return _of_other_unit(self.value, self.ticks) if self.kind == "ticks" else None

    def least(self) -> exp.Expr:
        """Return the expression whose minimum belongs to the earliest row; `day_of` parses it."""
        if self.kind == "instant":
            return exp.AtTimeZone(this=self.value, zone=exp.Literal.string("UTC"))
        return self.value

    def day_of(self, text: str) -> Day:
        """Return the UTC day of a printed value."""
        if self.kind == "ticks":
            return Day((_EPOCH + dt.timedelta(seconds=math.floor(Decimal(text) / self.ticks))).date())
        printed = dt.datetime.fromisoformat(text.removesuffix(" UTC")[:26].strip())
        printed = printed.replace(tzinfo=None)
        day = day_of_local(printed, self.zone)
        return day if self.says_zone is None else min(day, Day(printed.date()))

    def _ticks_of(self, day: Day) -> exp.Expr:
        seconds = (dt.datetime.combine(day.date, dt.time()) - _EPOCH) // dt.timedelta(seconds=1)
        return exp.Literal.number(seconds * self.ticks)


def moment_of(raw: Raw, schema: Mapping[str, str]) -> Moment:
    """Return the time of a row.

    Args:
        raw: Names a time column.
        schema: Athena types of the source's columns by name.

    Raises:
        SourceSchemaError: The column's type is not a time, or does not fit the declared format or zone.
    """
    value, form = time_of(raw, schema)
    if isinstance(value, exp.AtTimeZone):  # the same instant, which DuckDB would print as local time
        value = value.this
    kind = type_of(value, schema)
    if kind == ZONED_NANOSECONDS:
        value, kind = exp.cast(value, _INSTANT), "timestamp with time zone"
    moment = _undeclared(raw, value, kind) if form is None else _declared(raw, value, kind, form)
    if raw.time_zone and moment.kind != "local" and moment.says_zone is None:
        raise SourceSchemaError(
            f"raw.time_zone is for local times; {raw.time_column} "
            + ("holds days" if moment.kind == "date" else "has its own zone"),
            where=f"raw.time_column: {raw.time_column}, {kind}",
            remedy="remove raw.time_zone",
        )
    return moment


def time_of(raw: Raw, schema: Mapping[str, str]) -> tuple[exp.Expr, str | None]:
    """Return the time expression and its format; `from_unixtime(t)` is `t` in `epoch_seconds`."""
    tree = time_tree(raw.time_column or "")
    if isinstance(tree, exp.UnixToTime) and raw.time_format is None and is_number(type_of(tree.this, schema)):
        others = [value for name, value in tree.args.items() if name != "this" and value is not None]
        return (tree, None) if others else (tree.this, "epoch_seconds")
    return tree, raw.time_format


def type_of(tree: exp.Expr, schema: Mapping[str, str]) -> str:
    """Return the Athena type of a time expression; `unknown` for others."""
    if isinstance(tree, exp.Column):
        return schema.get(tree.name, "unknown")
    if isinstance(tree, exp.Paren | exp.TimestampTrunc | exp.DateTrunc | exp.DateAdd | exp.Min | exp.Max):
        return type_of(tree.this, schema)
    if isinstance(tree, exp.Coalesce | exp.Greatest | exp.Least):
        kinds = {type_of(one, schema) for one in (tree.this, *tree.expressions)}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    if isinstance(tree, exp.Case):
        branches = [branch.args["true"] for branch in tree.args["ifs"]]
        kinds = {type_of(one, schema) for one in (*branches, tree.args.get("default")) if one is not None}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    if isinstance(tree, exp.Cast):  # includes TRY_CAST
        return _CASTS.get(tree.to.this, "unknown")
    return next((kind for node, kind in _RESULTS.items() if isinstance(tree, node)), "unknown")


_CASTS = {
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamp with time zone",
    exp.DType.DATE: "date",
    exp.DType.VARCHAR: "varchar",
    exp.DType.BIGINT: "bigint",
    exp.DType.INT: "integer",
    exp.DType.DOUBLE: "double",
}
_RESULTS = {
    exp.StrToTime: "timestamp",
    exp.ParseDatetime: "timestamp with time zone",
    exp.UnixToTime: "timestamp with time zone",
    exp.FromISO8601Timestamp: "timestamp with time zone",
    exp.FromISO8601Date: "date",
    exp.Date: "date",
    exp.DPipe: "varchar",
    exp.Concat: "varchar",
    exp.Substring: "varchar",
    exp.Replace: "varchar",
    exp.RegexpReplace: "varchar",
    exp.RegexpExtract: "varchar",
    exp.Trim: "varchar",
    exp.Upper: "varchar",
    exp.Lower: "varchar",
    exp.SplitPart: "varchar",
    exp.JSONExtractScalar: "varchar",
}


def _undeclared(raw: Raw, value: exp.Expr, kind: str) -> Moment:
    zone = raw.time_zone or "UTC"
    if kind == "date":
        return Moment(value, "date")
    if kind == "timestamp":
        return Moment(value, "local", zone)
    if kind == "timestamp with time zone":
        return Moment(value, "instant")
    if kind == "varchar":
        says = regexp_like(value, ZONE_PATTERN) if raw.time_zone else None
        read = _guarded(value, ISO_PATTERN, _moment_of_text(value), ISO, has_zone=True)
        return Moment(read, "instant", zone, says_zone=says)
    raise SourceSchemaError(
        f"raw.time_column {raw.time_column} is {kind}, which is not a time type",
        where=f"column {raw.time_column}",
        remedy="say what it holds with raw.time_format, such as epoch_seconds or %Y%m%d; use a column of "
        "type timestamp or date, or cast the expression to one",
    )


def _declared(raw: Raw, value: exp.Expr, kind: str, text: str) -> Moment:
    if kind != "varchar" and not is_number(kind):
        raise SourceSchemaError(
            f"raw.time_format is for texts and numbers; {raw.time_column} is {kind}",
            where=f"raw.time_column: {raw.time_column}",
            remedy="remove raw.time_format",
        )
    if text in EPOCHS:
        ticks = value if is_number(kind) else exp.cast(value, _EXACT)
        return Moment(ticks, "ticks", ticks=EPOCHS[text])
    if kind != "varchar" and not is_integer(kind):
        raise SourceSchemaError(
            f"raw.time_format {text} is for texts and whole numbers; {raw.time_column} is {kind}",
            where=f"raw.time_column: {raw.time_column}",
            remedy=f"use one of {', '.join(EPOCHS)}",
        )
    form = read_format(text)
    spelled = value if kind == "varchar" else exp.cast(value, exp.DType.VARCHAR)
    read = _guarded(spelled, form.pattern, _read_by(form, spelled), text, has_zone=form.has_zone)
    return Moment(read, "instant" if form.has_zone else "local", raw.time_zone or "UTC")


def _read_by(form: TimeFormat, text: exp.Expr) -> exp.Expr:
    if form.has_zone:
        return exp.ParseDatetime(this=text.copy(), format=exp.Literal.string(form.joda))
    return exp.StrToTime(this=text.copy(), format=exp.Literal.string(form.text))


def _guarded(text: exp.Expr, pattern: str, read: exp.Expr, name: str, *, has_zone: bool) -> exp.Expr:
    """Fail on texts that do not match; engines would accept more, such as 26 for %Y or as an ISO year."""
    # A text that no engine can cast.
    refused = exp.DPipe(this=exp.Literal.string(f"not {name}: "), expression=text.copy())
    other = exp.cast(refused, exp.DType.TIMESTAMPTZ if has_zone else exp.DType.TIMESTAMP)
    return exp.Case(ifs=[exp.If(this=regexp_like(text, f"^{pattern}$"), true=read)], default=other)


def regexp_like(text: exp.Expr, pattern: str) -> exp.Expr:
    """Return the condition that a text matches a pattern."""
    return exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(pattern))


def reads(form: str, text: exp.Expr) -> exp.Expr:
    """Return the condition that a format, `ISO 8601` or one of `raw.time_format`, can read a text.

    For example, 30/02/2026 is not valid for %d/%m/%Y, and milliseconds are not valid as seconds.
    """
    if form in EPOCHS:
        ticks = exp.TryCast(this=text.copy(), to=_EXACT.copy())
        least, end = (exp.Literal.number(seconds * EPOCHS[form]) for seconds in _ALL_DAYS)
        valid = _within(ticks, least, end)
        return exp.and_(ticks.is_(exp.null()).not_(), valid, exp.not_(_of_other_unit(ticks, EPOCHS[form])))
    if form == ISO:
        read: exp.Expr = exp.Try(this=_moment_of_text(text.copy()))
        pattern = ISO_PATTERN
    else:
        read = exp.Try(this=_read_by(read_format(form), text))
        pattern = read_format(form).pattern
    return exp.and_(regexp_like(text, f"^{pattern}$"), read.is_(exp.null()).not_())


def _moment_of_text(text: exp.Expr) -> exp.Expr:
    """Parse a text such as `2026-01-01T00:30:00+02:00` as a timestamp with time zone; UTC without a zone.

    Trino's cast rejects a `T` between day and hour, and its from_iso8601_timestamp rejects a blank, so the T
    is replaced by a blank. An hour begins with 0, 1 or 2, so a T in the name of a zone is left alone.
    DuckDB's cast rejects a blank before an offset, so the blank is removed.
    """
    for found, new in (("T0", " 0"), ("T1", " 1"), ("T2", " 2"), (" +", "+"), (" -", "-")):
        text = exp.func("replace", text, exp.Literal.string(found), exp.Literal.string(new), dialect="athena")
    return exp.cast(text, _INSTANT)


def _of_other_unit(value: exp.Expr, ticks: int) -> exp.Expr:
    """Return the condition that a number counts in another unit."""
    conditions = []
    for first, end in other_units(ticks):
        least = value.copy() >= exp.Literal.number(first)
        conditions.append(least if end is None else exp.and_(least, value.copy() < exp.Literal.number(end)))
    return exp.or_(*conditions)


def _within(value: exp.Expr, first: exp.Expr, end: exp.Expr) -> exp.Expr:
    """Return the condition `first <= value < end`."""
    return exp.and_(value.copy() >= first, value.copy() < end)


def _date(day: Day) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.key), exp.DType.DATE)


def _time(naive: dt.datetime, zone: str = "") -> exp.Expr:
    kind = exp.DType.TIMESTAMPTZ if zone else exp.DType.TIMESTAMP
    return exp.cast(exp.Literal.string(f"{naive.isoformat(sep=' ')}{zone}"), kind)
