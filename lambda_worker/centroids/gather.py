"""Labels of shards put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.labels import MEMBER_ROLE, Labels
from lambda_worker.parquet_io import read_bigints, write_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lambda_worker.contract.centroids import GatherEvent

_BLOCK = 1 << 16


def gather_labels(event: GatherEvent) -> ClusterReply:
    """Write the labels of the day.

    Raises:
        ContractError: The event or an input file is not of the contract, or a point comes twice or never.
    """
    labels = number_clusters(_pairs(event.parts), event.point_count)
    written = write_labels(event.output, labels)
    return ClusterReply(ok=True, rows=event.point_count, bytes=written, clusters=labels.clusters)


def number_clusters(pairs: Iterable[tuple[NDArray[np.int64], ...]], point_count: int) -> Labels:
    """Number the clusters by their smallest point id; every point is a member of one.

    Args:
        pairs: Ids and clusters, shapes (rows,), which hold each point once.
        point_count: Points of the day, with ids 0..point_count-1.

    Raises:
        InputError: A point comes twice or never, or is none.
    """
    cluster = np.full(point_count, -1, np.int32)
    rows = 0
    for ids, numbers in pairs:
        if ids.min() < 0 or ids.max() >= point_count or numbers.min() < 0 or numbers.max() >= 1 << 31:
            raise InputError(f"labels of other points than 0..{point_count - 1}, or of no cluster")
        cluster[ids] = numbers
        rows += len(ids)
    if rows != point_count or (cluster < 0).any():
        raise InputError(f"the shards labelled {rows} points, each of {point_count} is to come once")
    clusters = _renumber(cluster)
    return Labels(cluster, np.full(point_count, MEMBER_ROLE, np.uint8), clusters)


def _pairs(parts: tuple[str, ...]) -> Iterator[tuple[NDArray[np.int64], ...]]:
    for address in parts:
        yield from read_bigints(address, ("point_id", "cluster"))


def _renumber(cluster: NDArray[np.int32]) -> int:
    """Number clusters by their first point, in place; how many there are."""
    most = int(cluster.max(initial=-1)) + 1
    first = np.full(most, len(cluster), np.int64)
    for start in reversed(range(0, len(cluster), _BLOCK)):
        block = cluster[start : start + _BLOCK]
        # Backwards, for the last of the values of one place stays.
        first[block[::-1]] = np.arange(start + len(block) - 1, start - 1, -1)
    found = np.flatnonzero(first < len(cluster))
    number = np.zeros(most, np.int32)
    number[found[np.argsort(first[found])]] = np.arange(len(found), dtype=np.int32)
    for start in range(0, len(cluster), _BLOCK):
        cluster[start : start + _BLOCK] = number.take(cluster[start : start + _BLOCK])
    return len(found)
