"""The generated sample, where campaigns are known: their identities are kept, splits and mergers found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest
from lineage_lives import check_lives

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.publish import publish_day
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.lineage.stage import LineageStage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.domain.days import Day

pytestmark = pytest.mark.long

DAYS = tuple(days_between(parse_day("2013-03-03"), parse_day("2013-03-14")))


class Told(NamedTuple):
    """A day: the lineage row of each campaign's cluster, all rows, and the planted events."""

    of_campaign: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]
    planted: list[dict[str, Any]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Path]]:
    """Days of pipeline `attackers` over the sample."""
    home = tmp_path_factory.mktemp("sample")
    write_sample(SampleConfig(home / "lake", DAYS[0], days=len(DAYS)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(home))
        patch.delenv("CLUSTER_REAL_DATA", raising=False)
        patch.setenv("CLUSTER_SQL_THREADS", "1")
        with open_backend(load_settings()) as backend:
            spec = load_pipeline_named("attackers", (PACKAGED_DEFS,))
            ledger = Ledger(backend.store, backend.catalog, spec.name)
            for day in DAYS:
                job = DayJob(spec, backend, ledger, day)
                for stage in STAGES[:4]:
                    run_day(stage, job)
                publish_day(LineageStage(), job)
            yield ledger, home / "lake" / "truth"


def rows_of(ledger: Ledger, stage: str, day: Day) -> list[dict[str, Any]]:
    return rows_in(f"read_parquet({list(ledger.uris(ledger.require(stage, day), stage))})")


def rows_in(source: str) -> list[dict[str, Any]]:
    found = duckdb.sql(f"SELECT * FROM {source}")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def tell(ledger: Ledger, truth: Path, day: Day) -> Told:
    campaign = {row["entity"]: row["campaign"] for row in rows_in(f"'{truth}/campaigns_{day}.parquet'")}
    votes: dict[int, Counter[str | None]] = {}
    for row in rows_of(ledger, "clusters", day):
        if row["cluster"] >= 0:
            votes.setdefault(row["cluster"], Counter())[campaign.get(row["entity"])] += 1
    lineage = rows_of(ledger, "lineage", day)
    by_cluster = {row["cluster"]: row for row in lineage}
    # The cluster of a campaign is the largest one of which it is the majority.
    found: dict[str, tuple[int, int]] = {}
    for cluster, counts in votes.items():
        name, members = counts.most_common(1)[0]
        if name is not None and 2 * members > counts.total():
            found[name] = max(found.get(name, (0, 0)), (members, cluster))
    of_campaign = {name: by_cluster[cluster] for name, (_, cluster) in found.items()}
    return Told(of_campaign, lineage, rows_in(f"'{truth}/events_{day}.parquet'"))


def test_campaigns_keep_their_identity_and_events_are_found(sample: tuple[Ledger, Path]) -> None:
    ledger, truth = sample
    kept, found, planted = 0, Counter[str](), Counter[str]()
    stayed = 0
    before = tell(ledger, truth, DAYS[0]).of_campaign
    for day in DAYS[1:]:
        told = tell(ledger, truth, day)
        both = before.keys() & told.of_campaign.keys()
        stayed += len(both)
        kept += sum(before[name]["stable_id"] == told.of_campaign[name]["stable_id"] for name in both)
        for event in told.planted:
            if (right := judge(event, told, before)) is not None:
                planted[event["event"]] += 1
                found[event["event"]] += right
        before = told.of_campaign
    assert stayed > 100
    assert kept / stayed >= 0.95
    assert min(planted["split"], planted["merged"], planted["born"], planted["died"]) >= 2
    for name in ("split", "merged", "born", "died"):
        assert found[name] / planted[name] >= 0.95, (name, found, planted)


def judge(event: dict[str, Any], told: Told, before: dict[str, dict[str, Any]]) -> bool | None:
    """Whether a planted event is reported; None if its campaigns have no cluster."""
    name, previous = event["campaign"], event["previous_campaign"]
    if event["event"] == "died":
        if name not in before:
            return None
        ended = {row["stable_id"] for row in told.rows if row["event"] == "died"}
        return before[name]["stable_id"] in ended
    row = told.of_campaign.get(name)
    if row is not None and event["event"] == "born":
        return bool(row["event"] == "born")
    if row is None or name == previous or previous not in before:
        return None  # or the side that stays what it was
    return (row["event"], row["parent"]) == (event["event"], before[previous]["stable_id"])


def test_every_life_is_consistent(sample: tuple[Ledger, Path]) -> None:
    assert check_lives(sample[0]) > 20
