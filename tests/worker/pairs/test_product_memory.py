"""Blocks of embeddings take the memory that was predicted: each event in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import arro3.io
import duckdb
import numpy as np
import pytest
from arro3.core import Array, RecordBatch, list_array
from peak_process import answer

from lambda_worker.contract import MeasureEvent
from lambda_worker.contract.candidates import product_memory_mb
from lambda_worker.kernel import loaded

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(loaded() is None, reason="the model is of the kernel; without a compiler there is none")
@pytest.mark.parametrize(
    ("points", "dimensions", "blocks", "threshold"),
    [(2_730, 1_536, 3, 0.1), (5_000, 384, 1, 0.1), (2_200, 64, 2, 2.0)],
    ids=["two wide blocks at a time", "one block", "all 9.7 million pairs"],
)
def test_a_block_takes_what_is_predicted(
    tmp_path: Path, points: int, dimensions: int, blocks: int, threshold: float
) -> None:
    chance = np.random.default_rng(dimensions)
    files = []
    for number in range(blocks):
        flat = Array.from_numpy(chance.standard_normal(points * dimensions))
        ends = np.arange(0, points * dimensions + 1, dimensions, dtype=np.int32)
        ids = Array.from_numpy(np.arange(points) + number * points)
        batch = RecordBatch.from_arrays(
            [ids, list_array(Array.from_numpy(ends), flat)], names=["point_id", "embedding"]
        )
        arro3.io.write_parquet(batch, tmp_path / "plain.parquet")
        files.append((str(tmp_path / f"{number}.parquet"),))
        duckdb.sql(  # as the engine writes blocks; other encodings are decoded in less memory
            f"COPY (FROM '{tmp_path}/plain.parquet') TO '{files[-1][0]}' (FORMAT parquet, COMPRESSION zstd)"
        )
    event = MeasureEvent(
        home=files[0],
        others=tuple(files[1:]),
        within=True,
        halo_column=None,
        columns=("embedding",),
        point_count=points * blocks,
        metric="cosine",
        threshold=threshold,
        output=str(tmp_path / "pairs"),
        max_pairs=10**9,
    )
    reply = answer(event.to_json(), kernel="on")
    predicted = product_memory_mb(points, dimensions, reply["pairs"], has_others=blocks > 1)
    assert reply["peak_memory_mb"] == pytest.approx(predicted, rel=0.15)
