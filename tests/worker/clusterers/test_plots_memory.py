"""OPTICS and mean shift take the memory that was predicted: each event in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from peak_process import answer, peak_mb

from lambda_worker.contract.components import (
    ClimbEvent,
    ExtractEvent,
    OrderEvent,
    PeaksEvent,
    climb_memory_mb,
    extract_memory_mb,
    order_memory_mb,
    peaks_memory_mb,
)
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from pathlib import Path

POINTS = 80_000
NEAR = 8


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Points along a line, each near the next eight; every third has three entities."""
    folder = tmp_path_factory.mktemp("day")
    rng = np.random.default_rng(4)
    ids = np.arange(POINTS)
    place = ids + rng.random(POINTS) / 2
    numbers = {"point_id": ids, "weight": np.where(ids % 3 == 0, 3, 1), "component": ids * 0}
    write_table(str(folder / "points"), {**numbers, "x": place, "y": rng.random(POINTS)})
    a = np.repeat(ids[:-NEAR], NEAR)
    b = a + np.tile(np.arange(1, NEAR + 1), len(ids) - NEAR)
    write_table(str(folder / "pairs"), {"point_a": a, "point_b": b, "distance": place[b] - place[a]})
    return folder


def test_a_plot_and_its_clusters_take_what_is_predicted(day: Path) -> None:
    event = OrderEvent(
        points=(str(day / "points"),),
        candidates=(str(day / "pairs"),),
        point_count=POINTS,
        min_samples=5,
        output=str(day / "plot"),
    )
    reply = answer(event.to_json())
    predicted = order_memory_mb(POINTS, (POINTS - NEAR) * NEAR)
    assert reply["peak_memory_mb"] == pytest.approx(predicted, rel=0.25)
    extract = ExtractEvent(
        plots=(event.output,), point_count=POINTS, threshold=9.0, min_samples=5, output=str(day / "labels")
    )
    predicted = extract_memory_mb(POINTS, POINTS // 3, 2)
    assert peak_mb(extract.to_json()) == pytest.approx(predicted, rel=0.25)


@pytest.mark.long
def test_climbs_and_peaks_take_what_is_predicted(day: Path) -> None:
    event = ClimbEvent(
        points=(str(day / "points"),),
        point_count=POINTS,
        columns=("x", "y"),
        threshold=6.0,
        output=str(day / "peaks"),
    )
    reply = answer(event.to_json())
    assert reply["peak_memory_mb"] == pytest.approx(climb_memory_mb(POINTS, 2), rel=0.25)
    last = PeaksEvent(
        points=event.points,
        peaks=(event.output,),
        point_count=POINTS,
        columns=event.columns,
        threshold=6.0,
        cluster_all=True,
        output=str(day / "labels"),
    )
    predicted = peaks_memory_mb(POINTS, reply["rows"], 2)
    assert peak_mb(last.to_json()) == pytest.approx(predicted, rel=0.25)
