"""Points in the plane with neighbours together: t-SNE (van der Maaten, Hinton, JMLR 2008) by scikit-learn."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.contract.sketches import STEPS

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats

_FEWEST = 8  # points below this are laid out by their principal coordinates
_NEIGHBOURS = 30.0
_ANGLE = 0.8  # how roughly far points are added up: a third faster than 0.5, and neighbours stay the same


def lay_out(matrix: Floats) -> Floats:
    """Return places in the plane, shape (points, 2); equal distances give equal places on one machine.

    Args:
        matrix: Shape (points, points), distances.
    """
    start = principal_coordinates(matrix)
    spread = float(start.std(axis=0).max()) if len(start) else 0.0
    if len(matrix) < _FEWEST or spread == 0.0:
        return start
    # Imported here, because it takes a second.
    manifold = importlib.import_module("sklearn.manifold")
    model = manifold.TSNE(
        metric="precomputed",
        init=start / spread * 1e-4,
        perplexity=min(_NEIGHBOURS, (len(matrix) - 1) / 3),
        angle=_ANGLE,
        max_iter=STEPS,
        random_state=0,
    )
    with threadpool_limits(limits=1):  # sums of several threads differ from run to run
        places: Floats = model.fit_transform(matrix).astype(np.float64)
    return places


def principal_coordinates(matrix: Floats) -> Floats:
    """Return classical scaling (Torgerson, Psychometrika 1952) to two dimensions, shape (points, 2)."""
    points = len(matrix)
    largest = float(matrix.max()) if points else 0.0
    if points < 2 or largest == 0.0:
        return np.zeros((points, 2))
    squared = (matrix / largest) ** 2  # squares of large distances stay finite
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    vectors = vectors[:, ::-1][:, :2]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(2)])
    places: Floats = vectors * signs * np.sqrt(np.maximum(values[::-1][:2], 0.0)) * largest
    return places
