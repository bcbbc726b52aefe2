"""The first centres: k-means on a sample of the points, from the best of several starts.

A start is k-means++ (Arthur, Vassilvitskii, SODA 2007), then rounds on the sample (Bradley, Fayyad, ICML
1998), after which few rounds over all points are left.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.kmeans.centres import Centres
from lambda_worker.clusterers.kmeans.rounds import Round
from lambda_worker.clusterers.kmeans.sampling import merge_samples
from lambda_worker.clusterers.kmeans.sums import Units
from lambda_worker.contract import InputError, TableReply
from lambda_worker.metrics.listed import EUCLIDEAN
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices
    from lambda_worker.contract.kmeans import SeedEvent
    from lambda_worker.tables.points import Batch

_MOST_WORK = 1 << 31  # differences of coordinates; some seconds
_MOST_PRODUCTS = 1 << 34  # of coordinates in all rounds on the sample; some ten seconds
_ROWS = 1 << 12  # of a batch of the sample


def choose_centres(event: SeedEvent) -> TableReply:
    """Write the first centres."""
    batch, sample = merge_samples(event)
    clusters = min(event.n_clusters, event.point_count)
    if len(batch) < clusters:
        raise InputError(f"the samples hold {len(batch)} points, {clusters} centres are wanted")
    _ = Units.of_range(sample.low, sample.high)  # raises if squared distances overflow
    products = batch.vectors.size * clusters * event.n_init
    rounds = min(event.max_iter, max(1, _MOST_PRODUCTS // products))
    best: tuple[float, Centres] | None = None
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(event.n_init):
            places = batch.vectors.take(plus_plus(batch, clusters, (event.seed, start)), axis=1)
            centres = Centres(places, np.bool_(True), sample.low, sample.high)
            found = _settled(batch, centres, rounds, event.tol)
            if best is None or found[0] < best[0]:
                best = found
    if best is None:
        raise InputError("there are no starts")
    return TableReply(ok=True, bytes=best[1].write(event.output))


def _settled(sample: Batch, centres: Centres, rounds: int, tol: float) -> tuple[float, Centres]:
    """Centres after some rounds on the sample, or fewer if they converge, and their inertia on it."""
    last = _round(sample, centres)
    while rounds and centres.moving:
        centres = centres.moved(last.sums, last.farthest.first, tol)
        last = _round(sample, centres)
        rounds -= 1
    return last.sums.inertia(centres.units), replace(centres, moving=np.bool_(True))


def _round(sample: Batch, centres: Centres) -> Round:
    done = Round(centres)
    for first in range(0, len(sample), _ROWS):
        done.add(sample.take(slice(first, first + _ROWS)))
    return done


def plus_plus(sample: Batch, clusters: int, seed: tuple[int, ...]) -> Indices:
    """Choose points far apart, by chance: in proportion to weight times squared distance to the others.

    For each centre, the best of 2 + log(clusters) draws is kept, as in scikit-learn, or of fewer, down to
    one, to limit the time.

    Returns:
        Shape (clusters,): rows of the sample.
    """
    # Scale all coordinates: squares of large numbers times weights would overflow.
    largest = float(np.abs(sample.vectors).max())
    vectors = np.ldexp(sample.vectors, -math.frexp(largest)[1])
    weights = sample.weights.astype(np.float64)
    draw = np.random.default_rng(seed).random
    draws = min(2 + int(math.log(clusters)), max(1, _MOST_WORK // (clusters * vectors.size)))
    chosen = [_drawn(np.cumsum(weights), draw(1))[0]]
    distances = _distances_from(vectors, chosen[0])
    sums = np.cumsum(weights * distances)
    for _ in range(1, clusters):
        check_deadline()
        best = None
        for row in _drawn(sums, draw(draws)):
            reduced = np.minimum(distances, _distances_from(vectors, row))
            # `cumsum` adds in order, so that every processor gets the same sum.
            left = np.cumsum(weights * reduced)
            if best is None or left[-1] < best[1][-1]:
                best = row, left, reduced
        if best is not None:
            row, sums, distances = best
            chosen.append(row)
    return np.array(chosen, np.intp)


def _drawn(sums: Floats, draws: Floats) -> Indices:
    """Draw rows in proportion to the increments of the sums; the first row if there are none."""
    rows = np.searchsorted(sums, draws * sums[-1], side="right")
    drawn: Indices = np.minimum(rows, np.searchsorted(sums, sums[-1]))
    return drawn


def _distances_from(vectors: Floats, row: int) -> Floats:
    """Squared distances of all points to one of them."""
    return EUCLIDEAN.reduce(((values, values[row]) for values in vectors), np.empty(vectors.shape[1]))
