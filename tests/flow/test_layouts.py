"""Sources whose folders, file names or partition columns spell the day, and sources without any date."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pydantic import ValidationError

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SourceMissingError, SourceSchemaError, SpecError
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.stages.raw.first_day import find_first_day
from tests.flow.conftest import Runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Runner]

VECTOR = {"features": {"vector": ["max(x)"]}, "distance": {"metric": "euclidean", "threshold": 1}}


def write(path: Path, *entities: str, more: str = "") -> None:
    rows = ", ".join(f"('{entity}')" for entity in entities)
    path.parent.mkdir(parents=True, exist_ok=True)
    select = f"SELECT id, 1.0::DOUBLE AS x{more} FROM (VALUES {rows}) AS t(id)"
    kind = path.suffix[1:]
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT {kind})")


def entities(run: Runner, day: str) -> list[str]:
    run.run(day, until="points")
    return [str(entity) for entity in run.table("members", day)["entity"]]


LAYOUTS = {
    "year=%Y/month=%m/day=%d": ("year=2026/month=03/day=0{}/x.parquet", "**/*.parquet"),
    "y=%Y/m=%m/d=%d": ("y=2026/m=3/d={}/x.csv", "**/*.csv"),
    "dt=%Y%m%d": ("dt=2026030{}/x.parquet", "dt=*/*.parquet"),
    "day=%d-%m-%Y": ("day=0{}-03-2026/x.csv", "*/*.csv"),
    "%Y/%m/%d": ("2026/03/0{}/x.parquet", "*/*/*/*.parquet"),
    "sales_%Y-%m-%d": ("sales_2026-03-0{}_final.parquet", "*.parquet"),
    "sales_%d%b%Y": ("sales_0{}Mar2026.csv", "*.csv"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_that_say_their_day(runner: Make, tmp_path: Path, layout: str) -> None:
    name, pattern = LAYOUTS[layout]
    lake = tmp_path / "2025-12-31"  # which is no day of the data
    for day, names in {1: ("a",), 2: ("b", "c"), 3: ("d",)}.items():
        write(lake / name.format(day), *names)
    run = runner(raw={"files": f"{lake}/{pattern}", "partition": layout}, **VECTOR)
    assert entities(run, "2026-03-02") == ["b", "c"]
    assert run.ledger.require("raw", parse_day("2026-03-02")).metrics["source_files"] == 1
    assert find_first_day(run.spec, run.backend) == parse_day("2026-03-01")
    with pytest.raises(SourceMissingError, match="no file holds 2026-03-04"):
        run.run("2026-03-04")


@pytest.mark.parametrize("until", ["points"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_day_opens_only_the_files_in_its_folder(
    runner: Make, tmp_path: Path, kind: str, until: str
) -> None:
    for day in (1, 3, 4):
        other = tmp_path / f"day=2026-03-0{day}" / f"x.{kind}"
        other.parent.mkdir()
        os.mkfifo(other)  # opening it would block, because nothing writes to it
    write(tmp_path / "day=2026-03-02" / f"x.{kind}", "a", "b")
    raw = {"files": f"{tmp_path}/day=*/*.{kind}", "partition_column": "day"}
    assert entities(runner(raw=raw, **VECTOR), "2026-03-02") == ["a", "b"]


@pytest.mark.parametrize("until", ["clusters"])
def test_a_partition_of_three_columns_goes_the_whole_way(runner: Make, tmp_path: Path, until: str) -> None:
    write(tmp_path / "year=2026/month=03/day=02/x.parquet", "a", "b", "c", "d")
    raw = {"files": f"{tmp_path}/year=*/month=*/day=*/*.parquet", "partition": "year=%Y/month=%m/day=%d"}
    run = runner(raw=raw, **VECTOR)
    run.run("2026-03-02")
    assert run.table("clusters", "2026-03-02")["entity"].tolist() == ["a", "b", "c", "d"]


def test_a_path_that_says_no_day_is_named(runner: Make, tmp_path: Path) -> None:
    write(tmp_path / "sales_20260302.parquet", "a")
    write(tmp_path / "sales_20260230.parquet", "a")
    run = runner(raw={"files": f"{tmp_path}/*.parquet", "partition": "sales_%Y%m%d"}, **VECTOR)
    with pytest.raises(SpecError, match="contains no day") as caught:
        run.run("2026-03-02")
    assert "sales_20260230.parquet" in str(caught.value.where)


def test_one_column_in_the_files_themselves(runner: Make, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "a", more=", 20260302 AS dt")
    write(tmp_path / "b.parquet", "b", more=", 20260303 AS dt")
    run = runner(raw={"files": f"{tmp_path}/*.parquet", "partition": "dt=%Y%m%d"}, **VECTOR)
    assert entities(run, "2026-03-03") == ["b"]
    assert find_first_day(run.spec, run.backend) == parse_day("2026-03-02")
    run = runner(raw={"files": f"{tmp_path}/*.parquet", "partition_column": "dt"}, **VECTOR)
    with pytest.raises(SourceSchemaError, match="dt is integer, which is never '2026-03-03'"):
        run.run("2026-03-03")


@pytest.mark.parametrize("types", ["VARCHAR", "INTEGER"])
def test_a_table_partitioned_by_three_columns(
    home: Path, runner: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, types: str
) -> None:
    database = tmp_path / "lake.duckdb"
    with duckdb.connect(str(database)) as lake:
        columns = f"2026::{types} AS year, m::{types} AS month, d::{types} AS day"
        values = "(VALUES ('a', '3', '1'), ('b', '3', '2'), ('c', '12', '2')) AS t(id, m, d)"
        lake.execute(f"CREATE TABLE visits AS SELECT id, 1.0::DOUBLE AS x, {columns} FROM {values}")
    monkeypatch.setenv("CLUSTER_DUCKDB_DATABASE", str(database))
    raw = {"table": "main.visits", "partition": "year=%Y/month=%m/day=%d"}
    with open_backend(load_settings()) as backend:
        run = Runner(backend, runner(raw=raw, **VECTOR).spec, "points")
        assert entities(run, "2026-03-02") == ["b"]
        assert entities(run, "2026-12-02") == ["c"]
        assert find_first_day(run.spec, backend) == parse_day("2026-03-01")


def test_a_source_without_any_date_has_one_day(runner: Make, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a", "b")
    raw = {"files": f"{tmp_path}/a.csv", "fixed_day": "2026-03-02"}
    run = runner(raw=raw, start_date="2026-03-02", **VECTOR)
    assert (run.spec.first_day, run.spec.last_day) == (parse_day("2026-03-02"),) * 2
    assert entities(run, "2026-03-02") == ["a", "b"]
    assert find_first_day(run.spec, run.backend) == parse_day("2026-03-02")
    with pytest.raises(SpecError, match="all rows to 2026-03-02"):
        run.run("2026-03-03")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({}, "rows without any date"),
        ({"fixed_day": "2026-03-02"}, "write start_date: 2026-03-02, not 2026-01-01"),
        ({"fixed_day": "2026-03-02", "time_column": "at"}, "exactly one of"),
        ({"partition": "dt=%Y%m"}, "has no day"),
        ({"partition": "dt=%Y%m%d%H"}, "leave out %H"),
        ({"partition": "dt=%Y-%q"}, "%q in 'dt=%Y-%q' is not known"),
        ({"time_column": "at", "time_format": "DD/MM/YYYY"}, "is not a format"),
        ({"time_column": "at", "time_format": "%H:%M"}, "has no year"),
        ({"time_column": "at", "time_format": "%d/%m/%Y %I:%M"}, "%I and %p belong together"),
        ({"time_column": "at", "time_zone": "Europe/Pariss"}, "not a time zone"),
        (
            {"time_column": "at", "time_zone": "Europe/Paris", "time_format": "epoch_millis"},
            "remove time_zone",
        ),
        ({"time_column": "at", "time_zone": "Europe/Paris", "time_format": "%Y%m%d"}, "has no hour"),
        ({"partition": "dt=%Y%m%d", "time_format": "%Y%m%d"}, "time_format needs time_column"),
        ({"time_column": "now()"}, "changes with each call"),
        ({"time_column": "max(at)"}, "is an aggregate"),
        ({"time_column": "time (UTC)"}, "needs double quotes"),
    ],
)
def test_what_says_no_day_is_refused(runner: Make, raw: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        runner(raw={"files": "x.csv", **raw}, **VECTOR)
    assert told in str(caught.value)
