"""The asset as Dagster runs it, and the commands `history` and `repair`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from lineage_chains import Chain, clusters_of, spec_of

from cluster_assets.assets.daily import daily_assets, daily_policy
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.cli import commands
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.stages.lineage.stage import LineageStage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


@pytest.fixture
def given(home: Path, defs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """A pipeline of the user with three days of clusters; the second splits, the third merges."""
    monkeypatch.setenv("CLUSTER_SQL_THREADS", "1")
    spec = spec_of("people")
    body = {
        "type": "cluster_assets.components.ClusteringPipeline",
        "attributes": spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }
    folder = defs_folder / "people"
    folder.mkdir()
    (folder / "defs.yaml").write_text(yaml.safe_dump(body))
    with open_backend(load_settings()) as backend:
        chain = Chain(backend, spec)
        chain.give(DAYS[0], clusters_of("abcdefghij"))
        chain.give(DAYS[1], clusters_of("abcd", "efghij"))
        chain.give(DAYS[2], clusters_of("abcdefghij"))
        yield chain


def materialize(chain: Chain, first: str, last: str, instance: dg.DagsterInstance) -> bool:
    asset = daily_assets(chain.spec, (LineageStage(),), daily_policy(chain.spec, load_settings()))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [asset], instance=instance, resources=RESOURCES, tags=tags, raise_on_error=False
    ).success


def test_days_that_move_are_materialized_too(given: Chain) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(given, DAYS[1], DAYS[2], instance)
        assert materialize(given, DAYS[0], DAYS[0], instance)
        key = dg.AssetKey(["people", "lineage"])
        events = instance.fetch_materializations(key, limit=20).records
        partitions = [record.partition_key for record in reversed(events)]
    assert partitions[:2] == [DAYS[1], DAYS[2]]
    assert sorted(partitions[2:]) == list(DAYS), "the first day, and those it moved"
    assert given.ids(DAYS[2]) == {0: "20260101-000000"}
    assert given.stale() == ()


def test_a_day_without_clusters_is_left_out(given: Chain) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(given, DAYS[2], "2026-01-04", instance)
        assert instance.get_materialized_partitions(dg.AssetKey(["people", "lineage"])) == {DAYS[2]}


def run(*arguments: str) -> str:
    done = CliRunner().invoke(commands, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_repair_brings_everything_up_to_date(given: Chain) -> None:
    told = json.loads(run("repair", "people", "--dry-run", "--format", "json"))
    assert told == [{"day": day, "reason": "missing"} for day in DAYS]
    run("repair", "people")
    assert run("repair", "people", "--dry-run") == ""
    given.give(DAYS[0], clusters_of("abcd", "efghij"))
    assert run("repair", "people", "--dry-run") == f"{DAYS[0]}  its clusters were computed again\n"
    run("repair", "people")
    assert given.stale() == ()
    assert set(given.events(DAYS[1]).values()) == {"continued"}


def test_history_tells_a_life(given: Chain) -> None:
    run("repair", "people")
    body = json.loads(run("history", "people", "--cluster", "20260102-000000", "--format", "json"))
    assert body["stable_id"] == "20260102-000000"
    told = [
        (day["day"], day["event"], day["entities"], day["parents"], day["children"]) for day in body["days"]
    ]
    assert told == [
        (DAYS[1], "split", 4, ["20260101-000000"], []),
        (DAYS[2], "died", 0, [], ["20260101-000000"]),
    ]
    table = run("history", "people", "--cluster", f"{DAYS[2]}/0")
    for text in ("people 20260101-000000", "born", "split", "merged", "20260102-000000"):
        assert text in table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("20260102-000009", "no cluster of people has the id 20260102-000009"),
        ("20261399-000009", "no cluster of people has the id"),
        (f"{DAYS[0]}/7", "2026-01-01 has no cluster 7"),
        ("2026-01-09/0", "'lineage' of pipeline 'people' has not been published"),
        ("seven", "'seven' names no cluster"),
    ],
)
def test_the_history_of_an_unknown_cluster_is_refused(given: Chain, name: str, message: str) -> None:
    given.tell(DAYS[0])
    done = CliRunner().invoke(commands, ["history", "people", "--cluster", name])
    assert done.exit_code != 0
    assert message in str(done.exception)
