"""All 190 days of the real data: every stable id's life, replayed from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lineage_lives import check_lives, read

from cluster_assets.domain.days import days_between
from cluster_assets.opening import open_backend
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.publish import publish_day
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.lineage.chain import stale_days
from cluster_assets.stages.lineage.stage import LineageStage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long


def test_every_life(real_data: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_REAL_DATA", str(real_data))
    monkeypatch.setenv("CLUSTER_SQL_THREADS", "1")
    spec = load_pipeline_named("attackers", (PACKAGED_DEFS,))
    assert spec.last_day is not None
    with open_backend(load_settings()) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for day in days_between(spec.first_day, spec.last_day):
            job = DayJob(spec, backend, ledger, day)
            for stage in STAGES[:4]:
                run_day(stage, job)
            publish_day(LineageStage(), job)
    assert len(ledger.days("lineage")) == 190
    assert stale_days(ledger, spec) == ()
    lives = check_lives(ledger)
    rows = read(ledger, "lineage", "lineage")
    # Most attackers come once; what they look for stays, and so do the clusters.
    assert lives < len(rows) / 5
