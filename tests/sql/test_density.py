"""The estimated density of a day from a sample, against the count over all of its points."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cluster_assets.domain.tables import Column
from cluster_assets.stages.candidates.metrics import Comparison
from cluster_assets.stages.candidates.metrics.density import (
    SAMPLED_POINTS,
    cells_of_join,
    cells_of_pairs,
    estimate_comparisons,
    estimate_pairs,
    sample_density,
)
from cluster_assets.stages.candidates.metrics.haversine import EARTH_RADIUS_M

if TYPE_CHECKING:
    from conftest import Lake

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.spec.metrics import Metric

POINTS = 200_000
EVERY = POINTS // SAMPLED_POINTS


def guess(lake: Lake, comparison: Comparison, points: FileRelation, every: int = EVERY) -> int:
    (row,) = lake.engine.fetch(sample_density(cells_of_join(comparison), every), {"points": points}).rows
    return estimate_comparisons(comparison, float(str(row["shared"])), every)


def count_all(cells: np.ndarray) -> int:
    """Pairs of points in the same cell or in cells that touch."""
    found, counts = np.unique(cells, axis=0, return_counts=True)
    held = {tuple(cell): int(count) for cell, count in zip(found.tolist(), counts, strict=True)}
    met = 0
    for cell, count in held.items():
        for step in product((-1, 0, 1), repeat=cells.shape[1]):
            other = tuple(np.add(cell, step).tolist())
            met += held.get(other, 0) * (count - (other == cell))
    return met // 2


def vectors(axes: int, side: float = 1.0) -> Comparison:
    return Comparison("vector", "euclidean", side, tuple(Column(f"x{k}", "double") for k in range(axes)))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("in_a_cell", [4, 40])
def test_a_guess_is_within_a_fifth(lake: Lake, axes: int, in_a_cell: int) -> None:
    wide = (POINTS / in_a_cell) ** (1 / axes)
    drawn = ", ".join(
        f"(hash(i * {axes} + {k}) % 1000003) / 1000003.0 * {wide}::DOUBLE AS x{k}" for k in range(axes)
    )
    points = lake.copy(
        f"SELECT i::BIGINT AS point_id, 1::BIGINT AS weight, {drawn} FROM range({POINTS}) AS t(i)"
    )
    values = np.array([row[2:] for row in lake.rows(points)])
    truth = count_all(np.floor(values).astype(int))
    assert guess(lake, vectors(axes), points) == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize("axes", [4, 8])
@pytest.mark.parametrize("drawn", [1, 3, 8])
def test_near_pairs_are_guessed_within_a_small_factor(
    lake: Lake, metric: Metric, axes: int, drawn: int
) -> None:
    """Whether the points fill the space, or lie on a line or in a few dimensions of it."""
    count, every = 20_000, 4
    numbers = [
        f"(hash(i * {axes} + {k}) % 1000003) / 1000003.0 AS x{k}" if k < drawn else f"0::DOUBLE AS x{k}"
        for k in range(axes)
    ]
    points = lake.copy(
        f"SELECT i AS point_id, 1::BIGINT AS weight, {', '.join(numbers)} FROM range({count}) t(i)"
    )
    values = np.array([row[2:] for row in lake.rows(points)], np.float64)
    order = {"euclidean": 2, "manhattan": 1, "chebyshev": math.inf}[metric]
    apart = np.stack([np.linalg.norm(values - one, ord=order, axis=1) for one in values[:300]])
    threshold = float(np.quantile(apart, 100 / count))
    truth = int((apart <= threshold).sum() - 300) * count / 300 / 2
    names = [f"x{k}" for k in range(axes)]
    cells = cells_of_pairs(Comparison("vector", metric, threshold, tuple(Column(n, "double") for n in names)))
    (row,) = lake.engine.fetch(sample_density(cells, every), {"points": points}).rows
    least = 10 if metric == "manhattan" else 3  # its ball is small beside that of few dimensions
    assert truth / least < estimate_pairs(float(str(row["shared"])), every) < 3 * truth


def test_places_meet_about_as_on_a_plane(lake: Lake) -> None:
    threshold, wide = 500.0, 1.0
    points = lake.copy(
        "SELECT i::BIGINT AS point_id, 1::BIGINT AS weight, "
        f"50 + (hash(2 * i) % 1000003) / 1000003.0 * {wide} AS latitude, "
        f"8 + (hash(2 * i + 1) % 1000003) / 1000003.0 * {wide} AS longitude FROM range({POINTS}) AS t(i)"
    )
    columns = (Column("latitude", "double"), Column("longitude", "double"))
    found = guess(lake, Comparison("geo", "haversine", threshold, columns), points)
    metres = math.radians(1) * EARTH_RADIUS_M
    area = (metres * wide) * (metres * wide * math.cos(math.radians(50.5)))
    flat = 4.5 * POINTS * POINTS * threshold**2 / area
    assert flat / 2 < found < 2 * flat


def test_far_points_meet_nobody(lake: Lake) -> None:
    points = lake.copy(
        "SELECT i AS point_id, 1::BIGINT AS weight, i * 10.0::DOUBLE AS x0 FROM range(1000) t(i)"
    )
    assert guess(lake, vectors(1), points, 5) == 0
    nobody = lake.copy("SELECT i AS point_id, 1::BIGINT AS weight, 0.5::DOUBLE AS x0 FROM range(0) t(i)")
    assert guess(lake, vectors(1), nobody, 1) == 0
