"""Names of clusters over days: the order in which days are computed does not matter."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.publish import publish_day, publish_days_after
from cluster_assets.stages.ledger.ledger import Draft
from cluster_assets.stages.profiles.naming import names_by_day
from cluster_assets.stages.profiles.stage import ProfilesStage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08")
# Entities of each day by their set; the strange names must survive the way through SQL.
STRANGE = 'it\'s \\ \t"tab" 😀'
ROWS = {
    DAYS[0]: {"a": {"x", "y"}, "b": {"p", STRANGE}},
    DAYS[1]: {"0": {"new"}, "a": {"x", "y"}, "b": {"p", STRANGE}},
    # Cluster b is absent, and comes back with other values beside a new one that has its old values.
    DAYS[2]: {"0": {"new"}, "a": {"x", "z"}, "c": {"x", "y"}},
    DAYS[3]: {"0": {"new"}, "a": {"x", "z"}, "b": {"p", STRANGE}, "c": {"x", "y"}},
}
ATTRIBUTES: dict[str, Any] = {
    "features": {"set": "tag"},
    "distance": {"metric": "jaccard", "threshold": 0.1},
    "lineage": {"features": False},
}


def write(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    for day, families in ROWS.items():
        rows = [(f"{family}{k}", tag) for family, tags in families.items() for k in range(4) for tag in tags]
        duckdb.execute("CREATE OR REPLACE TEMP TABLE d (id VARCHAR, tag VARCHAR)")
        duckdb.executemany("INSERT INTO d VALUES (?, ?)", rows)
        select = f"SELECT TIMESTAMP '{day} 12:00' AS event_time, * FROM d"
        duckdb.execute(f"COPY ({select}) TO '{folder}/{day}.parquet' (FORMAT parquet)")
    return {"raw": {"files": f"{folder}/*.parquet", "time_column": "event_time"}}


def publish(days: Any, day: str) -> None:
    """Publish all stages up to `profiles` of a day, and the later days that it changes, as an asset does."""
    job = DayJob(days.spec, days.backend, days.ledger, parse_day(day))
    for stage in STAGES[:-1]:
        publish_day(stage, job)
        publish_days_after(stage, job)


def names(days: Any, day: str) -> dict[str, str]:
    """Name by the family of the cluster's entities."""
    clusters, profiles = days.table("clusters", day), days.table("profiles", day)
    joined = clusters.merge(profiles[["cluster", "name"]], on="cluster")
    return {str(one.entity)[0]: one.name for one in joined.itertuples(index=False) if one.cluster >= 0}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return write(tmp_path_factory.mktemp("names") / "lake")


@pytest.fixture
def made(days: Callable[..., Any], raw: dict[str, Any]) -> Callable[[str], Any]:
    return lambda name: days(**raw, **ATTRIBUTES, name=name)


def test_names_do_not_depend_on_the_order_of_the_days(made: Callable[[str], Any]) -> None:
    found = {}
    for number, order in enumerate([DAYS, (DAYS[3], DAYS[1], DAYS[0], DAYS[2])]):
        days = made(f"order{number}")
        for day in order:
            publish(days, day)
        found[number] = {day: names(days, day) for day in DAYS}
        assert all(days.ledger.require("profiles", parse_day(day)) for day in DAYS)
    strange = 'p · it\'s \\ "tab" 😀'
    both = sorted(strange.split(" · "), key=lambda text: text != "p")
    assert found[0] == found[1]
    assert set(found[0][DAYS[0]]["b"].split(" · ")) == set(both)
    assert found[0][DAYS[3]]["b"] == found[0][DAYS[1]]["b"] == found[0][DAYS[0]]["b"]
    assert found[0][DAYS[1]]["0"] == "new"
    assert found[0][DAYS[1]]["a"] == found[0][DAYS[0]]["a"]
    for one, other in itertools.pairwise(DAYS):
        kept = found[0][one].keys() & found[0][other].keys()
        changed = {family for family in kept if found[0][one][family] != found[0][other][family]}
        assert changed == ({"a"} if other == DAYS[2] else set())
    for day in DAYS:
        assert len(set(found[0][day].values())) == len(found[0][day])


def test_a_day_without_names_before_it_is_named_anew(made: Callable[[str], Any]) -> None:
    """Days that an earlier version published have no table `names`."""
    days = made("earlier")
    publish(days, DAYS[0])
    manifest = days.ledger.require("profiles", parse_day(DAYS[0]))
    attempt = days.ledger.start_attempt("profiles", manifest.day)
    draft = Draft(
        stage="profiles", day=manifest.day, attempt=attempt, input_digest="old", inputs=manifest.inputs,
        tables={}, metrics=manifest.metrics,
    )  # fmt: skip
    days.ledger.commit(draft)
    publish(days, DAYS[1])
    published = days.ledger.require("profiles", parse_day(DAYS[1]))
    assert published.inputs["names"] == ""
    assert names(days, DAYS[1])["0"] == "new"


def test_readers_show_the_names(made: Callable[[str], Any]) -> None:
    days = made("readers")
    for day in DAYS[:2]:
        publish(days, day)
    profiles = days.table("profiles", DAYS[1])
    truth = profiles[profiles["cluster"] >= 0].sort_values(["entities", "cluster"], ascending=[False, True])
    largest = summarize_day(days.ledger, parse_day(DAYS[1])).largest_clusters
    assert [one["name"] for one in largest] == truth["name"].tolist()
    assert [one["stable_id"] for one in largest] == truth["stable_id"].tolist()
    old = truth[truth["first_seen"] == DAYS[0]].iloc[0]
    found = names_by_day(days.ledger, days.backend.engine, old["stable_id"])
    assert found == dict.fromkeys(DAYS[:2], old["name"])


def test_a_day_that_is_stale_for_another_reason_is_left_to_its_own_run(made: Callable[[str], Any]) -> None:
    days = made("stale")
    for day in DAYS[:2]:
        publish(days, day)
    days.spec = days.spec.model_copy(
        update={"profiles": days.spec.profiles.model_copy(update={"exemplars": 2})}
    )
    job = DayJob(days.spec, days.backend, days.ledger, parse_day(DAYS[0]))
    assert ProfilesStage().day_after(job) is None
    assert ProfilesStage().day_after(replace(job, day=parse_day(DAYS[3]))) is None
