"""Points in the plane with neighbours together: exact t-SNE (van der Maaten, Hinton, JMLR 2008).

A sample is small, so every pair of points is used in every step. Approximate implementations are made for
many points: for a few hundred they take longer than this one, and scikit-learn's takes a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.contract.sketches import STEPS
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats

_FEWEST = 8  # points below this are laid out by their principal coordinates
_NEIGHBOURS = 30.0
# The first steps attract neighbours so many times as strongly, which brings groups together.
_GATHERING, _EXAGGERATION = 100, 12.0
_SLOWEST = 50.0  # steps of few points
_SLOW, _FAST = 0.5, 0.8  # momentum while gathering and after it
_START = 1e-4  # deviation of the first places
_BISECTIONS, _CLOSE = 60, 1e-4


def lay_out(matrix: Floats) -> Floats:
    """Return places in the plane, shape (points, 2); equal distances give equal places on one machine.

    Args:
        matrix: Shape (points, points), distances.
    """
    start = principal_coordinates(matrix)
    spread = float(start.std(axis=0).max()) if len(start) else 0.0
    if len(matrix) < _FEWEST or spread == 0.0:
        return start
    near = neighbourhoods(matrix, min(_NEIGHBOURS, (len(matrix) - 1) / 3))
    descent = _Descent(near, start / spread * _START)
    for step in range(STEPS):
        check_deadline()
        if step in (0, _GATHERING):
            descent.begin(*((_EXAGGERATION, _SLOW) if step == 0 else (1.0, _FAST)))
        descent.step()
    return np.ascontiguousarray(descent.places.T, np.float64)


def neighbourhoods(matrix: Floats, neighbours: float) -> Floats:
    """Return how near points are, shape (points, points), symmetric, with the sum 1.

    The nearness of others to a point is a Gaussian of their distances, whose perplexity is the number of
    neighbours; its width is found by bisection.
    """
    squared = (matrix / matrix.max()) ** 2
    np.fill_diagonal(squared, np.inf)
    # Subtracting the nearest distance changes no share, and keeps the sums from vanishing.
    squared -= squared.min(axis=1, keepdims=True)
    np.fill_diagonal(squared, 0.0)
    low, high = np.zeros((len(matrix), 1)), np.full((len(matrix), 1), np.inf)
    sharpness = np.ones((len(matrix), 1))
    for _ in range(_BISECTIONS):
        near = np.exp(-squared * sharpness)
        np.fill_diagonal(near, 0.0)
        total = near.sum(axis=1, keepdims=True)
        mean = np.einsum("ij,ij->i", squared, near)[:, np.newaxis] / total
        excess = np.log(total) + sharpness * mean - np.log(neighbours)
        if float(np.abs(excess).max()) < _CLOSE:
            break
        low, high = np.where(excess > 0, sharpness, low), np.where(excess > 0, high, sharpness)
        sharpness = np.where(np.isinf(high), sharpness * 2, (low + high) / 2)
    near /= total
    near += near.T.copy()
    shares: Floats = near / near.sum()
    return shares


class _Descent:
    """Gradient descent with momentum and a gain for each coordinate, in single precision.

    Args:
        near: Shape (points, points), see `neighbourhoods`.
        places: Shape (points, 2), where to start.
    """

    def __init__(self, near: Floats, places: Floats) -> None:
        self.places = np.ascontiguousarray(places.T, np.float32)
        self._near = near
        # The attraction differs by a factor 4 from the gradient.
        self._rate = np.float32(4 * max(len(near) / _EXAGGERATION / 4, _SLOWEST))
        shape = near.shape
        self._right, self._up = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._close, self._force = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def begin(self, exaggeration: float, momentum: float) -> None:
        """Start a phase from rest."""
        self._attraction = (self._near * exaggeration).astype(np.float32)
        self._momentum = np.float32(momentum)
        self._speed, self._gains = np.zeros_like(self.places), np.ones_like(self.places)

    def step(self) -> None:
        """Move all points once."""
        x, y = self.places
        np.subtract(x[:, np.newaxis], x, out=self._right)
        np.subtract(y[:, np.newaxis], y, out=self._up)
        # The nearness in the plane is that of Student's t with one degree of freedom.
        np.square(self._right, out=self._close)
        self._close += np.square(self._up, out=self._force)
        self._close += 1
        np.reciprocal(self._close, out=self._close)
        total = self._close.sum() - len(x)  # without the points themselves
        np.multiply(self._close, -1 / total, out=self._force)
        self._force += self._attraction
        self._force *= self._close
        slope = np.stack([np.einsum("ij,ij->i", self._force, away) for away in (self._right, self._up)])
        is_braking = (slope > 0) == (self._speed > 0)
        gains = np.where(is_braking, self._gains * np.float32(0.8), self._gains + np.float32(0.2))
        self._gains = np.maximum(gains, np.float32(0.01))
        self._speed *= self._momentum
        self._speed -= self._rate * self._gains * slope
        self.places += self._speed


def principal_coordinates(matrix: Floats) -> Floats:
    """Return classical scaling (Torgerson, Psychometrika 1952) to two dimensions, shape (points, 2)."""
    points = len(matrix)
    largest = float(matrix.max()) if points else 0.0
    if points < 2 or largest == 0.0:
        return np.zeros((points, 2))
    squared = (matrix / largest) ** 2  # squares of large distances stay finite
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    with threadpool_limits(limits=1, user_api="blas"):  # threads would wait for each other most of the time
        values, vectors = np.linalg.eigh(-0.5 * centred)
    vectors = vectors[:, ::-1][:, :2]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(2)])
    places: Floats = vectors * signs * np.sqrt(np.maximum(values[::-1][:2], 0.0)) * largest
    return places
