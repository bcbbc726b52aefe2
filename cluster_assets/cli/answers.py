"""Answers of queries as a table, CSV or JSON."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from cluster_assets.cli.tables import Column, print_table
from cluster_assets.domain.counts import counted
from cluster_assets.lake.answers import refuse_equal_names

if TYPE_CHECKING:
    from cluster_assets.lake.answers import Answer

FORMATS = ("table", "csv", "json")
_MOST_ROWS = 1000
"""Rows of a table for a terminal; the other formats hold all."""


def print_answer(answer: Answer, form: str, *, wide: bool) -> None:
    """Print an answer in one of `FORMATS`.

    Raises:
        SpecError: Columns have equal names, and the format is JSON.
    """
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_text(value) for value in row] for row in answer.rows)
    elif form == "json":
        refuse_equal_names(answer.columns)
        rows = [dict(zip(answer.columns, map(_json_value, row), strict=True)) for row in answer.rows]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(answer, wide=wide)


def _print_table(answer: Answer, *, wide: bool) -> None:
    shown = answer.rows[:_MOST_ROWS]
    columns = []
    for place, name in enumerate(answer.columns):
        values = [row[place] for row in shown]
        is_number = all(isinstance(value, int | float | Decimal) for value in values if value is not None)
        columns.append(Column(name, tuple(map(_text, values)), place, is_number=is_number))
    print_table("", columns, wide=wide)
    more = "" if len(shown) == len(answer.rows) else f", of which the first {_MOST_ROWS:,} are shown"
    click.echo(f"({counted(len(answer.rows), 'row')}{more})")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        json.dumps(_json_value(value), ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    )


def _json_value(value: Any) -> Any:
    """Return a value that JSON has; what it lacks becomes a text, and NaN and infinity become null."""
    if isinstance(value, Decimal):  # 1.5 in a query; readers of JSON parse numbers as doubles too
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _json_value(one) for name, one in value.items()}
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int) else str(value)
