"""Windows of several days, compared with one day that has all of their rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.days import days_until, parse_day
from cluster_assets.domain.errors import ScanLimitError, SourceChangedError, UpstreamMissingError
from cluster_assets.stages.raw.files import SourceFile
from cluster_assets.stages.raw.source import DaySource, join_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

DAY, DAYS = "2026-01-06", 3
WINDOW = [day.key for day in days_until(parse_day(DAY), DAYS)]
WORDS = ("login", "logins", "logout", "admin", "admins", "scan")

KINDS: dict[str, dict[str, Any]] = {
    "set": {
        "features": {"set": "word", "tokens": {"min_df": 2, "max_df": 0.9}},
        "distance": {"metric": "jaccard", "threshold": 0.25},
    },
    "vector": {
        "features": {
            "vector": ["avg(x)", "count(*)", "count(DISTINCT word)"],
            "scale": "standard",
            "weights": [1, 2, 0.5],
        },
        "distance": {"metric": "euclidean", "threshold": 0.8},
    },
    "geo": {
        "features": {"geo": {"latitude": "avg(x)", "longitude": "avg(y)"}},
        "distance": {"metric": "haversine", "threshold": 50_000},
    },
    "text": {
        "features": {"text": "max(word)"},
        "distance": {"metric": "levenshtein", "threshold": 2},
    },
    "embedding": {
        "features": {"embedding": "min(v)"},
        "distance": {"metric": "cosine", "threshold": 0.1},
    },
    "mixed": {
        "features": {
            "mixed": {
                "size": {"number": "sum(x)"},
                "word": {"category": "max(word)"},
                "words": {"set": "word"},
            }
        },
        "distance": {"metric": "gower", "threshold": 0.2},
    },
}


def rows(days: int = 8, seed: int = 0) -> pd.DataFrame:
    """Rows of the days from 1 January; on each of them some of 60 entities have one to three rows."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(1, days + 1):
        entities = np.repeat(rng.choice(60, 25, replace=False), rng.integers(1, 4, 25))
        x = entities % 4 + rng.normal(0, 0.2, len(entities))
        found.append(
            pd.DataFrame(
                {
                    "day": f"2026-01-{number:02}",
                    "seen": pd.Timestamp(f"2026-01-{number:02}")
                    + pd.to_timedelta(rng.integers(0, 86_400, len(x)), "s"),
                    "id": [f"e{one:02}" for one in entities],
                    "x": x,
                    "y": np.round(rng.random(len(x)), 9),
                    "word": rng.choice(WORDS, len(x)),
                    "v": [[a, 1.0, b] for a, b in zip(x, x % 2, strict=True)],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def write(folder: Path, data: pd.DataFrame) -> None:
    """Write one file for each day, in a folder `day=…`; the files have the time of each row, too."""
    folder.mkdir(parents=True, exist_ok=True)
    for day, part in data.groupby("day"):
        (folder / f"day={day}").mkdir(exist_ok=True)
        shown = part.drop(columns="day")  # noqa: F841  # DuckDB reads it
        duckdb.sql(f"COPY shown TO '{folder}/day={day}/rows.parquet' (FORMAT parquet)")


@pytest.fixture(scope="module")
def all_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    write(folder, rows())
    return folder


@pytest.fixture
def lake(all_days: Path, tmp_path: Path) -> Path:
    """A copy of the files, which a test may change."""
    return Path(shutil.copytree(all_days, tmp_path / "lake"))


@pytest.fixture
def windowed(runner: Make, lake: Path) -> Make:
    """Makes a runner whose days are windows, with `raw` of the days of one window published."""

    def made(publish: Sequence[str] = WINDOW, **attributes: Any) -> Runner:
        base: dict[str, Any] = {
            "name": "windows",
            "raw": {"files": f"{lake}/*/*.parquet", "time_column": "seen"},
            "window": {"days": DAYS},
            **KINDS["vector"],
        }
        run = runner(**base | attributes)
        for day in publish:
            run.run(day, until="raw")
        return run

    return made


@pytest.fixture
def stamped(runner: Make, tmp_path: Path) -> Make:
    """Makes a runner without a window, whose source has all rows of some days on the last of them."""

    def made(days: list[str], **attributes: Any) -> Runner:
        data = rows()
        data = data[data["day"].isin(days)].assign(day=DAY, seen=pd.Timestamp(DAY))
        write(tmp_path / "stamped", data)
        raw = {"files": f"{tmp_path}/stamped/*/*.parquet", "time_column": "seen"}
        return runner(name="stamped", raw=raw, **attributes)

    return made


def assert_same_day(run: Runner, truth: Runner) -> None:
    assert run.run(DAY)["clusters"].manifest.metrics["clusters"] > 1
    truth.run(DAY)
    for table in ("points", "members", "clusters"):
        pd.testing.assert_frame_equal(run.table(table, DAY), truth.table(table, DAY), rtol=1e-12)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_window_equals_a_day_with_all_of_its_rows(windowed: Make, stamped: Make, kind: str) -> None:
    run = windowed(**KINDS[kind])
    assert_same_day(run, stamped(WINDOW, **KINDS[kind]))
    points = run.ledger.require("points", parse_day(DAY)).metrics
    assert points["window_days"] == "3 of 3"
    assert points["rows"] == int(rows()["day"].isin(WINDOW).sum())


LAYOUTS = {
    "hive folders": {"files": "lake/*/*.parquet", "partition_column": "day"},
    "files named after the day": {"files": "lake/*/*.parquet", "partition": "day=%Y-%m-%d/"},
    "one file": {"files": "all.parquet", "time_column": "seen"},
    "epochs": {"files": "all.parquet", "time_column": "epoch", "time_format": "epoch_seconds"},
    "local times": {"files": "all.parquet", "time_column": "seen", "time_zone": "Asia/Tokyo"},
    "days": {"files": "all.parquet", "time_column": "date_of"},
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_window_reads_the_rows_of_every_layout(
    windowed: Make, stamped: Make, tmp_path: Path, layout: str
) -> None:
    data = rows()
    if layout == "local times":
        data["seen"] += pd.Timedelta(hours=9)
    duckdb.sql(
        "COPY (SELECT *, CAST(epoch(seen) AS BIGINT) AS epoch, CAST(day AS DATE) AS date_of FROM data) "
        f"TO '{tmp_path}/all.parquet' (FORMAT parquet)"
    )
    raw = LAYOUTS[layout] | {"files": f"{tmp_path}/{LAYOUTS[layout]['files']}"}
    assert_same_day(windowed(raw=raw), stamped(WINDOW, **KINDS["vector"]))


def test_days_without_rows_are_named_and_can_be_refused(windowed: Make, stamped: Make, lake: Path) -> None:
    empty, absent, day = WINDOW
    (lake / f"day={absent}" / "rows.parquet").unlink()
    raw = {
        "files": f"{lake}/*/*.parquet",
        "partition_column": "day",
        "where": f"seen >= TIMESTAMP '{absent} 00:00:00'",
    }
    run = windowed(publish=[empty, day], raw=raw)
    assert_same_day(run, stamped([day], **KINDS["vector"]))
    metrics = run.ledger.require("points", parse_day(DAY)).metrics
    assert metrics["window_days"] == "1 of 3"
    assert metrics["window_days_without_rows"] == f"{empty}, {absent}"

    strict = windowed(publish=[], raw=raw, window={"days": DAYS, "min_days": 2})
    with pytest.raises(UpstreamMissingError, match="of the 3 days up to 2026-01-06, 1 day has rows"):
        strict.run(DAY)


def test_the_first_days_have_shorter_windows(windowed: Make, stamped: Make) -> None:
    assert_same_day(windowed(start_date=WINDOW[1]), stamped(WINDOW[1:], **KINDS["vector"]))


def test_unpublished_days_are_refused_by_name(windowed: Make, lake: Path) -> None:
    run = windowed(name="later")
    late = "2026-01-08"
    with pytest.raises(UpstreamMissingError, match="raw of 2026-01-07 has not been published") as refused:
        run.run(late)
    assert f"cluster-assets run later --day {late}" in str(refused.value)


def test_a_changed_day_is_refused_until_raw_is_published_again(windowed: Make, lake: Path) -> None:
    run = windowed()
    before = run.run(DAY, until="points")["points"].manifest
    other = rows(seed=1)
    write(lake, other[other["day"] == WINDOW[0]])
    with pytest.raises(SourceChangedError, match=f"the source of {WINDOW[0]} changed"):
        run.run(DAY, until="points", force=True)
    run.run(WINDOW[0], until="raw")
    after = run.run(DAY, until="points")["points"]
    assert not after.reused
    changed = after.manifest.changed_inputs(before.inputs)
    assert changed == ("days_before",)
    assert set(json.loads(after.manifest.inputs["days_before"])) == set(WINDOW[:-1])


def test_the_limit_of_bytes_is_for_the_whole_window(runner: Make, lake: Path) -> None:
    raw = {"files": f"{lake}/*/*.parquet", "time_column": "seen"}
    spec = runner(raw=raw, limits={"max_scan_bytes": 10_000_000}, **KINDS["vector"]).spec
    days = [
        DaySource(FileRelation(()), (SourceFile(f"/lake/{day}.parquet", 6_000_000, 0),), "") for day in WINDOW
    ]
    assert join_sources(spec, days[:1], "one day").bytes == 6_000_000
    with pytest.raises(ScanLimitError, match="the source of 3 days holds 18,000,000 bytes"):
        join_sources(spec, days, "3 days")
