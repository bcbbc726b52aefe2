"""A day in many shards: forests of candidate pairs, core points from shards, dendrograms.

A forest file is a candidates file with the same clusters in fewer rows. So a day is clustered by a
`ForestEvent` for each shard, where it helps further ones over their files, and a `ClusterEvent` over what
is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lambda_worker.contract.messages import ALL_ROWS, ContractError, Event, Reply, count_field

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers

SPANNING, MINIMUM = "spanning", "minimum"

FOREST_KINDS = {"connected_components": SPANNING, "dbscan": SPANNING, "single_linkage": MINIMUM}
"""The kind of forest an algorithm can be computed from."""

NEEDS_CORES = frozenset({"dbscan"})
"""Algorithms whose forests need the core points."""

READS_AGAIN = frozenset({"dbscan"})
"""Algorithms that go through the pairs more than once; the pairs of a small day wait in memory."""

KEPT_PAIRS = 1 << 23
"""More pairs than these are read from their files every time."""

FOLD_ROWS = 1 << 20
"""Rows that wait before they are folded into a forest; in a minimum forest at least half the points."""

MOST_POINTS = 3_037_000_499
"""A pair of ids is one 64-bit key below this; the square root of 2^63."""


def points_field(value: object, name: str) -> int:
    """A number of points of which two are one 64-bit key; raises ContractError otherwise."""
    points = count_field(value, name)
    if points > MOST_POINTS:
        raise ContractError(f"a forest has at most {MOST_POINTS} points, not {points}")
    return points


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestEvent(Event):
    """Pairs that yield the same clusters as those of a shard, as few as possible.

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
        part: `(k, n)`: every n-th batch of rows from the k-th on; how one file is split. All rows: `(0, 1)`.
    """

    operation: ClassVar[str] = "forest"
    readers: ClassVar[Readers] = {"point_count": points_field}

    kind: str
    candidates: tuple[str, ...]
    point_count: int
    output: str
    cores: tuple[str, ...] | None = None
    core_distances: tuple[str, ...] | None = None
    part: tuple[int, int] = ALL_ROWS

    def __post_init__(self) -> None:
        if self.kind not in (SPANNING, MINIMUM):
            raise ContractError(f"kind must be {SPANNING} or {MINIMUM}, not {self.kind!r}")
        if self.kind == MINIMUM and self.cores is not None:
            raise ContractError("a minimum forest is of all pairs: cores must be null")
        if self.kind == SPANNING and self.core_distances is not None:
            raise ContractError("a spanning forest keeps no distance: core_distances must be null")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestReply(Reply):
    """What a `ForestEvent` is answered.

    Attributes:
        rows: Rows of the file written.
        bytes: Bytes of it.
        borders: Rows of these that tie a point that is not core to a core.
        pairs: Pairs read.
    """

    rows: int = 0
    bytes: int = 0
    borders: int = 0
    pairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreesEvent(Event):
    """Entities near each point, as far as the pairs of a shard tell.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`; none where each point of the
            day stands for one entity.
        candidates: Addresses of candidates files: all near pairs of the shard.
        point_count: Points of the day.
        output: Address of the Parquet file to write: `point_id BIGINT, degree BIGINT` of the points that
            have a pair in the shard, ascending; a degree is the sum of the weights of the other ends.
        part: As of a `ForestEvent`.
    """

    operation: ClassVar[str] = "degrees"

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    output: str
    part: tuple[int, int] = ALL_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreesReply(Reply):
    """What a `DegreesEvent` is answered: rows and bytes written, pairs read."""

    rows: int = 0
    bytes: int = 0
    pairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresEvent(Event):
    """The core points of a day, from the degrees of all its shards.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        degrees: Addresses of the files of `DegreesEvent`s that hold each pair of the day once.
        point_count: Points of the day.
        min_samples: Entities within the threshold, the point's own included, that make it core.
        output: Address of the Parquet file to write: `point_id BIGINT`, ascending.
    """

    operation: ClassVar[str] = "cores"

    points: tuple[str, ...]
    degrees: tuple[str, ...]
    point_count: int
    min_samples: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresReply(Reply):
    """What a `CoresEvent` is answered: rows and bytes written."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DendrogramEvent(Event):
    """All merges of single linkage, from minimum spanning forests of the day.

    Attributes:
        forests: Addresses of forest files of the kind `minimum`, or of candidates files.
        point_count: Points of the day.
        output: Address of the Parquet file to write: `left BIGINT, right BIGINT, distance DOUBLE,
            size BIGINT`, one row a merge, in the order and numbering of `scipy.cluster.hierarchy.linkage`;
            size counts points.
    """

    operation: ClassVar[str] = "dendrogram"
    readers: ClassVar[Readers] = {"point_count": points_field}

    forests: tuple[str, ...]
    point_count: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DendrogramReply(Reply):
    """What a `DendrogramEvent` is answered.

    Attributes:
        rows: Merges: points less components.
        bytes: Bytes of the file.
        pairs: Forest rows read.
    """

    rows: int = 0
    bytes: int = 0
    pairs: int = 0
