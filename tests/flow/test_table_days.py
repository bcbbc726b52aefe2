"""A table that grows by a day: the days before stay current, on the engine of a laptop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.operations.backfills import BackfillOptions, days_to_run
from cluster_assets.operations.runs import materialize_range
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAYS = tuple(days_between(parse_day("2026-03-01"), parse_day("2026-03-03")))


def insert(database: Path, day: str, more: int = 0) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS events (id VARCHAR, x DOUBLE, day DATE)")
        rows = f"SELECT 'e' || i, i % 5, DATE '{day}' FROM range({20 + more}) AS t(i)"
        connection.execute(f"INSERT INTO events {rows}")


def test_an_appended_day_leaves_the_others_current(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "events.db"
    monkeypatch.setenv("CLUSTER_DUCKDB_DATABASE", str(database))
    spec = PipelineSpec.model_validate(
        {
            "name": "grown",
            "start_date": DAYS[0].key,
            "raw": {"table": "events", "partition_column": "day"},
            "entity": "id",
            "features": {"vector": ["max(x)"]},
            "distance": {"metric": "euclidean", "threshold": 1},
            "algorithm": {"type": "dbscan", "min_samples": 2},
            "checks": {"min_days": 1},
        }
    )
    for day in DAYS[:2]:
        insert(database, day.key)
    settings = load_settings()
    assert not materialize_range(spec, DAYS[:2], settings)
    insert(database, DAYS[2].key)
    assert days_to_run(spec, DAYS, settings, BackfillOptions()) == DAYS[2:]
    assert not materialize_range(spec, DAYS[2:], settings)
    assert days_to_run(spec, DAYS, settings, BackfillOptions()) == ()
    insert(database, DAYS[0].key, more=1)
    assert DAYS[0] in days_to_run(spec, DAYS, settings, BackfillOptions())
    assert DAYS[2] not in days_to_run(spec, DAYS[2:], settings, BackfillOptions())
