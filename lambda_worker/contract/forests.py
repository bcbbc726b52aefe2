"""A day in many shards: forests of candidate pairs, core points from shards, dendrograms.

A forest file is a candidates file with the same clusters in fewer rows. So a day is clustered by a
`ForestEvent` for each shard, if useful further ones over their files, and a `ClusterEvent` over the result.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from lambda_worker.contract.memory import PROCESS, WRITING, mib
from lambda_worker.contract.messages import (
    ContractError,
    Count,
    DayEvent,
    Event,
    ShardEvent,
    TableReply,
    Text,
    Texts,
)

SPANNING: Final = "spanning"
MINIMUM: Final = "minimum"
ForestKind = Literal["spanning", "minimum"]

# Peak bytes per item, fitted to invocations of 0.1 to 20 million points;
# tests/worker/graph/test_forests_memory.py checks them.
_SET, _CORE, _ATTACHMENT = 4, 1, 42
_ROOM, _EDGE = 8, 68
_LEAF, _MERGE = 12, 66

FOREST_KINDS: dict[str, ForestKind] = {
    "connected_components": SPANNING,
    "dbscan": SPANNING,
    "single_linkage": MINIMUM,
}
"""The kind of forest an algorithm can be computed from."""

NEEDS_CORES = frozenset({"dbscan"})
"""Algorithms whose forests need the core points."""

READS_AGAIN = frozenset({"dbscan"})
"""Algorithms that read the pairs more than once; for a small day they stay in memory."""

KEPT_PAIRS = 1 << 23
"""Above this number, pairs are read from their files every time."""

FOLD_ROWS = 1 << 20
"""Buffered rows before a fold into a forest; for a minimum forest, at least half the points."""

MOST_POINTS = 3_037_000_499
"""Below this id, a pair of ids fits into one 64-bit key; the square root of 2^63."""

PairedPoints = Annotated[int, Meta(ge=0, le=MOST_POINTS)]
"""A number of points for which a pair of ids fits into one 64-bit key."""


class ForestEvent(ShardEvent, frozen=True, kw_only=True, tag="forest"):
    """Reduce the pairs of a shard to as few as possible that give the same clusters.

    Attributes:
        kind: `spanning` keeps who is connected, `minimum` also at which distance.
        candidates: Addresses of candidates files, forest files among them; none for an empty shard.
        point_count: Points of the day, with ids 0..point_count-1.
        output: Address of the Parquet file to write.
        cores: Addresses of Parquet files with the `point_id BIGINT` of every core point of the day. Only
            pairs of two cores connect then, and pairs of a core and another point are kept, one for each
            component of the shard. None: every pair connects.
        core_distances: Addresses of Parquet files `point_id BIGINT, core_distance DOUBLE`, for a minimum
            forest by mutual reachability: a pair counts as far apart as the largest of its distance and the
            two core distances; a pair with a point that has none does not count. None: by distance.
    """

    kind: ForestKind
    candidates: Texts
    point_count: PairedPoints
    output: Text
    cores: Texts | None = None
    core_distances: Texts | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == MINIMUM and self.cores is not None:
            raise ContractError("a minimum forest is of all pairs: cores must be null")
        if self.kind == SPANNING and self.core_distances is not None:
            raise ContractError("a spanning forest keeps no distance: core_distances must be null")


class ForestReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `ForestEvent`.

    Attributes:
        borders: Rows that tie a point that is not core to a core.
    """

    borders: int = 0


class DegreesEvent(ShardEvent, frozen=True, kw_only=True, tag="degrees"):
    """Count the entities near each point, from the pairs of a shard.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`; empty if each point of the
            day represents one entity.
        candidates: Addresses of candidates files: all near pairs of the shard.
        point_count: Points of the day.
        output: Address of the Parquet file to write: `point_id BIGINT, degree BIGINT` of the points that
            have a pair in the shard, ascending; a degree is the sum of the weights of the other ends.
    """

    points: Texts
    candidates: Texts
    point_count: Count
    output: Text


class CoresEvent(DayEvent, frozen=True, kw_only=True, tag="cores"):
    """Find the core points of a day from the degrees of all its shards.

    Attributes:
        degrees: Addresses of the files of `DegreesEvent`s that hold each pair of the day once.
        min_samples: Entities within the threshold, the point's own included, that make it core.
        output: Address of the Parquet file to write: `point_id BIGINT`, ascending.
    """

    degrees: Texts
    min_samples: Count


class DendrogramEvent(Event, frozen=True, kw_only=True, tag="dendrogram"):
    """All merges of single linkage, from minimum spanning forests of the day.

    Attributes:
        forests: Addresses of forest files of the kind `minimum`, or of candidates files.
        point_count: Points of the day.
        output: Address of the Parquet file to write: `left BIGINT, right BIGINT, distance DOUBLE,
            size BIGINT`, one row a merge, in the order and numbering of `scipy.cluster.hierarchy.linkage`;
            size counts points; as many merges as points less components.
    """

    forests: Texts
    point_count: PairedPoints
    output: Text


def forest_memory_mb(kind: str, point_count: int, pairs: int, attachments: int | None = None) -> float:
    """Peak memory of a `ForestEvent` in MiB, within a quarter.

    Args:
        kind: `spanning` or `minimum`.
        point_count: Points of the day.
        pairs: Pairs in the shard; a spanning forest does not depend on them.
        attachments: With cores, pairs of a core and another point in the shard; or, if that is less, twice
            the distinct attachments of the forest and `FOLD_ROWS`. None without cores.
    """
    if kind == MINIMUM:
        edges = min(pairs, max(FOLD_ROWS, point_count // 2))
        if pairs > edges:
            edges += min(pairs - edges, point_count)
        return mib(PROCESS + _ROOM * point_count + _EDGE * edges)
    attached = 0 if attachments is None else _CORE * point_count + _ATTACHMENT * attachments
    return mib(PROCESS + WRITING + _SET * point_count + attached)


def dendrogram_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of a `DendrogramEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        pairs: Rows of the forests.
    """
    merges = mib(PROCESS + _LEAF * point_count + _MERGE * min(pairs, point_count))
    return max(merges, forest_memory_mb(MINIMUM, point_count, pairs))
