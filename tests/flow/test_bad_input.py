"""Bad input: one clear error with the remedy, nothing published, the previous day intact."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    InvalidFeaturesError,
    ScanLimitError,
    SourceMissingError,
    SourceSchemaError,
    SourceUnreadableError,
    SpecError,
    TooManyPairsError,
)
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.stages.ledger.garbage import collect
from cluster_assets.stages.ledger.published import published_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

DAY = "2026-01-02"
VECTOR = {"features": {"vector": ["max(x)", "max(y)"]}, "distance": {"metric": "euclidean", "threshold": 1}}
GEO = {
    "features": {"geo": {"latitude": "max(x)", "longitude": "max(y)"}},
    "distance": {"metric": "haversine", "threshold": 1000},
}
SET = {"features": {"set": "tag"}, "distance": {"metric": "jaccard", "threshold": 0.4}}
GOOD_ROWS = "('a', 1.0, 1.0, 't'), ('b', 1.1, 1.0, 't'), ('c', 1.0, 1.2, 't'), ('d', 40.0, 40.0, 'u')"


def write(path: Path, rows: str, columns: str = "id, x, y, tag", day: str = DAY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = columns.split(", ")[1:3]
    doubles = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in numbers)
    values = f"(VALUES {rows}) AS t({columns})"
    select = f"SELECT TIMESTAMP '{day} 01:02:03' AS event_time, * REPLACE ({doubles}) FROM {values}"
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    write(tmp_path / "lake" / "a.parquet", GOOD_ROWS)
    return tmp_path / "lake"


def source(lake: Path, **more: Any) -> dict[str, Any]:
    return {"files": f"{lake}/*.parquet", "time_column": "event_time", **more}


def seen(run: Runner, day: str) -> dict[str, object] | None:
    """What a reader sees of the day; None when it was never published."""
    if run.ledger.current("clusters", parse_day(day)) is None:
        return None
    return dict(published_day(run.ledger, parse_day(day)))


def told(run: Runner, error: type[ClusterAssetsError], *texts: str, day: str = DAY) -> None:
    """The run fails with that error, its text says all of `texts`, and what was published stays."""
    before = seen(run, day)
    with pytest.raises(error) as caught:
        run.run(day)
    for text in (*texts, "remedy:"):
        assert text in str(caught.value)
    assert seen(run, day) == before


def test_no_file_matches(runner: Make, tmp_path: Path) -> None:
    told(runner(raw=source(tmp_path / "nowhere"), **VECTOR), SourceMissingError, "nowhere")


def test_no_file_of_a_partitioned_day(runner: Make, tmp_path: Path) -> None:
    write(tmp_path / "lake" / f"day={DAY}" / "a.parquet", GOOD_ROWS)
    raw = {"files": f"{tmp_path}/lake/day=*/*.parquet", "partition_column": "day"}
    run = runner(raw=raw, **VECTOR)
    assert run.run(DAY)["clusters"].manifest.metrics["entities"] == 4
    told(run, SourceMissingError, "2026-01-03", day="2026-01-03")


def test_a_day_without_rows_is_published_empty(runner: Make, lake: Path) -> None:
    run = runner(raw=source(lake), **VECTOR)
    metrics = run.run("2026-01-05")["clusters"].manifest.metrics
    assert (metrics["entities"], metrics["clusters"], metrics["noise"], metrics["noise_ratio"]) == (
        0,
        0,
        0,
        0.0,
    )
    assert len(run.table("clusters", "2026-01-05")) == 0


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", b"PAR1", b"PAR1" + b"\0" * 500 + b"PAR1"])
def test_a_file_that_is_no_parquet(runner: Make, lake: Path, body: bytes) -> None:
    run = runner(raw=source(lake), **VECTOR)
    run.run(DAY)
    (lake / "b.parquet").write_bytes(body)
    told(run, SourceUnreadableError, "b.parquet")


@pytest.mark.parametrize("sixteenths", [1, 4, 8, 12, 15])
def test_a_truncated_file(runner: Make, lake: Path, sixteenths: int) -> None:
    run = runner(raw=source(lake), **VECTOR)
    run.run(DAY)
    whole = (lake / "a.parquet").read_bytes()
    (lake / "b.parquet").write_bytes(whole[: len(whole) * sixteenths // 16])
    told(run, SourceUnreadableError, "b.parquet")


def test_a_missing_column_is_named_with_its_file_and_a_near_one(runner: Make, lake: Path) -> None:
    write(lake / "b.parquet", GOOD_ROWS, columns="id, xx, y, tag")
    told(
        runner(raw=source(lake), **VECTOR),
        SourceSchemaError,
        "b.parquet",
        "column x is missing",
        "did you mean xx",
    )


def test_a_retyped_column_is_named_with_both_types(runner: Make, lake: Path) -> None:
    run = runner(raw=source(lake, columns={"x": "bigint"}), **VECTOR)
    told(run, SourceSchemaError, "a.parquet", "x", "bigint", "double")


def test_a_time_column_that_is_no_time(runner: Make, lake: Path) -> None:
    raw = {"files": f"{lake}/*.parquet", "time_column": "x"}
    told(runner(raw=raw, **VECTOR), SourceSchemaError, "x")


@pytest.mark.parametrize(
    "value", ["NULL", "'NaN'::DOUBLE", "'Infinity'::DOUBLE", "'-Infinity'::DOUBLE", "1.1e150"]
)
def test_a_vector_without_distance(runner: Make, lake: Path, value: str) -> None:
    write(lake / "b.parquet", f"('bad', {value}, 1.0, 't'), ('worse', {value}, 2.0, 't')")
    told(runner(raw=source(lake), **VECTOR), InvalidFeaturesError, "2", "on_invalid: exclude")
    run = runner(raw=source(lake), on_invalid="exclude", **VECTOR)
    results = run.run(DAY)
    assert results["points"].manifest.metrics["excluded"] == 2
    assert set(run.table("clusters", DAY)["entity"]) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("latitude", "longitude"), [("90.1", "0"), ("-91", "0"), ("0", "180.5"), ("NULL", "0")]
)
def test_a_place_off_the_globe(runner: Make, lake: Path, latitude: str, longitude: str) -> None:
    write(lake / "b.parquet", f"('bad', {latitude}, {longitude}, 't')")
    told(runner(raw=source(lake), **GEO), InvalidFeaturesError, "1", "on_invalid: exclude")
    run = runner(raw=source(lake), on_invalid="exclude", **GEO)
    assert run.run(DAY)["points"].manifest.metrics["excluded"] == 1
    assert "bad" not in set(run.table("clusters", DAY)["entity"])


def test_an_empty_set(runner: Make, lake: Path) -> None:
    write(lake / "b.parquet", "('bad', 1, 1, NULL)")
    told(runner(raw=source(lake), **SET), InvalidFeaturesError, "1", "on_invalid: exclude")


def test_null_entities(runner: Make, lake: Path) -> None:
    write(lake / "b.parquet", "(NULL, 1, 1, 't'), (NULL, 2, 2, 't')")
    told(runner(raw=source(lake), **VECTOR), InvalidFeaturesError, "2", "on_invalid: exclude")
    run = runner(raw=source(lake), on_invalid="exclude", **VECTOR)
    results = run.run(DAY)
    assert results["raw"].manifest.metrics["null_entity_rows"] == 2
    assert len(run.table("clusters", DAY)) == 4


def test_duplicate_rows_change_nothing(runner: Make, lake: Path, tmp_path: Path) -> None:
    run = runner(raw=source(lake), **VECTOR)
    run.run(DAY)
    before = run.table("clusters", DAY)
    write(lake / "b.parquet", GOOD_ROWS)
    run.run(DAY)
    assert run.table("clusters", DAY).equals(before)


def test_one_entity(runner: Make, tmp_path: Path) -> None:
    write(tmp_path / "lake" / "a.parquet", "('only', 1, 1, 't')")
    run = runner(raw=source(tmp_path / "lake"), **VECTOR)
    run.run(DAY)
    assert run.table("clusters", DAY)[["entity", "cluster", "role"]].values.tolist() == [
        ["only", -1, "noise"]
    ]


def test_all_entities_identical(runner: Make, tmp_path: Path) -> None:
    rows = ", ".join(f"('e{number}', 2, 3, 't')" for number in range(500))
    write(tmp_path / "lake" / "a.parquet", rows)
    for spec in (VECTOR, SET, GEO):
        run = runner(raw=source(tmp_path / "lake"), **spec)
        metrics = run.run(DAY)["clusters"].manifest.metrics
        assert (metrics["entities"], metrics["clusters"], metrics["noise"]) == (500, 1, 0)
        assert len(run.table("points", DAY)) == 1
        assert len(run.table("candidates", DAY)) == 0


@pytest.mark.parametrize(
    ("spec", "pairs"),
    [
        (VECTOR | {"distance": {"metric": "euclidean", "threshold": 1e6}}, 19_900),
        (GEO | {"distance": {"metric": "haversine", "threshold": 20_000_000}}, 19_900),
        (SET | {"distance": {"metric": "jaccard", "threshold": 1.0}}, 19_900),
    ],
)
def test_a_threshold_that_makes_everything_a_pair(
    runner: Make, tmp_path: Path, spec: dict[str, Any], pairs: int
) -> None:
    rows = ", ".join(f"('e{number}', {number / 10}, {number / 10}, 't{number}')" for number in range(200))
    write(tmp_path / "lake" / "a.parquet", rows)
    run = runner(raw=source(tmp_path / "lake"), limits={"max_pairs": 1000}, **spec)
    told(run, TooManyPairsError, f"{pairs:,}", "1,000", "max_pairs")
    enough = runner(raw=source(tmp_path / "lake"), limits={"max_pairs": 1_000_000}, **spec)
    assert len(enough.run(DAY)["candidates"].manifest.tables["candidates"].files) == 1
    assert len(enough.table("candidates", DAY)) == pairs


def test_a_published_day_stays_whole_when_its_next_making_fails_half_way(runner: Make, lake: Path) -> None:
    run = runner(raw=source(lake), limits={"max_pairs": 5}, **VECTOR)
    run.run(DAY)
    members, clusters = run.table("members", DAY), run.table("clusters", DAY)
    write(lake / "b.parquet", "('0', 1.0, 1.1, 't'), ('aa', 1.05, 1.0, 't'), ('e', 1.2, 1.1, 't')")
    told(run, TooManyPairsError, "max_pairs")
    day = published_day(run.ledger, parse_day(DAY))
    newest = run.ledger.require("points", parse_day(DAY))
    assert newest.version > day["points"].version, "points went on; readers must not see them yet"
    joined = clusters.merge(members, on=["entity", "point_id"])
    assert len(joined) == len(clusters) == 4
    assert day["points"].tables["members"].rows == 4
    assert summarize_day(run.ledger, parse_day(DAY)).entities == 4
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    collect(run.backend.store, run.backend.catalog, retention=dt.timedelta(0), now=later)
    for table in ("points", "members"):
        assert all(Path(uri).is_file() for uri in run.ledger.uris(day["points"], table))
    assert summarize_day(run.ledger, parse_day(DAY)).entities == 4


def test_more_source_bytes_than_allowed(runner: Make, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "a.csv").write_text(
        "event_time,id,x,y\n" + "2026-01-02 00:00:00,aaaaaaaaaaaaaaaa,1,1\n" * 300_000
    )
    raw = {"files": f"{lake}/*.csv", "time_column": "event_time"}
    told(runner(raw=raw, limits={"max_scan_bytes": 10_000_000}, **VECTOR), ScanLimitError, "max_scan_bytes")


def test_a_csv_value_that_does_not_fit_its_declared_type(runner: Make, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "event_time,id,x,y\n2026-01-02 00:00:00,a,1,1\n2026-01-02 00:00:00,b,one,1\n"
    )
    raw = {"files": f"{tmp_path}/a.csv", "time_column": "event_time", "columns": {"x": "double"}}
    told(runner(raw=raw, **VECTOR), SourceUnreadableError, "a.csv", "x")


def test_a_column_that_is_null_throughout_one_file_fits_the_others(runner: Make, lake: Path) -> None:
    select = f"SELECT TIMESTAMP '{DAY} 01:00:00' AS event_time, 'e' AS id, NULL AS x, 1.0::DOUBLE AS y"
    for name in ("0.parquet", "b.parquet"):  # before and after the file that has values
        duckdb.execute(f"COPY ({select}, 't' AS tag) TO '{lake / name}' (FORMAT parquet)")
    told(runner(raw=source(lake), **VECTOR), InvalidFeaturesError, "1 of 5", "null")
    run = runner(raw=source(lake), on_invalid="exclude", **VECTOR)
    assert run.run(DAY)["points"].manifest.metrics["excluded"] == 1


def test_mixed_formats(runner: Make, lake: Path) -> None:
    (lake / "b.csv").write_text("event_time,id,x,y\n")
    told(runner(raw={"files": f"{lake}/*", "time_column": "event_time"}, **VECTOR), SpecError, "b.csv")


def test_a_table_without_a_database(runner: Make) -> None:
    run = runner(raw={"table": "lake.events", "time_column": "event_time"}, **VECTOR)
    told(run, ClusterAssetsError, "CLUSTER_DUCKDB_DATABASE")
