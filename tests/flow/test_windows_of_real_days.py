"""Windows of seven days on all days of the real data: backfilled, one day changed, backfilled again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from demo_clusters import CLUSTERS, assert_pairs, read_table

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.backfills import BackfillOptions, backfill_days, days_to_run
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec

    Versions = dict[Day, int]

pytestmark = pytest.mark.long

FIRST, LAST = parse_day("2013-03-03"), parse_day("2013-09-08")
DAYS = tuple(days_between(FIRST, LAST))
LENGTH, THRESHOLD = 7, 0.4
CHANGED = parse_day("2013-06-12")
FOLLOWING = tuple(days_between(CHANGED, parse_day("2013-06-18")))
# Short and whole windows; those that begin and end with the changed day, and their neighbours.
SAMPLED = ("2013-03-03", "2013-03-06", "2013-06-11", "2013-06-12", "2013-06-18", "2013-06-19", "2013-09-08")


@pytest.fixture
def events(real_data: Path) -> dict[str, pd.DataFrame]:
    """The source rows of each day."""
    frame = duckdb.sql(f"SELECT * FROM read_parquet('{real_data}/honeypot_2013.parquet')").df()
    return {str(day): rows for day, rows in frame.groupby(frame["event_time"].dt.date)}


@pytest.fixture
def lake(events: dict[str, pd.DataFrame], tmp_path: Path) -> Path:
    """A copy of the real data, with one file for each day."""
    for day in DAYS:
        write_day(tmp_path / "lake", day, events[day.key])
    return tmp_path / "lake"


@pytest.fixture
def spec(lake: Path, defs_folder: Path) -> PipelineSpec:
    """The pipeline `attackers` with a window; it publishes nothing elsewhere."""
    document = yaml.safe_load((PACKAGED_DEFS / "attackers" / "defs.yaml").read_text())
    attributes = document["attributes"]
    for name in ("publish", "serve"):
        del attributes[name]
    attributes |= {"name": "attackers_week", "start_date": FIRST.key, "window": {"days": LENGTH}}
    attributes["raw"] = {
        "files": f"{lake}/day=*/*.parquet",
        "partition_column": "day",
        "columns": attributes["raw"]["columns"],
    }
    path = defs_folder / "attackers_week" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(document))
    return load_pipeline(path)


def write_day(lake: Path, day: Day, rows: pd.DataFrame) -> None:
    (lake / day.prefix).mkdir(parents=True, exist_ok=True)
    assert len(rows)
    duckdb.sql(f"COPY rows TO '{lake}/{day.prefix}/rows.parquet' (FORMAT parquet)")


def versions(ledger: Ledger, stage: str) -> Versions:
    """How often each published day was computed."""
    return {day: len(list(ledger.history(stage, day))) for day in ledger.days(stage)}


def assert_day(ledger: Ledger, spec: PipelineSpec, day: Day, events: dict[str, pd.DataFrame]) -> int:
    """Entities, labels and pairs are those of one big day; returns how many clusters it has."""
    window = spec.window_of(day)
    assert len(window) == min(LENGTH, DAYS.index(day) + 1)
    entities, distances, labels = CLUSTERS["attackers"](pd.concat([events[one.key] for one in window]))
    clusters = read_table(ledger, "clusters", "clusters", day).sort_values("entity")
    assert clusters["entity"].tolist() == entities
    assert np.array_equal(clusters["cluster"], labels), day
    pairs = read_table(ledger, "candidates", "candidates", day)
    assert_pairs(clusters["point_id"].to_numpy(), pairs, distances, THRESHOLD)
    return int(labels.max() + 1)


def test_190_windows_and_exactly_those_over_a_changed_day(
    spec: PipelineSpec, lake: Path, events: dict[str, pd.DataFrame], instance: dg.DagsterInstance
) -> None:
    settings = load_settings()
    ledger = Ledger(*open_storage(settings), spec.name)
    report = backfill_days(spec, DAYS, settings)
    assert (report.done, report.failed, report.left) == (DAYS, {}, ())
    for stage in STAGE_NAMES:
        recorded = instance.get_materialized_partitions(dg.AssetKey([spec.name, stage]))
        assert recorded == {day.key for day in DAYS}
    before = {stage: versions(ledger, stage) for stage in STAGE_NAMES}
    assert before["raw"] == before["points"] == before["clusters"] == dict.fromkeys(DAYS, 1)
    sampled = [parse_day(day) for day in SAMPLED]
    assert all(assert_day(ledger, spec, day, events) > 0 for day in sampled)

    # Every other row of the day, and all of them at another port.
    events[CHANGED.key] = events[CHANGED.key].iloc[::2].assign(dst_port=np.int32(4321))
    write_day(lake, CHANGED, events[CHANGED.key])
    report = backfill_days(spec, DAYS, settings, BackfillOptions(only="stale"))
    assert report.ok
    assert set(FOLLOWING) <= set(report.done)
    assert min(report.done) == CHANGED
    assert versions(ledger, "raw") == before["raw"] | {CHANGED: 2}
    for stage in ("points", "candidates", "clusters"):
        assert versions(ledger, stage) == before[stage] | dict.fromkeys(FOLLOWING, 2), stage
    for stage in ("lineage", "profiles", "report"):  # identities may change in later days, too
        again = [day for day, count in versions(ledger, stage).items() if count > before[stage][day]]
        assert tuple(again[:LENGTH]) == FOLLOWING, stage
    assert all(assert_day(ledger, spec, day, events) > 0 for day in sampled)
    assert days_to_run(spec, DAYS, settings, BackfillOptions(only="stale")) == ()
