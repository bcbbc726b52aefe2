"""HDBSCAN of a day in many shards: core distances, forests by mutual reachability, one hierarchy.

A day is clustered level by level, at a radius that doubles. The pairs of a level are those at most the radius
apart (not only those beyond the radius before) of points in different components of the level before; on the
first level, all of them. A point without a core distance is a component of its own, so that all its
neighbours are among them. For each level:

1. a `NeighboursEvent` for each shard of the pairs, `known` the core distance files of earlier levels;
2. a `CoreDistancesEvent` over the files of step 1, the same `known`; or some of them, each for a span;
3. a minimum `ForestEvent` for each shard of the pairs, `core_distances` the files of this and earlier levels;
   where there are many, further ones over their files, with the same `core_distances`;
4. a `HdbscanEvent` over the forests and core distances of this and earlier levels. When its reply is `final`
   its labels are the day's; else `components` tells the pairs of the next level.

One component is always final, so the levels end at the latest when the radius spans the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lambda_worker.contract.forests import points_field
from lambda_worker.contract.messages import (
    ALL_ROWS,
    ContractError,
    Event,
    Reply,
    count_field,
    optional,
)

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers

MOST_SAMPLES = 2**31 - 1
"""`min_samples` is at most this: sums of that many neighbours stay whole 64-bit numbers."""


def _samples(value: object, name: str) -> int:
    samples = count_field(value, name)
    if not 1 <= samples <= MOST_SAMPLES:
        raise ContractError(f"{name} must be in 1..{MOST_SAMPLES}, not {samples}")
    return samples


def _span(value: object, name: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != len(("first", "end")):
        raise ContractError(f"{name} must be [first, end], not {value!r}")
    first, end = (count_field(item, name) for item in value)
    if first > end:
        raise ContractError(f"{name} must be [first, end] with first <= end, not {value!r}")
    return first, end


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighboursEvent(Event):
    """The nearest neighbours of each point, as far as the pairs of a shard tell, until they are enough.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        candidates: Addresses of candidates files: all near pairs of the shard.
        point_count: Points of the day.
        min_samples: Entities that make a neighbourhood, the point's own included.
        output: Address of the Parquet file to write: `point_id BIGINT, distance DOUBLE, weight BIGINT`, by
            point and distance: how many entities are at that distance. As many rows of a point as it takes
            for its own weight and theirs to reach `min_samples`.
        known: Addresses of core distance files of earlier levels: points in them are done with.
        part: As of a `ForestEvent`.
    """

    operation: ClassVar[str] = "neighbours"
    readers: ClassVar[Readers] = {"point_count": points_field, "min_samples": _samples}

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    min_samples: int
    output: str
    known: tuple[str, ...] = ()
    part: tuple[int, int] = ALL_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighboursReply(Reply):
    """What a `NeighboursEvent` is answered: rows and bytes written, pairs read."""

    rows: int = 0
    bytes: int = 0
    pairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreDistancesEvent(Event):
    """How far each point must look to see `min_samples` entities, its own included.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        neighbours: Addresses of the files of `NeighboursEvent`s that hold each pair once between them.
        point_count: Points of the day.
        min_samples: As of the `NeighboursEvent`s.
        output: Address of the Parquet file to write: `point_id BIGINT, core_distance DOUBLE`, ascending;
            only points whose neighbours are enough, and not those of `known`.
        known: Addresses of core distance files of earlier levels.
        span: `(first, end)`: only points first..end-1, so that several invocations share a day; None: all.
    """

    operation: ClassVar[str] = "core_distances"
    readers: ClassVar[Readers] = {
        "point_count": points_field,
        "min_samples": _samples,
        "span": optional(_span),
    }

    points: tuple[str, ...]
    neighbours: tuple[str, ...]
    point_count: int
    min_samples: int
    output: str
    known: tuple[str, ...] = ()
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreDistancesReply(Reply):
    """What a `CoreDistancesEvent` is answered: rows and bytes written."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HdbscanEvent(Event):
    """Label every point of a day by HDBSCAN, from what is known of its pairs up to a radius.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        forests: Addresses of minimum forests by mutual reachability, of all shards of all levels so far.
        core_distances: Addresses of the core distance files of all levels so far.
        point_count: Points of the day.
        algorithm: `{"type": "hdbscan", "min_cluster_size": 5, "min_samples": null,
            "cluster_selection_method": "eom", "cluster_selection_epsilon": 0.0,
            "allow_single_cluster": false}`; all but the type may be left out.
        threshold: The radius: every pair of a mutual reachability up to it is in the forests or follows.
        output: Address of the Parquet file to write: `point_id BIGINT, cluster BIGINT, role VARCHAR,
            probability DOUBLE`, in point order; the day's answer when the reply is `final`.
        components: Address of a further Parquet file to write: `point_id BIGINT, component BIGINT`, in
            point order; a component is known by its smallest point. The next level needs pairs of points
            of different components only. None: it is not written.
    """

    operation: ClassVar[str] = "hdbscan"
    written: ClassVar[tuple[str, ...]] = ("output", "components")
    readers: ClassVar[Readers] = {"point_count": points_field}

    points: tuple[str, ...]
    forests: tuple[str, ...]
    core_distances: tuple[str, ...]
    point_count: int
    algorithm: dict[str, Any]
    threshold: float
    output: str
    components: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HdbscanReply(Reply):
    """What a `HdbscanEvent` is answered.

    Attributes:
        rows: Label rows written.
        bytes: Bytes of them.
        pairs: Forest rows read.
        clusters: Clusters found.
        noise_entities: Entities (weights) labelled noise.
        final: No pair beyond the radius can change a label or a probability.
        undecided: What could change, in words; empty when final.
        components: Components at the radius; points without a core distance are one each.
        unresolved: Points without a core distance.
        contested: Merges of equal distance that a library would order by chance. Where it is 0 and the
            reply is final, labels and probabilities are those of scikit-learn.
        tree_weight: Sum of the mutual reachabilities of the forest of all entities.
    """

    rows: int = 0
    bytes: int = 0
    pairs: int = 0
    clusters: int = 0
    noise_entities: int = 0
    final: bool = False
    undecided: str = ""
    components: int = 0
    unresolved: int = 0
    contested: int = 0
    tree_weight: float = 0.0
