"""The table of `show`: whole numbers at every width, columns that say something, marks of stale days."""

from __future__ import annotations

import datetime as dt
import io
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.cli.day_table import STALE_MARK, print_summary
from cluster_assets.domain.days import Day
from cluster_assets.operations.summaries import COLUMNS, DaySummary

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW = {
    "rows": 123_456,
    "entities": 12_345,
    "points": 12_001,
    "pairs": 98_765,
    "clusters": 321,
    "noise": 4_567,
}


def summary(number: int = 0, *, stale: tuple[str, ...] = (), **numbers: float) -> DaySummary:
    values = dict.fromkeys(COLUMNS, 0) | numbers
    day = Day(dt.date(2026, 1, 1) + dt.timedelta(days=number))
    return DaySummary(pipeline="shops", day=day, checks={}, stale=stale, **values)  # type: ignore[arg-type]


def printed(
    summaries: Sequence[DaySummary], width: int | None, *, wide: bool = False
) -> tuple[dict[str, list[str]], list[str]]:
    """What the table holds, read back: cells by column; and all lines."""
    output = io.StringIO()  # no terminal, and so without a width
    with pytest.MonkeyPatch.context() as context, redirect_stdout(output):
        context.delenv("COLUMNS", raising=False)
        if width is not None:
            context.setenv("COLUMNS", str(width))
        print_summary("shops", summaries, wide=wide)
    lines = output.getvalue().splitlines()
    heads = [[part.strip() for part in line.strip("┃").split("┃")] for line in lines if line.startswith("┃")]
    names = [" ".join(filter(None, parts)) for parts in zip(*heads, strict=True)]
    rows = [[part.strip() for part in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}, lines


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    days = [summary(number, **FEW, seconds=3.5, bytes_scanned=7_654_321, warnings=1) for number in range(3)]
    table, lines = printed(days, width)
    assert max(len(line.rstrip()) for line in lines if line.startswith(("┃", "│"))) <= width
    wanted = ["day", "rows", "entities", "points", "pairs", "clusters", "noise"]
    if width >= 80:
        assert list(table)[:7] == wanted
        assert table["rows"] == ["123,456"] * 3 + ["370,368"]
    assert {"day", "entities", "clusters", "noise"} <= set(table)
    assert "…" not in "".join(lines)


@given(
    st.lists(st.integers(0, 10**13), min_size=1, max_size=4), st.integers(20, 250) | st.none(), st.booleans()
)
def test_numbers_are_whole_at_every_width(numbers: list[int], width: int | None, wide: bool) -> None:
    days = [
        summary(place, rows=number, entities=number, pairs=number // 3, bytes_scanned=number // 7)
        for place, number in enumerate(numbers)
    ]
    table, _ = printed(days, width, wide=wide)
    if wide or width is None:
        assert set(table) >= {"day", "rows", "entities", "pairs"}
    for name in ("rows", "entities", "pairs", "bytes scanned"):
        truth = [getattr(day, name.replace(" ", "_")) for day in days]
        truth += [sum(truth)] if len(days) > 1 else []
        assert table.get(name) in (None, [f"{number:,}" for number in truth])
    assert table["day"][: len(days)] == [day.day.key for day in days]


def test_columns_without_anything_are_left_out_and_those_that_do_not_fit_are_named() -> None:
    table, lines = printed([summary(**FEW)], None)
    assert set(table) == {"day", *(name.replace("_", " ") for name in FEW), "noise ratio"}
    assert "hidden columns" not in "".join(lines)
    costly = summary(**FEW, athena_usd=0.00001, cost_usd=0.00001)
    table, _ = printed([costly], None)
    assert table["cost usd"] == ["<0.0001"]
    assert "lambda usd" not in table
    assert len(printed([summary(**FEW)], None, wide=True)[0]) == 1 + len(COLUMNS)

    table, lines = printed([costly], 60)
    missing = re.fullmatch(r"hidden columns: (.*) \(--wide shows them\)", lines[-1])
    assert missing
    assert {*table, *missing[1].split(", ")} == set(printed([costly], None)[0])


def test_stale_days_are_marked_and_explained() -> None:
    days = [
        summary(0, stale=("the YAML has changed",)),
        summary(1),
        summary(2, stale=("the YAML has changed",)),
    ]
    table, lines = printed(days, 80)
    assert table["day"] == [f"2026-01-01 {STALE_MARK}", "2026-01-02", f"2026-01-03 {STALE_MARK}", "all"]
    assert lines[-1].startswith(f"{STALE_MARK} 2 days are stale: the YAML has changed. ")
    assert lines[-1].endswith("cluster-assets backfill shops --from 2026-01-01 --to 2026-01-03")
    assert printed(days[:1], 80)[1][-1].startswith(f"{STALE_MARK} 1 day is stale: ")
    assert STALE_MARK not in "".join(printed(days[1:2], 80)[1])
