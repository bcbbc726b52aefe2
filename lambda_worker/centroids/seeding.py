"""The first centres: k-means++ (Arthur, Vassilvitskii, SODA 2007) on a sample, the best of few draws each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.centroids.files import read_vectors, write_vectors
from lambda_worker.centroids.points import Batch
from lambda_worker.centroids.sampling import sample_size, smallest
from lambda_worker.centroids.sums import merge_sums
from lambda_worker.contract import InputError
from lambda_worker.contract.centroids import LEVEL_BITS, SeedReply
from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.centroids.sums import CentreSums
    from lambda_worker.contract.centroids import SeedEvent

_MOST_WORK = 1 << 31  # differences of coordinates; some seconds


def choose_centres(event: SeedEvent) -> SeedReply:
    """Write the first centres, and tell when the rounds may stop.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    sample = _merge_samples(event)
    dimensions = len(sample.vectors)
    spread = merge_sums(event.sums, 1, 2 * dimensions)
    if spread.points_total != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the shards {spread.points_total}")
    clusters = min(event.n_clusters, event.point_count)
    if len(sample) < clusters:
        raise InputError(f"the samples hold {len(sample)} points, {clusters} centres are wanted")
    chosen = plus_plus(sample, clusters, event.seed)
    centres = sample.vectors.take(chosen, axis=1)
    write_vectors(event.output, {"centre": np.arange(clusters)}, centres)
    return SeedReply(
        ok=True,
        clusters=clusters,
        dimensions=dimensions,
        tolerance=event.tol * mean_variance(spread, dimensions),
        entities=spread.entities_total,
    )


def plus_plus(sample: Batch, clusters: int, seed: int) -> NDArray[np.intp]:
    """Choose points far from each other, likely by weight times squared distance to those chosen before.

    Of 2 + log(clusters) draws for a centre the one that leaves the least inertia is kept, as in scikit-learn;
    of fewer, down to one, where that would take long.

    Returns:
        Shape (clusters,): rows of the sample.
    """
    # One scale for all: squares of large numbers times weights would be infinite.
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
            # Added one after the other, so that every processor agrees.
            left = np.cumsum(weights * reduced)
            if best is None or left[-1] < best[1][-1]:
                best = row, left, reduced
        if best is not None:
            row, sums, distances = best
            chosen.append(row)
    return np.array(chosen, np.intp)


def mean_variance(spread: CentreSums, dimensions: int) -> float:
    """Variance of the entities, averaged over the dimensions, rounded once."""
    entities, shift = spread.entities_total, LEVEL_BITS * spread.exact.finest
    scale, up = 1 << max(0, shift), 1 << max(0, -shift)
    totals = [int(spread.exact.totals(column)[0]) * up for column in range(2 * dimensions)]
    squares, squared_sums = sum(totals[dimensions:]), sum(total**2 for total in totals[:dimensions])
    return max(0, squares * scale * entities - squared_sums) / (dimensions * (scale * entities) ** 2)


def _merge_samples(event: SeedEvent) -> Batch:
    merged: Batch | None = None
    for address in event.samples:
        (ids, weights), vectors = read_vectors(address, ("point_id", "weight"))
        if not len(ids):
            continue
        if merged is not None and len(vectors) != len(merged.vectors):
            raise InputError(
                f"{address}: vectors of {len(vectors)} dimensions, others of {len(merged.vectors)}"
            )
        count = sample_size(event.n_clusters, len(vectors))
        merged = smallest(merged, Batch(ids, weights, vectors), count, event.seed)
    if merged is None:
        raise InputError("the samples hold no point")
    return merged.take(np.argsort(merged.ids))


def _drawn(sums: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows drawn in proportion to the steps of the sums; the first row where there are none."""
    rows = np.searchsorted(sums, draws * sums[-1], side="right")
    drawn: NDArray[np.intp] = np.minimum(rows, np.searchsorted(sums, sums[-1]))
    return drawn


def _distances_from(vectors: NDArray[np.float64], row: int) -> NDArray[np.float64]:
    """Squared distances of all points to one of them, as `squared_distances` adds them."""
    total, difference = np.zeros(vectors.shape[1]), np.empty(vectors.shape[1])
    for values in vectors:
        np.subtract(values, values[row], out=difference)
        np.multiply(difference, difference, out=difference)
        total += difference
    return total
