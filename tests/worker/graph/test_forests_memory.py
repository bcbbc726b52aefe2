"""An invocation takes the memory that was predicted: each in a process of its own, on 800,000 points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from peak_process import peak_mb

from lambda_worker.contract import DendrogramEvent, ForestEvent
from lambda_worker.contract.clusters import cluster_memory_mb
from lambda_worker.contract.forests import dendrogram_memory_mb, forest_memory_mb

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = 800_000
PAIRS = 2_000_000


@pytest.fixture(scope="module")
def day(new_day: Callable[[], Any]) -> Any:
    day = new_day()
    rng = np.random.default_rng(4)
    a = rng.integers(0, POINTS - 50, PAIRS)
    pairs = np.stack([a, a + rng.integers(1, 50, PAIRS)], axis=1)
    for part in np.array_split(np.arange(PAIRS), 4):
        day.add_pairs(pairs[part], rng.random(len(part)))
    ids = np.arange(POINTS)
    day.add_points(ids, np.ones(POINTS))
    core = ids % 10 > 0
    day.add_cores(ids[core])
    day.attachments = int((core[pairs[:, 0]] != core[pairs[:, 1]]).sum())
    return day


def test_a_spanning_forest_takes_what_is_predicted(day: Any) -> None:
    event = ForestEvent(
        kind="spanning", candidates=tuple(day.candidates), point_count=POINTS, output=str(day.output)
    )
    assert peak_mb(event.to_json()) == pytest.approx(forest_memory_mb("spanning", POINTS, PAIRS), rel=0.25)


def test_border_attachments_take_what_is_predicted(day: Any) -> None:
    event = ForestEvent(
        kind="spanning",
        candidates=tuple(day.candidates),
        point_count=POINTS,
        output=str(day.output),
        cores=tuple(day.cores),
    )
    predicted = forest_memory_mb("spanning", POINTS, PAIRS, day.attachments)
    assert peak_mb(event.to_json()) == pytest.approx(predicted, rel=0.25)


def test_a_minimum_forest_and_its_dendrogram_take_what_is_predicted(day: Any) -> None:
    forest = str(day.folder / "minimum.parquet")
    event = ForestEvent(kind="minimum", candidates=tuple(day.candidates), point_count=POINTS, output=forest)
    assert peak_mb(event.to_json()) == pytest.approx(forest_memory_mb("minimum", POINTS, PAIRS), rel=0.25)
    drawn = DendrogramEvent(
        forests=(forest,), point_count=POINTS, output=str(day.folder / "dendrogram.parquet")
    )
    assert peak_mb(drawn.to_json()) == pytest.approx(dendrogram_memory_mb(POINTS, POINTS), rel=0.25)


@pytest.mark.parametrize(
    "algorithm",
    [{"type": "dbscan", "min_samples": 5}, {"type": "connected_components"}, {"type": "single_linkage"}],
    ids=lambda algorithm: algorithm["type"],
)
def test_labels_take_what_is_predicted(day: Any, algorithm: dict[str, Any]) -> None:
    parameters = {"threshold": 0.5} if algorithm["type"] == "single_linkage" else {}
    predicted = cluster_memory_mb(algorithm["type"], POINTS, PAIRS)
    assert peak_mb(day.event(**algorithm, **parameters)) == pytest.approx(predicted, rel=0.25)


def test_memory_does_not_follow_the_pairs(day: Any) -> None:
    few = ForestEvent(
        kind="spanning", candidates=tuple(day.candidates[:1]), point_count=POINTS, output=str(day.output)
    )
    many = ForestEvent(
        kind="spanning", candidates=tuple(day.candidates * 3), point_count=POINTS, output=str(day.output)
    )
    assert peak_mb(many.to_json()) < 1.1 * peak_mb(few.to_json())
