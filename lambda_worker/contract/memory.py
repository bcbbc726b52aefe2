"""Memory in bytes that every invocation takes, and time models; each event's memory model is beside it."""

from __future__ import annotations

PROCESS = 50 * 2**20
"""Python, numpy, arro3 and one batch of input."""

WRITING = 4 * 2**20
"""Writing a Parquet file."""

SKLEARN = 125 * 2**20
"""Importing sklearn.cluster."""


def mib(count: float) -> float:
    """Bytes in MiB."""
    return count / 2**20


# Seconds, fitted to invocations of 1 to 10 million pairs on one core of a 2-core machine, reading included;
# benchmarks/bench_clusters.py prints them beside what is measured.
_START_S = 0.1
_POINT_S = 0.20e-6
_PAIR_S = {"connected_components": 0.11e-6, "single_linkage": 0.20e-6, "dbscan": 0.20e-6}
# The slowest operation on a shard, finding neighbours or minimum forests.
_SHARD_PAIR_S = 0.70e-6


def cluster_seconds(algorithm: str, point_count: int, pairs: int) -> float:
    """Seconds of a `ClusterEvent`.

    Args:
        algorithm: Its type; an unknown one counts as the slowest.
        point_count: Points of the day.
        pairs: Pairs in its files.
    """
    return _START_S + _POINT_S * point_count + _PAIR_S.get(algorithm, _SHARD_PAIR_S) * pairs


def rows_within(seconds: float) -> int:
    """Number of pairs that any operation on a shard can read in a given time."""
    return max(1, int((seconds - _START_S) / _SHARD_PAIR_S))


def shard_seconds(events: int, point_count: int, pairs: int) -> float:
    """Seconds of events that each read all points and together read all pairs.

    Args:
        events: Number of events.
        point_count: Points of the day.
        pairs: Pairs in all their files.
    """
    return events * (_START_S + _POINT_S * point_count) + _SHARD_PAIR_S * pairs


# Importing scikit-learn in a fresh process.
SKLEARN_S = 2.0
_NUMBER_POINT_S = 2e-6
_MEASURE_POINT_S, _MEASURE_PAIR_S = 1.5e-6, 0.05e-6
_PRODUCT_NUMBER_S = 0.17e-9


def number_seconds(point_count: int) -> float:
    """Seconds of an event that works on each point: `pack`, `number`, `hdbscan`, `extract`, `peaks`."""
    return _START_S + _NUMBER_POINT_S * point_count


def measure_seconds(point_count: int, pairs: int, dimensions: int, *, is_product: bool) -> float:
    """Seconds for finding the near pairs of a day, summed over all events.

    Args:
        point_count: Points of the day.
        pairs: Near pairs.
        dimensions: Dimensions of a point.
        is_product: Whether all pairs are measured, as embeddings are.
    """
    product = _PRODUCT_NUMBER_S * dimensions * point_count**2 / 2 if is_product else 0.0
    return _START_S + _MEASURE_POINT_S * dimensions * point_count + _MEASURE_PAIR_S * pairs + product
