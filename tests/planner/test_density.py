"""How dense a day is, guessed by a sample, against the count over all of its points."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cluster_assets.metrics.density import SAMPLED_POINTS, estimated_comparisons

POINTS, SIDE = 200_000, 1.0


def count_all(values: np.ndarray) -> int:
    """Pairs of points in the same cell or in cells that touch."""
    cells, counts = np.unique(np.floor(values / SIDE).astype(int), axis=0, return_counts=True)
    held = {tuple(cell): int(count) for cell, count in zip(cells.tolist(), counts, strict=True)}
    met = 0
    for cell, count in held.items():
        for step in product((-1, 0, 1), repeat=values.shape[1]):
            other = tuple(np.add(cell, step).tolist())
            met += held.get(other, 0) * (count - (other == cell))
    return met // 2


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("in_a_cell", [4, 40])
def test_a_guess_is_within_a_fifth(axes: int, in_a_cell: int) -> None:
    chance = np.random.default_rng(axes * in_a_cell)
    values = chance.uniform(0, (POINTS / in_a_cell) ** (1 / axes), (POINTS, axes))
    every = POINTS // SAMPLED_POINTS
    assert estimated_comparisons(values[::every], SIDE, every) == pytest.approx(count_all(values), rel=0.2)


def test_far_points_meet_nobody() -> None:
    values = np.arange(1_000, dtype=np.float64).reshape(-1, 1) * 10
    assert estimated_comparisons(values, SIDE, 5) == 0
