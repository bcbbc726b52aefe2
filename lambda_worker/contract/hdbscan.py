"""HDBSCAN of a day in many shards: core distances, forests by mutual reachability, one hierarchy.

A day is clustered level by level, and the radius doubles each time. The pairs of a level are all pairs within
the radius (not only those beyond the previous radius) whose points are in different components of the
previous level; on the first level, all pairs within the radius. A point without a core distance is a
component of its own, so that the pairs include all its neighbours. For each level:

1. a `NeighboursEvent` for each shard of the pairs, `known` the core distance files of earlier levels;
2. a `CoreDistancesEvent` over the files of step 1, the same `known`; or some of them, each for a span;
3. a minimum `ForestEvent` for each shard of the pairs, `core_distances` the files of this and earlier levels;
   where there are many, further ones over their files, with the same `core_distances`;
4. a `HdbscanEvent` over the forests and core distances of this and earlier levels. When its reply is `final`
   its labels are those of the day; else `components` determines the pairs of the next level.

A single component is always final, so the levels end at the latest when the radius spans the day.

A day of points with few coordinates that fits into one invocation needs no levels: a `HdbscanPointsEvent`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from lambda_worker.contract.clusters import ClusterReply
from lambda_worker.contract.forests import FOLD_ROWS, MINIMUM, PairedPoints, forest_memory_mb
from lambda_worker.contract.memory import PROCESS, mib, number_seconds
from lambda_worker.contract.messages import (
    ContractError,
    Count,
    DayEvent,
    Positive,
    ShardEvent,
    Text,
    Texts,
)

MOST_SAMPLES = 2**31 - 1
"""`min_samples` is at most this: sums of that many neighbours stay whole 64-bit numbers."""


Samples = Annotated[int, Meta(ge=1, le=MOST_SAMPLES)]

TREE_METRICS = ("euclidean", "manhattan", "chebyshev", "cosine", "haversine")
"""Metrics of points whose mutual reachabilities the worker finds without a list of pairs."""

MOST_TREE_DIMENSIONS = 10
"""In more dimensions a tree hardly separates points."""

_ANGLES = 2
# Peak bytes per item; tests/worker/clusterers/test_hdbscan_memory.py checks them.
_NEIGHBOUR, _SHARD_ROW, _DAY_ROW = 18, 52, 72
_CORE_DISTANCE, _HIERARCHY = 8, 165
_SPANNED_POINT, _TREE_POINT, _TREE_AXIS, _TREE_SAMPLE = 168, 137, 12, 256
_PLACE_AXES = 5  # angles beside the three axes of the sphere
_SPANNED_POINT_S, _SPANNED_AXIS = 1.5e-6, 1.6  # uniform points; those in clusters take less
_SAMPLE_S = 70e-9


class NeighboursEvent(ShardEvent, frozen=True, kw_only=True, tag="neighbours"):
    """Find the nearest neighbours of each point among the pairs of a shard, until there are enough.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        candidates: Addresses of candidates files: all near pairs of the shard.
        point_count: Points of the day.
        min_samples: Entities that make a neighbourhood, the point's own included.
        output: Address of the Parquet file to write: `point_id BIGINT, distance DOUBLE, weight BIGINT`, by
            point and distance: how many entities are at that distance. As many rows of a point as it takes
            for its own weight and theirs to reach `min_samples`.
        known: Addresses of core distance files of earlier levels: points in them are done with.
    """

    points: Texts
    candidates: Texts
    point_count: PairedPoints
    min_samples: Samples
    output: Text
    known: Texts = ()


class CoreDistancesEvent(DayEvent, frozen=True, kw_only=True, tag="core_distances"):
    """Compute core distances: the radius within which a point has `min_samples` entities, its own included.

    Attributes:
        neighbours: Addresses of the files of `NeighboursEvent`s, which together cover each pair once.
        min_samples: As in `NeighboursEvent`.
        output: Address of the Parquet file to write: `point_id BIGINT, core_distance DOUBLE`, ascending;
            only points with enough neighbours that are not in `known`.
        known: Addresses of core distance files of earlier levels.
        span: `(first, end)`: only points first..end-1, so that several invocations share a day; None: all.
    """

    neighbours: Texts
    point_count: PairedPoints
    min_samples: Samples
    known: Texts = ()
    span: tuple[Count, Count] | None = None

    def __post_init__(self) -> None:
        if self.span is not None and self.span[0] > self.span[1]:
            raise ContractError(f"span must be [first, end] with first <= end, not {list(self.span)}")


class HdbscanEvent(DayEvent, frozen=True, kw_only=True, tag="hdbscan"):
    """Label every point of a day by HDBSCAN, from what is known of its pairs up to a radius.

    Attributes:
        forests: Addresses of minimum forests by mutual reachability, of all shards of all levels so far.
        core_distances: Addresses of the core distance files of all levels so far.
        algorithm: `{"type": "hdbscan", "min_cluster_size": 5, "min_samples": null,
            "cluster_selection_method": "eom", "cluster_selection_epsilon": 0.0,
            "allow_single_cluster": false}`; all but the type may be left out.
        threshold: The radius: every pair of a mutual reachability up to it is in the forests or follows.
        output: Address of the Parquet file to write: `point_id BIGINT, cluster BIGINT, role VARCHAR,
            probability DOUBLE`, in point order; the day's answer when the reply is `final`.
        components: Address of a further Parquet file to write: `point_id BIGINT, component BIGINT`, in
            point order; a component is known by its smallest point. The next level needs pairs of points
            of different components only. None: it is not written.
        tree: Address of a further Parquet file to write: `parent BIGINT, child BIGINT, distance DOUBLE,
            entities BIGINT`, by child: the condensed tree but its root. Children below `point_count` are
            points, the others clusters; the root has the number `point_count`, and a cluster has a lower
            number than those it splits into. A distance is at most the radius. None: it is not written.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "components", "tree")
    forests: Texts
    core_distances: Texts
    point_count: PairedPoints
    algorithm: dict[str, Any]
    threshold: Positive
    components: Text | None = None
    tree: Text | None = None


