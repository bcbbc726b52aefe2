"""A round of k-means takes the memory that was predicted, in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from kmeans_days import write_table
from peak_process import peak_mb

from lambda_worker.contract.centroids import RoundEvent
from lambda_worker.contract.memory import round_memory_mb

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("rows", "dimensions", "clusters"), [(400_000, 4, 10), (40_000, 40, 2000)])
def test_a_round_takes_the_memory_that_is_predicted(
    tmp_path: Path, rows: int, dimensions: int, clusters: int
) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, dimensions))
    columns = {f"x{k}": values[:, k] for k in range(dimensions)}
    file = write_table(tmp_path / "points", point_id=np.arange(rows), weight=np.ones(rows), **columns)
    centres = {name: column[:clusters] for name, column in columns.items()}
    write_table(tmp_path / "centres", centre=np.arange(clusters), **centres)
    event = RoundEvent(
        points=(file,),
        columns=tuple(columns),
        centres=str(tmp_path / "centres"),
        output=str(tmp_path / "sums"),
        farthest=str(tmp_path / "far"),
    )
    predicted = round_memory_mb(clusters, dimensions, rows)
    assert peak_mb(event.to_json()) == pytest.approx(predicted, rel=0.25)
