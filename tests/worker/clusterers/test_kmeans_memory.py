"""A round of k-means takes the memory that was predicted, in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from kmeans_days import write_centres, write_table
from peak_process import peak_mb

from lambda_worker.contract.kmeans import RoundEvent, round_memory_mb

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("rows", "dimensions", "clusters"), [(400_000, 4, 10), (60_000, 40, 3000)])
def test_a_round_takes_the_memory_that_is_predicted(
    tmp_path: Path, rows: int, dimensions: int, clusters: int
) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, dimensions))
    columns = {f"x{k}": values[:, k] for k in range(dimensions)}
    file = write_table(tmp_path / "points", point_id=np.arange(rows), weight=np.ones(rows), **columns)
    write_centres(tmp_path / "centres", values[:clusters], values)
    event = RoundEvent(
        points=(file,),
        columns=tuple(columns),
        centres=str(tmp_path / "centres"),
        output=str(tmp_path / "sums"),
    )
    predicted = round_memory_mb(clusters, dimensions, rows)
    assert peak_mb(event.to_json()) == pytest.approx(predicted, rel=0.25)
