"""Labels of other algorithms: without noise, with a probability, on vectors scaled day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from lineage_lives import check_lives, read

from cluster_assets.domain.days import parse_day
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.publish import publish_day
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.lineage.stage import LineageStage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.backends.ports import Backend

DAYS = ("2026-01-01", "2026-01-02")
ALGORITHMS: dict[str, dict[str, Any]] = {
    "kmeans": {"type": "kmeans", "n_clusters": 3},
    "hdbscan": {"type": "hdbscan", "min_cluster_size": 5},
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_three_groups_stay_what_they_are(backend: Backend, tmp_path: Path, name: str) -> None:
    chance = np.random.default_rng(4)
    rows = [
        {"id": f"e{entity:02d}", "x": group * 50 + chance.normal(), "at": f"{day} 12:00:00"}
        for day in DAYS
        for entity in range(45)
        for group in [entity % 3 if entity != 44 or day == DAYS[0] else 0]  # one changes sides
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "events.csv", index=False)
    spec = PipelineSpec.model_validate(
        {
            "name": f"labels_{name}",
            "start_date": DAYS[0],
            "raw": {
                "files": str(tmp_path / "events.csv"),
                "time_column": "at",
                "columns": {"id": "varchar", "x": "double", "at": "timestamp"},
            },
            "entity": "id",
            "features": {"vector": ["max(x)"], "scale": "standard"},
            "distance": {"metric": "euclidean", "threshold": 0.5} if name == "hdbscan" else None,
            "algorithm": ALGORITHMS[name],
        }
    )
    ledger = Ledger(backend.store, backend.catalog, spec.name)
    for day in DAYS:
        job = DayJob(spec, backend, ledger, parse_day(day))
        for stage in STAGES[:4]:
            run_day(stage, job)
        metrics = publish_day(LineageStage(), job).manifest.metrics
    assert check_lives(ledger) == 3
    assert (metrics["continued"], metrics["continued_share"]) == (3, 1.0)
    today = [row for row in read(ledger, "lineage", "lineage") if row["day"] == DAYS[1]]
    assert {row["evidence"] for row in today} == {"entities"}
    assert sorted(row["shared"] for row in today) == [14, 15, 15]
