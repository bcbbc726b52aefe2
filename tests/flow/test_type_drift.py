"""A column that changes its type from day to day: entities keep their texts, or the day is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
SET = {"features": {"set": "port"}, "distance": {"metric": "jaccard", "threshold": 0.4}}


def write(lake: Path, day: str, kind: str, values: str = "100, 101, 102, 103") -> None:
    """A Hive folder of a day, whose columns `id` and `port` are of the type."""
    folder = lake / f"day={day}"
    folder.mkdir(parents=True, exist_ok=True)
    columns = f"CAST(v AS {kind}) AS id, CAST([{values}][1] AS {kind}) AS port"
    query = f"SELECT {columns} FROM unnest([{values}]) AS t(v)"
    duckdb.execute(f"COPY ({query}) TO '{folder}/a.parquet' (FORMAT parquet)")


def source(lake: Path, **columns: str) -> dict[str, Any]:
    raw: dict[str, Any] = {"files": f"{lake}/day=*/*.parquet", "partition_column": "day"}
    return raw | ({"columns": columns} if columns else {})


def test_whole_doubles_are_the_entities_of_yesterdays_integers(runner: Make, tmp_path: Path) -> None:
    for day, kind in zip(DAYS, ("BIGINT", "DOUBLE", "FLOAT"), strict=True):
        write(tmp_path, day, kind)
    run = runner(raw=source(tmp_path), **SET)
    for day in DAYS:
        results = run.run(day, until="lineage")
        assert list(run.table("members", day)["entity"]) == ["100", "101", "102", "103"]
        assert [list(tokens) for tokens in run.table("points", day)["tokens"]] == [["100"]]
        assert all(outcome.passed for outcome in results["raw"].checks)
    lineage = run.table("lineage", DAYS[2])
    assert list(lineage["event"]) == ["continued"]
    assert list(lineage["shared"]) == [4]


@pytest.mark.parametrize(
    ("before", "now", "remedy"),
    [("BIGINT", "VARCHAR", "bigint"), ("VARCHAR", "BIGINT", "varchar"), ("VARCHAR", "DOUBLE", "varchar")],
)
def test_other_texts_are_refused_until_they_are_declared(
    runner: Make, tmp_path: Path, before: str, now: str, remedy: str
) -> None:
    write(tmp_path, DAYS[0], before)
    write(tmp_path, DAYS[1], now)
    run = runner(raw=source(tmp_path), **SET)
    run.run(DAYS[0])
    with pytest.raises(CheckFailedError, match="entity_types") as caught:
        run.run(DAYS[1])
    assert f"raw.columns: {{id: {remedy}}}" in str(caught.value)
    assert f"raw.columns: {{id: {now.lower()}}}" in str(caught.value)
    assert run.ledger.current("raw", parse_day(DAYS[1])) is None
    # The declaration that keeps the texts works, and so does the one that takes the new ones.
    for kind in (remedy, now.lower()):
        declared = runner(raw=source(tmp_path, id=kind), **SET)
        results = declared.run(DAYS[1])
        assert list(declared.table("members", DAYS[1])["entity"]) == ["100", "101", "102", "103"]
        assert next(one for one in results["raw"].checks if one.name == "entity_types").passed
    write(tmp_path, DAYS[2], now)
    run.run(DAYS[2])  # compared with what was published last


def test_dates_that_become_times_need_a_view_or_consent(runner: Make, tmp_path: Path) -> None:
    write(tmp_path, DAYS[0], "DATE", "DATE '2025-01-01', DATE '2025-01-02'")
    write(tmp_path, DAYS[1], "TIMESTAMP", "DATE '2025-01-01', DATE '2025-01-02'")
    run = runner(
        raw=source(tmp_path), entity="id", features={"set": "cast(id AS varchar)"}, distance=SET["distance"]
    )
    run.run(DAYS[0])
    with pytest.raises(CheckFailedError, match=r"cast id to date in a view.*\{id: timestamp\}"):
        run.run(DAYS[1])


def test_a_day_without_values_says_nothing_of_types(runner: Make, tmp_path: Path) -> None:
    """CSV and JSON have no types of their own; an empty file must not stand for another type."""
    (tmp_path / f"day={DAYS[0]}").mkdir()
    (tmp_path / f"day={DAYS[1]}").mkdir()
    (tmp_path / f"day={DAYS[0]}" / "a.csv").write_text("n,port\n1,80\n2,80\n")
    (tmp_path / f"day={DAYS[1]}" / "a.csv").write_text("n,port\n")
    raw = {"files": f"{tmp_path}/day=*/*.csv", "partition_column": "day"}
    run = runner(raw=raw, **SET, entity="n + 1")
    for day, entities in ((DAYS[0], ["2", "3"]), (DAYS[1], [])):
        run.run(day)
        assert list(run.table("members", day)["entity"]) == entities


def test_the_check_may_warn_or_be_skipped(runner: Make, tmp_path: Path) -> None:
    write(tmp_path, DAYS[0], "BIGINT")
    write(tmp_path, DAYS[1], "VARCHAR")
    runner(raw=source(tmp_path), **SET).run(DAYS[0], until="raw")
    warned = runner(raw=source(tmp_path), **SET, checks={"entity_types": {"on_failure": "warn"}})
    outcomes = warned.run(DAYS[1], until="raw")["raw"].checks
    assert [(one.name, one.passed) for one in outcomes if one.name == "entity_types"] == [
        ("entity_types", False)
    ]
    skipped = runner(raw=source(tmp_path), **SET, checks={"entity_types": {"on_failure": "skip"}})
    outcomes = skipped.run(DAYS[1], until="raw")["raw"].checks
    assert "entity_types" not in {one.name for one in outcomes}
