"""How long an invocation takes, so that a plan can promise it.

`cluster_assets` may import this module. Standard library only.
"""

from __future__ import annotations

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
        algorithm: Its type; one that is not known counts as the slowest.
        point_count: Points of the day.
        pairs: Pairs in its files.
    """
    return _START_S + _POINT_S * point_count + _PAIR_S.get(algorithm, _SHARD_PAIR_S) * pairs


def rows_within(seconds: float) -> int:
    """Pairs that any operation on a shard reads in a time."""
    return max(1, int((seconds - _START_S) / _SHARD_PAIR_S))
