"""Commands that look at many days list them once and read each manifest once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.tables import CANDIDATES, CLUSTERS, MEMBERS, points_contract
from cluster_assets.opening import open_storage
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.ledger.listed import ListedLedger
from cluster_assets.stages.lineage.chain import MISSING, stale_days
from cluster_assets.stages.outdated import present_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.days import Day

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-20")))
COUNTS = {"rows": 7, "bytes_scanned": 100, "seconds": 0.5, "excluded": 0, "entities": 0, "clusters": 0}
STAGES = {
    "points": {"points": points_contract(()), "members": MEMBERS},
    "candidates": {"candidates": CANDIDATES},
    "clusters": {"clusters": CLUSTERS},
}


class Counted:
    """Counts the calls of a store or a catalog."""

    def __init__(self, part: Any, calls: Counter[str]) -> None:
        self._part = part
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)

        def call(*arguments: Any) -> Any:
            self._calls[name] += 1
            return found(*arguments)

        return call


def publish(ledger: Ledger, day: Day) -> None:
    inputs = {"source": day.key}
    for stage, tables in STAGES.items():
        draft = Draft(
            stage,
            day,
            ledger.start_attempt(stage, day),
            day.key,
            dict(inputs),
            {name: (contract, ()) for name, contract in tables.items()},
            {**COUNTS, "noise": 0, "noise_ratio": 0.0},
        )
        inputs[stage] = ledger.commit(draft).content_digest


@pytest.fixture
def ledger(home: Path) -> Ledger:
    ledger = Ledger(*open_storage(load_settings()), "attackers")
    for day in DAYS:
        publish(ledger, day)
    return ledger


def test_each_manifest_is_read_once_and_each_stage_listed_once(ledger: Ledger) -> None:
    calls: Counter[str] = Counter()
    store, catalog = open_storage(load_settings())
    listed = ListedLedger(Counted(store, calls), Counted(catalog, calls), "attackers")  # type: ignore[arg-type]
    spec = load_pipeline_named("attackers", (PACKAGED_DEFS,))
    present = present_inputs(spec, listed)
    found = [summarize_day(listed, day, present) for day in listed.days("clusters")]
    stale = stale_days(listed, spec)
    assert calls["days"] == calls["current"] == 0
    assert calls["pointers"] <= 7, "one listing for each stage"
    assert calls["read"] == len(DAYS) * len(STAGES)
    assert calls["list"] == len(DAYS), "only to look for versions of `raw`, which these days do not have"

    assert found == [summarize_day(ledger, day, present) for day in ledger.days("clusters")]
    assert stale == stale_days(ledger, spec)
    assert [day.day for day in stale] == list(DAYS)
    assert {day.reason for day in stale} == {MISSING}
    assert [day.day for day in stale_days(ledger, spec, DAYS[3:5])] == list(DAYS[3:5])


def test_missing_files_are_found_from_one_listing(ledger: Ledger) -> None:
    calls: Counter[str] = Counter()
    store, catalog = open_storage(load_settings())
    listed = ListedLedger(
        Counted(store, calls),  # type: ignore[arg-type]
        Counted(catalog, calls),  # type: ignore[arg-type]
        "attackers",
        check_files=True,
    )
    for day in DAYS:
        for stage in STAGES:
            assert listed.require(stage, day) == ledger.require(stage, day)
    assert calls["list"] == 1