class HdbscanPointsEvent(DayEvent, frozen=True, kw_only=True, tag="hdbscan_points"):
    """Label every point of a day by HDBSCAN in one invocation, from coordinates.

    Attributes:
        columns: The feature columns: up to `MOST_TREE_DIMENSIONS` DOUBLE columns; latitude and longitude in
            degrees for `haversine`.
        metric: One of `TREE_METRICS`.
        algorithm: As in `HdbscanEvent`.
        output: As in `HdbscanEvent`.
        tree: As in `HdbscanEvent`; its distances are not limited.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "tree")
    columns: Texts
    point_count: PairedPoints
    metric: Text
    algorithm: dict[str, Any]
    tree: Text | None = None

    def __post_init__(self) -> None:
        if self.metric not in TREE_METRICS or len(self.columns) > MOST_TREE_DIMENSIONS:
            raise ContractError(f"no tree for {self.metric} of {len(self.columns)} columns")
        if (self.metric == "haversine") > (len(self.columns) == _ANGLES):
            raise ContractError("haversine takes two columns, latitude and longitude")


class HdbscanReply(ClusterReply, frozen=True, kw_only=True):
    """The reply to a `HdbscanEvent` or a `HdbscanPointsEvent`, which is always final.

    Attributes:
        final: Whether no pair beyond the radius can change a label or a probability.
        undecided: What could still change, in words; empty when final.
        components: Components at the radius; each point without a core distance counts as one.
        unresolved: Points without a core distance.
        contested: Merges of equal distance whose order is arbitrary in a library. If it is 0 and the reply is
            final, labels and probabilities are those of scikit-learn.
        tree_weight: Sum of the mutual reachabilities of the forest of all entities.
    """

    final: bool = False
    undecided: str = ""
    components: int = 0
    unresolved: int = 0
    contested: int = 0
    tree_weight: float = 0.0


def neighbours_memory_mb(point_count: int, pairs: int, rows: int) -> float:
    """Peak memory of a `NeighboursEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Pairs in the shard.
        rows: Rows it will keep: at most `min_samples` - 1 for each point with a pair in the shard.
    """
    sorted_rows = min(2 * pairs, rows + max(FOLD_ROWS, rows))
    return mib(PROCESS + _NEIGHBOUR * point_count + _SHARD_ROW * sorted_rows)


def core_distances_memory_mb(point_count: int, rows: int) -> float:
    """Peak memory of a `CoreDistancesEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        rows: Rows of points in its span, in all neighbours files.
    """
    return mib(PROCESS + _NEIGHBOUR * point_count + _DAY_ROW * rows)


def mutual_forest_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a minimum `ForestEvent` with core distances in MiB, within a quarter."""
    return forest_memory_mb(MINIMUM, point_count, pairs) + mib(_CORE_DISTANCE * point_count)


def hdbscan_points_memory_mb(point_count: int, metric: str, columns: int, min_samples: int) -> float:
    """Peak memory of a `HdbscanPointsEvent` in MiB, within 15 %.

    Args:
        point_count: Points of the day.
        metric: As in the event.
        columns: Feature columns.
        min_samples: Entities that make a neighbourhood.
    """
    axes = _axes(metric, columns) + (_PLACE_AXES if metric == "haversine" else 0)
    buffers = _TREE_SAMPLE * min(min_samples, point_count)
    return mib(PROCESS + buffers + max(_SPANNED_POINT, _TREE_POINT + _TREE_AXIS * axes) * point_count)


def hdbscan_points_seconds(point_count: int, metric: str, columns: int, min_samples: int) -> float:
    """Seconds of a `HdbscanPointsEvent`: each dimension of spread out points multiplies the search.

    Args:
        point_count: Points of the day.
        metric: As in the event.
        columns: Feature columns.
        min_samples: Entities that make a neighbourhood.
    """
    search = _SPANNED_POINT_S * _SPANNED_AXIS ** _axes(metric, columns)
    search += _SAMPLE_S * min(min_samples, point_count)
    return number_seconds(point_count) + search * point_count


def _axes(metric: str, columns: int) -> int:
    """Return the dimensions of a tree; that of places lies in space."""
    return 3 if metric == "haversine" else columns


def hdbscan_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a `HdbscanEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Rows of the forests.
    """
    return max(mib(PROCESS + _HIERARCHY * point_count), mutual_forest_memory_mb(point_count, pairs))
