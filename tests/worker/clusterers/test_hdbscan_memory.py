"""An invocation takes the memory that was predicted: each in a process of its own, and none loads scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from peak_process import answer_and_imports

from lambda_worker.contract import ForestEvent
from lambda_worker.contract.hdbscan import (
    CoreDistancesEvent,
    HdbscanEvent,
    HdbscanPointsEvent,
    NeighboursEvent,
    core_distances_memory_mb,
    hdbscan_memory_mb,
    hdbscan_points_memory_mb,
    mutual_forest_memory_mb,
    neighbours_memory_mb,
)
from tests.worker.conftest import write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambda_worker.contract import Event

POINTS = 600_000
PAIRS = 2_400_000
SHARDS = 2


@pytest.fixture(scope="module")
def day(new_day: Callable[[], Any]) -> Any:
    """Points with 8 neighbours each, whose neighbours and forests stand ready too."""
    day = new_day()
    rng = np.random.default_rng(4)
    a = np.sort(rng.integers(0, POINTS - 20, PAIRS))
    pairs = np.stack([a, a + rng.integers(1, 20, PAIRS)], axis=1)
    ids = np.arange(POINTS)
    day.add_points(ids, np.where(ids % 10 == 0, 3, 1))
    for part in np.array_split(np.arange(PAIRS), SHARDS):
        day.add_pairs(pairs[part], rng.random(len(part)))
    return day


def answer(event: Event) -> dict[str, Any]:
    reply, heavy = answer_and_imports(event.to_json())
    assert heavy == []
    return reply


@pytest.mark.long
def test_each_step_takes_what_is_predicted(day: Any) -> None:
    common: dict[str, Any] = {"points": tuple(day.points), "point_count": POINTS, "min_samples": 5}
    neighbours, forests, rows, pairs = [], [], 0, 0
    for k, shard in enumerate(day.candidates):
        neighbours.append(str(day.folder / f"neighbours-{k}.parquet"))
        event: Event = NeighboursEvent(candidates=(shard,), output=neighbours[-1], **common)
        reply = answer(event)
        predicted = neighbours_memory_mb(POINTS, PAIRS // SHARDS, reply["rows"])
        assert reply["peak_memory_mb"] == pytest.approx(predicted, rel=0.25)
        rows += reply["rows"]

    cores = (str(day.folder / "cores.parquet"),)
    reply = answer(CoreDistancesEvent(neighbours=tuple(neighbours), output=cores[0], **common))
    assert reply["peak_memory_mb"] == pytest.approx(core_distances_memory_mb(POINTS, rows), rel=0.25)

    for k, shard in enumerate(day.candidates):
        forests.append(str(day.folder / f"forest-{k}.parquet"))
        event = ForestEvent(
            kind="minimum",
            candidates=(shard,),
            point_count=POINTS,
            output=forests[-1],
            core_distances=cores,
        )
        reply = answer(event)
        predicted = mutual_forest_memory_mb(POINTS, PAIRS // SHARDS)
        assert reply["peak_memory_mb"] == pytest.approx(predicted, rel=0.25)
        pairs += reply["rows"]

    event = HdbscanEvent(
        points=tuple(day.points),
        forests=tuple(forests),
        core_distances=cores,
        point_count=POINTS,
        algorithm={"type": "hdbscan", "min_cluster_size": 5},
        threshold=1.0,
        output=str(day.output),
    )
    assert answer(event)["peak_memory_mb"] == pytest.approx(hdbscan_memory_mb(POINTS, pairs), rel=0.25)


@pytest.mark.long
@pytest.mark.parametrize(
    ("metric", "columns", "points"),
    [("euclidean", 2, 600_000), ("manhattan", 8, 150_000), ("haversine", 2, 400_000)],
)
def test_a_day_in_one_invocation_takes_what_is_predicted(
    tmp_path: Path, metric: str, columns: int, points: int
) -> None:
    rng = np.random.default_rng(2)
    centres = rng.uniform(-60, 60, (columns, 200))
    values = centres[:, rng.integers(0, 200, points)] + rng.normal(0, 0.5, (columns, points))
    names = tuple(f"x_{k}" for k in range(columns))
    table = dict(zip(names, values, strict=True))
    ids = np.arange(points)
    path = write_table(tmp_path / "points.parquet", point_id=ids, weight=np.ones(points, np.int64), **table)
    event = HdbscanPointsEvent(
        points=(path,),
        point_count=points,
        columns=names,
        metric=metric,
        algorithm={"type": "hdbscan", "min_cluster_size": 10},
        output=str(tmp_path / "labels.parquet"),
    )
    predicted = hdbscan_points_memory_mb(points, metric, columns, 10)
    assert answer(event)["peak_memory_mb"] == pytest.approx(predicted, rel=0.15)
