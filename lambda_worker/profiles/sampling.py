"""The points of a day to measure for its profiles: all if affordable, else a sample.

A sample depends only on the ids: it is the first points of a cluster in the order of a hash of their ids. The
same day gives the same sample on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.contract.profiles import ClusterBin, SurveyReply, measure_seconds, point_memory_mb
from lambda_worker.tables.reading import check_ids, read_bigints
from lambda_worker.tables.sample_order import sample_order
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Ints
    from lambda_worker.contract.profiles import SurveyEvent


_UNSEEN = -2
_LEAST_OF_A_CLUSTER = 2  # a single point has no mean distance to its own cluster


def survey_clusters(event: SurveyEvent) -> SurveyReply:
    """Write the points to measure; memory is O(points), independent of the number of entities.

    The output does not depend on the order of rows and files.

    Raises:
        InputError: A file is not of the contract, or a point is in two clusters.
    """
    cluster_of, entities_of, rows = _read_labels(event)
    points = _in_order(cluster_of, entities_of)
    bins, described = _pack(event, np.minimum(points.sizes, event.medoid_points))
    _write(event.output, points, np.minimum(points.sizes, event.medoid_points), bins)
    quota = silhouette_quota(points.sizes, points.entities, event.silhouette_points)
    _write(event.silhouettes, points, quota, np.zeros(len(quota), np.int64))
    return SurveyReply(
        ok=True,
        bins=described,
        clusters=len(points.sizes),
        clustered_points=len(points.ids),
        sampled_clusters=int(np.count_nonzero(points.sizes > event.medoid_points)),
        silhouette_points=int(quota.sum()),
        silhouette_clusters=int(np.count_nonzero(quota)),
        rows=rows,
    )


def silhouette_quota(sizes: Ints, entities: Ints, limit: int) -> Ints:
    """Return the number of points of each cluster to measure for silhouettes, shape (clusters,).

    All points, if they are within the limit. Else an equal share for each cluster, at most its size. If the
    share is less than two, the clusters with the fewest entities get none (ties: those with higher numbers).

    Args:
        sizes: Points of each cluster.
        entities: Entities of each cluster.
        limit: Limit of the sum.
    """
    if int(sizes.sum()) <= limit:
        return sizes
    quota = np.zeros_like(sizes)
    largest = np.lexsort((np.arange(len(sizes)), -entities))[: limit // _LEAST_OF_A_CLUSTER]
    kept = sizes.take(largest)
    # The largest equal share: with ascending sizes, the first k clusters are taken whole.
    ascending = np.sort(kept)
    whole = np.concatenate([[0], np.cumsum(ascending)])
    shares = (limit - whole[:-1]) // np.arange(len(kept), 0, -1)
    fitting = np.flatnonzero(shares < ascending)
    share = int(shares[fitting[0]]) if len(fitting) else int(ascending[-1])
    quota[largest] = np.minimum(kept, share)
    return quota


@dataclass(frozen=True, slots=True)
class _Points:
    """Points by cluster, and within a cluster in sample order; shapes (points,) and (clusters,)."""

    ids: Ints
    numbers: Ints  # of the clusters, ascending
    sizes: Ints
    entities: Ints


def _read_labels(event: SurveyEvent) -> tuple[Ints, Ints, int]:
    """Return the cluster and the entities of each point, shape (points of the day,), and the rows read."""
    cluster_of = np.full(event.point_count, _UNSEEN, np.int64)
    entities = np.zeros(event.point_count, np.int64)
    rows = 0
    for address in event.clusters:
        for ids, clusters in read_bigints(address, ("point_id", "cluster")):
            check_ids(ids, event.point_count, address)
            if clusters.min() < -1:
                raise InputError(f"{address} is not a table of clusters of {event.point_count} points")
            known = cluster_of.take(ids)
            cluster_of[ids] = clusters
            if bool(((known != _UNSEEN) & (known != clusters)).any()) or bool(
                (cluster_of.take(ids) != clusters).any()
            ):
                raise InputError(f"{address}: a point is in two clusters")
            np.add.at(entities, ids, 1)
            rows += len(ids)
    return cluster_of, entities, rows


def _in_order(cluster_of: Ints, entities_of: Ints) -> _Points:
    ids = np.flatnonzero(cluster_of >= 0)
    clusters = cluster_of.take(ids)
    order = np.lexsort((sample_order(ids), clusters))
    ids, clusters = ids.take(order), clusters.take(order)
    numbers, starts, sizes = np.unique(clusters, return_index=True, return_counts=True)
    entities = np.add.reduceat(entities_of.take(ids), starts) if len(starts) else sizes
    return _Points(ids, numbers, sizes.astype(np.int64), entities)


def _pack(event: SurveyEvent, measured: Ints) -> tuple[Ints, tuple[ClusterBin, ...]]:
    """Return the bin of each cluster in the order of their numbers, and the cost of each bin."""
    room = max(1, int(event.bin_mb / point_memory_mb(event.point_bytes)))
    bins = np.zeros(len(measured), np.int64)
    described: list[ClusterBin] = []
    points, largest, seconds = 0, 0, 0.0
    for number, size in enumerate(measured.tolist()):
        needed = measure_seconds(size, size**2, event.pair_us)
        if points and (points + size > room or seconds + needed > event.budget_s):
            described.append(ClusterBin(points, largest, round(seconds, 3)))
            points, largest, seconds = 0, 0, 0.0
        bins[number] = len(described)
        points, largest, seconds = points + size, max(largest, size), seconds + needed
    if points:
        described.append(ClusterBin(points, largest, round(seconds, 3)))
    return bins, tuple(described)


def _write(address: str, points: _Points, quota: Ints, bins: Ints) -> None:
    """Write the first points of each cluster, by (cluster, id)."""
    rank = np.arange(len(points.ids)) - np.repeat(np.cumsum(points.sizes) - points.sizes, points.sizes)
    chosen = np.flatnonzero(rank < np.repeat(quota, points.sizes))
    row = np.repeat(np.arange(len(points.sizes)), points.sizes).take(chosen)
    ids = points.ids.take(chosen)
    order = np.lexsort((ids, row))
    row = row.take(order)
    columns = {"point_id": ids.take(order), "component": points.numbers.take(row), "bin": bins.take(row)}
    write_table(address, columns)
