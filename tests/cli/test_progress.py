"""The bar of `run` and `backfill`: full only when the last publication of the last day has ended."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import duckdb
import pytest
from rich.console import Console
from rich.progress import Progress

from cluster_assets.cli.progress import DayProgress
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.operations.backfills import BackfillOptions, backfill_days
from cluster_assets.operations.progress import StageEvent, listening, parts_of
from cluster_assets.operations.runs import try_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cluster_assets.domain.days import Day

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-02")))


class Bar(DayProgress):
    """The bar, with what it showed after each event."""

    def __init__(self, spec: PipelineSpec) -> None:
        self.progress = Progress(console=Console(file=StringIO()))
        super().__init__(self.progress.console, self.progress, parts_of(spec))
        self.shown: list[tuple[str, float]] = []

    def show(self, event: StageEvent) -> None:
        super().show(event)
        (task,) = self.progress.tasks
        assert task.total == len(DAYS) * (len(STAGE_NAMES) + 2)
        self.shown.append((str(task.description), task.completed))


@pytest.fixture
def spec(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineSpec:
    """Two days with two targets each; the second day has no file."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    folder = tmp_path / f"day={DAYS[0]}"
    folder.mkdir()
    duckdb.execute(f"COPY (SELECT 1 AS id, 2.0 AS x) TO '{folder}/rows.parquet' (FORMAT parquet)")
    return PipelineSpec.model_validate(
        {
            "name": "demo",
            "start_date": DAYS[0].key,
            "raw": {"files": f"{tmp_path}/day=*/*.parquet", "partition_column": "day"},
            "entity": "id",
            "features": {"vector": ["max(x)"]},
            "distance": {"metric": "euclidean", "threshold": 1},
            "algorithm": {"type": "dbscan", "min_samples": 2},
            "publish": ["json", "dynamodb"],
        }
    )


def shown_by_run(spec: PipelineSpec, days: Sequence[Day]) -> list[tuple[str, float]]:
    bar = Bar(spec)
    with listening(bar.show):
        bar.expect(days)
        try_days(spec, days, load_settings(), force=False)
    return bar.shown


def test_run_and_backfill_show_the_same_bar(spec: PipelineSpec) -> None:
    by_run = shown_by_run(spec, DAYS)
    parts = [*STAGE_NAMES[:4], "", *STAGE_NAMES[4:], "published_json", "published_dynamodb"]
    places = [f"demo/{part} {DAYS[0]}" if part else f"demo/raw {DAYS[1]}" for part in parts]
    every = len(STAGE_NAMES) + 2
    # The day without a file ends with its first stage.
    counts = [1, 2, 3, 4, *range(4 + every, 2 * every + 1)]
    assert by_run == list(zip(places, counts, strict=True))

    bar = Bar(spec)
    backfill_days(spec, DAYS, load_settings(), BackfillOptions(only="all"), listener=bar)
    assert bar.shown == by_run
