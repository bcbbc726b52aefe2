"""How dense a day is, guessed by a sample, against the count over all of its points."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cluster_assets.domain.tables import Column
from cluster_assets.metrics import Comparison
from cluster_assets.metrics.density import SAMPLED_POINTS, estimate_comparisons, sample_density
from cluster_assets.metrics.haversine import EARTH_RADIUS_M

if TYPE_CHECKING:
    from conftest import Lake

    from cluster_assets.ports import FileRelation

POINTS = 200_000
EVERY = POINTS // SAMPLED_POINTS


def guess(lake: Lake, comparison: Comparison, points: FileRelation, every: int = EVERY) -> int:
    (row,) = lake.engine.fetch(sample_density(comparison, every), {"points": points}).rows
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
