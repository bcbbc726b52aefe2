"""How much memory an invocation takes, so that a plan can promise it.

`cluster_assets` may import this module. Standard library only.
"""

from __future__ import annotations

from lambda_worker.contract.forests import FOLD_ROWS, MINIMUM

# Bytes an item at the peak, fitted to invocations of 0.1 to 20 million points;
# tests/worker/test_forests_memory.py checks them.
_PROCESS = 50 * 2**20  # Python, numpy, arro3 and the batch that is read
_WRITING = 4 * 2**20
_SET, _CORE, _ATTACHMENT = 4, 1, 42
_ROOM, _EDGE = 8, 68
_LEAF, _MERGE = 12, 66
_LABEL = 15


def forest_memory_mb(kind: str, point_count: int, pairs: int, attachments: int | None = None) -> float:
    """Peak memory of a `ForestEvent` in MiB, within a quarter.

    Args:
        kind: `spanning` or `minimum`.
        point_count: Points of the day.
        pairs: Pairs in the shard; a spanning forest does not depend on them.
        attachments: With cores, pairs of a core and another point in the shard; or, where that is less, twice
            the distinct attachments of the forest and `FOLD_ROWS`. None without cores.
    """
    if kind == MINIMUM:
        edges = min(pairs, max(FOLD_ROWS, point_count // 2))
        if pairs > edges:
            edges += min(pairs - edges, point_count)
        return _mib(_PROCESS + _ROOM * point_count + _EDGE * edges)
    attached = 0 if attachments is None else _CORE * point_count + _ATTACHMENT * attachments
    return _mib(_PROCESS + _WRITING + _SET * point_count + attached)


def cluster_memory_mb(point_count: int) -> float:
    """Peak memory of a `ClusterEvent` in MiB, within a quarter, for any algorithm of `FOREST_KINDS`."""
    return _mib(_PROCESS + _LABEL * point_count)


def dendrogram_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a `DendrogramEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Rows of the forests.
    """
    merges = _mib(_PROCESS + _LEAF * point_count + _MERGE * min(pairs, point_count))
    return max(merges, forest_memory_mb(MINIMUM, point_count, pairs))


def _mib(count: int) -> float:
    return count / 2**20
