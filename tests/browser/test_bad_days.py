"""Bad days in the real UI: the other days are published, and a re-execution takes only the bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
import yaml
from dagster_pages import button, choose, open_ui, says, select_partitions, take_picture
from waiting import wait_for

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.backfills import BackfillOptions, days_to_run
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium import webdriver


PARTITIONS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-12")))
KEYS = [day.key for day in PARTITIONS]
EARLY = KEYS[:2]  # a backfill that ends before the last partition
WITHOUT_FILE, BLOCKED = KEYS[4], KEYS[7]
BAD = [WITHOUT_FILE, BLOCKED]
ATTRIBUTES: dict[str, Any] = {
    "name": "people",
    "start_date": KEYS[0],
    "end_date": KEYS[-1],
    "entity": "id",
    "features": {"vector": ["max(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
    "checks": {"min_days": 1, "entities": {"on_failure": "block"}},
}


def write_day(lake: Path, day: str, entities: int = 6) -> None:
    folder = lake / f"day={day}"
    folder.mkdir(parents=True, exist_ok=True)
    query = f"SELECT 'e' || i AS id, (i % 3)::DOUBLE AS x FROM range({entities}) AS t(i)"
    duckdb.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet)")


@pytest.fixture
def lake(tmp_path: Path, defs_folder: Path) -> Path:
    """Twelve days: the fifth has no file, the eighth ten times as many entities as usual."""
    folder = tmp_path / "lake"
    for day in KEYS:
        if day != WITHOUT_FILE:
            write_day(folder, day, 60 if day == BLOCKED else 6)
    raw = {"files": f"{folder}/day=*/*.parquet", "partition_column": "day"}
    path = defs_folder / "people" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw}}))
    return folder


@pytest.fixture
def ui(lake: Path, tmp_path: Path) -> Iterator[str]:
    with open_ui(tmp_path / "ui.log") as address:
        yield address


@pytest.fixture
def instance(ui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of the UI."""
    monkeypatch.setenv("DAGSTER_HOME", str(load_settings().dagster_dir))
    with dg.DagsterInstance.get() as found:
        yield found


def launch(page: str, browser: webdriver.Chrome, days: list[str]) -> None:
    """Materialize days of all assets from a page."""
    browser.get(page)
    says(browser, "Materialize all")
    button(browser, "Materialize all").click()
    select_partitions(browser, f"[{days[0]}...{days[-1]}]")
    says(browser, f"{len(days)} partitions")
    button(browser, "Launch backfill").click()


def ended(instance: dg.DagsterInstance, count: int) -> list[dg.DagsterRun]:
    """The runs, newest first, once there are so many and all have ended."""
    runs = [record.dagster_run for record in instance.get_run_records()]
    return runs if len(runs) >= count and all(run.is_finished for run in runs) else []


def backfills_ended(instance: dg.DagsterInstance) -> bool:
    """Whether the daemon has seen that all runs of the backfills ended, which it does only every 30 s.

    Until then, the UI re-executes a run of a backfill without asking.
    """
    return all(backfill.status.name != "REQUESTED" for backfill in instance.get_backfills())


def days_of(instance: dg.DagsterInstance, run: dg.DagsterRun, stage: str) -> list[str]:
    """The days that a run materialized."""
    records = instance.fetch_materializations(dg.AssetKey(["people", stage]), limit=1000).records
    return sorted(str(one.partition_key) for one in records if one.run_id == run.run_id)


def test_bad_days_leave_the_others_alone(
    ui: str,
    browser: webdriver.Chrome,
    instance: dg.DagsterInstance,
    lake: Path,
    cluster_assets: Callable[..., object],
) -> None:
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "people")
    # Dagster backfills assets partition by partition, and a job by its runs.
    launch(f"{ui}/locations/cluster_assets/asset-groups/people", browser, EARLY)
    launch(f"{ui}/locations/cluster_assets/jobs/people_daily", browser, KEYS)
    runs = wait_for("both runs end", lambda: ended(instance, 2), pause_s=1)
    early, later = sorted(runs, key=lambda run: run.tags["dagster/asset_partition_range_end"])
    good = [day for day in KEYS if day not in BAD]
    for stage in STAGE_NAMES:
        # The blocking check is one of `points`: the rows of its day are fine.
        there = sorted([*good, BLOCKED]) if stage == "raw" else good
        assert [day.key for day in ledger.days(stage)] == there, stage
        assert set(good) - set(EARLY) <= set(days_of(instance, later, stage)), stage

    browser.get(f"{ui}/runs/{later.run_id}")
    says(browser, f"2 of {len(KEYS)} days failed: {', '.join(BAD)}", f"no file holds {WITHOUT_FILE}")
    says(browser, f"{KEYS[-1]} report: ")
    take_picture(browser, "bad-days-1-run")
    browser.get(f"{ui}/assets/people/clusters?view=partitions&partition={KEYS[8]}")
    says(browser, f"Materialized ({len(good)})", f"Failed ({len(BAD)})", "noise_ratio")
    take_picture(browser, "bad-days-2-partitions")

    write_day(lake, WITHOUT_FILE)
    wait_for("both backfills end", lambda: backfills_ended(instance), pause_s=1)
    browser.get(f"{ui}/runs/{later.run_id}")
    says(browser, "Re-execute")
    choose(browser, "Re-execute", "From failure", opens="Confirm").click()
    again, *_ = wait_for("the third run ends", lambda: ended(instance, 3), pause_s=1)
    assert again.parent_run_id == later.run_id
    assert days_of(instance, again, "raw") == BAD
    for stage in ("points", "candidates", "clusters"):
        assert days_of(instance, again, stage) == [WITHOUT_FILE], stage
    assert WITHOUT_FILE in days_of(instance, again, "report")
    left = days_to_run(
        load_pipeline_named("people", load_settings().defs_dirs),
        PARTITIONS,
        load_settings(),
        BackfillOptions(),
    )
    assert [day.key for day in left] == [BLOCKED]
    browser.get(f"{ui}/runs/{again.run_id}")
    says(browser, f"1 of {len(KEYS)} days failed: {BLOCKED}", "entities: 60")
    take_picture(browser, "bad-days-3-again")

    # Asking for lineage of the day after would have failed: it had no clusters yet.
    assert early.is_success
    browser.get(f"{ui}/runs?view=backfills")
    says(browser, f"{len(EARLY)} partitions", "Success", f"{len(KEYS)} partitions", "Failure")
    take_picture(browser, "bad-days-4-backfills")

    # A run of the command line is one of the job, too.
    cluster_assets("run", "people", "--day", KEYS[10])
    by_command = instance.get_run_records(limit=1)[0].dagster_run
    assert by_command.run_id != again.run_id
    browser.get(f"{ui}/locations/cluster_assets/jobs/people_daily/runs")
    says(browser, by_command.run_id[:8], again.run_id[:8])
    take_picture(browser, "bad-days-5-job")
