"""Clusters around centres: k-means in rounds of shards, and scikit-learn's estimators that learn in passes.

K-means is a `SampleEvent` for each shard, one `SeedEvent`, then rounds: a `RoundEvent` for each shard and one
`CentresEvent`, until it says `converged`. Then an `AssignEvent` for each shard and one `GatherEvent`. Sums
are exact integers (`LEVEL_BITS`), so that any split of the points gives the same centres, bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lambda_worker.contract.messages import (
    ALL_ROWS,
    ContractError,
    Event,
    Reply,
    count_from,
    number_field,
    texts_field,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambda_worker.contract.messages import Readers

LEVEL_BITS = 24
"""An exact sum is the sum of n * 2**(-24 * level) over pairs (level, n) of whole numbers."""

MOST_ENTITIES = 1 << 38
"""With more entities the sums of a level would not fit into 64 bits."""

ExactSum = tuple[tuple[int, int], ...]


def rounded_sum(parts: Iterable[ExactSum]) -> float:
    """The sum of exact sums, rounded once; the largest double where it is beyond that.

    >>> rounded_sum([((0, 3), (1, 1 << 23)), ((0, -1),)])
    2.5
    """
    pairs = [pair for part in parts for pair in part]
    finest = max((level for level, _ in pairs), default=0)
    total = sum(number << (LEVEL_BITS * (finest - level)) for level, number in pairs)
    shift = LEVEL_BITS * finest
    try:
        return total / (1 << shift) if shift >= 0 else float(total << -shift)
    except OverflowError:
        return sys.float_info.max


def _columns(value: object, name: str) -> tuple[str, ...]:
    columns = texts_field(value, name)
    if not columns:
        raise ContractError(f"{name} must name at least one feature column")
    return columns


def _tolerance(value: object, name: str) -> float:
    number = number_field(value, name)
    if number < 0:
        raise ContractError(f"{name} must be a number >= 0, not {number:g}")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent(Event):
    """Choose a sample of a shard, and add up what the spread of the points follows from.

    The sample of a day is its points with the smallest values of a hash of id and seed.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` and the feature columns.
        columns: The feature columns: DOUBLE columns, one a dimension, or one ARRAY(DOUBLE).
        n_clusters: Centres that will be chosen from the sample; it has at least four times as many points.
        seed: Another seed, another sample.
        output: Address of the Parquet file to write: `point_id BIGINT, weight BIGINT, x0 DOUBLE, ...`, by id.
        sums: Address of the Parquet file to write, as the `output` of a `RoundEvent` with one centre;
            dimension d + j holds weight * x_j^2.
        part: As of a `ForestEvent`.
    """

    operation: ClassVar[str] = "sample"
    written: ClassVar[tuple[str, ...]] = ("output", "sums")
    readers: ClassVar[Readers] = {"columns": _columns, "n_clusters": count_from(1)}

    points: tuple[str, ...]
    columns: tuple[str, ...]
    n_clusters: int
    seed: int
    output: str
    sums: str
    part: tuple[int, int] = ALL_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReply(Reply):
    """What a `SampleEvent` is answered: points read, points and bytes of the sample written."""

    points: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEvent(Event):
    """Choose the first centres by k-means++ among the sample of the day.

    Attributes:
        samples: Addresses of the files of `SampleEvent`s.
        sums: Addresses of their sums.
        point_count: Points of the day.
        n_clusters: Centres; with fewer points, each of them is a centre.
        seed: Another seed, other centres.
        tol: Centres that move less than this, relative to the variance of the points, have converged.
        output: Address of the Parquet file to write: `centre BIGINT, x0 DOUBLE, ...`, by number from 0.
    """

    operation: ClassVar[str] = "seed"
    readers: ClassVar[Readers] = {
        "point_count": count_from(1),
        "n_clusters": count_from(1),
        "tol": _tolerance,
    }

    samples: tuple[str, ...]
    sums: tuple[str, ...]
    point_count: int
    n_clusters: int
    seed: int
    tol: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReply(Reply):
    """What a `SeedEvent` is answered.

    Attributes:
        clusters: Centres written.
        dimensions: Of the points.
        tolerance: `tol` times the mean variance of the entities over the dimensions: rounds end when the
            squares of all shifts add up to no more.
        entities: Of the day.
    """

    clusters: int = 0
    dimensions: int = 0
    tolerance: float = 0.0
    entities: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEvent(Event):
    """Add up the points of a shard by their nearest centre.

    A point x is nearest to the centre c with the least sum of (x_j - c_j)^2, added in the order of the
    dimensions; to the lowest number of equal ones.

    Attributes:
        points: As of a `SampleEvent`.
        columns: As there.
        centres: Address of the centres, as a `SeedEvent` writes them.
        output: Address of the Parquet file to write: `centre BIGINT, dimension BIGINT, level BIGINT,
            sum BIGINT`, exact sums of weight * x_j; weight * squared distance as dimension d; the entities as
            dimension -1 and the points as -2, both of level 0.
        farthest: Address of the Parquet file to write: `point_id BIGINT, weight BIGINT, centre BIGINT,
            x0 DOUBLE, ...`, as many points as centres have none in this shard, the farthest from their centre
            first: where no shard has one, the centre goes there.
        part: As of a `ForestEvent`.
    """

    operation: ClassVar[str] = "round"
    written: ClassVar[tuple[str, ...]] = ("output", "farthest")
    readers: ClassVar[Readers] = {"columns": _columns}

    points: tuple[str, ...]
    columns: tuple[str, ...]
    centres: str
    output: str
    farthest: str
    part: tuple[int, int] = ALL_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReply(Reply):
    """What a `RoundEvent` is answered: points read, rows and bytes of the sums."""

    points: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CentresEvent(Event):
    """Move every centre to the mean of its entities.

    A centre without any goes to the point farthest from its own centre, which that one loses: in the order of
    the centres to the farthest, the next one and so on, of equally far ones to the lowest id. Where no
    point is left that lies elsewhere than on its centre, it goes to the heaviest centre.

    Attributes:
        centres: Address of the centres of the round.
        sums: Addresses of the outputs of its `RoundEvent`s, which hold each point once.
        farthest: Addresses of their farthest points.
        point_count: Points of the day.
        tolerance: As a `SeedReply` tells.
        output: Address of the new centres.
    """

    operation: ClassVar[str] = "centres"
    readers: ClassVar[Readers] = {"point_count": count_from(1)}

    centres: str
    sums: tuple[str, ...]
    farthest: tuple[str, ...]
    point_count: int
    tolerance: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CentresReply(Reply):
    """What a `CentresEvent` is answered.

    Attributes:
        clusters: Centres.
        moved: Centres that had no point and went elsewhere.
        shift: Sum of the squares of the shifts of all centres.
        converged: Whether that is no more than the tolerance.
        inertia: Sum of weight * squared distance to the nearest of the old centres.
        bytes: Bytes of the new centres.
    """

    clusters: int = 0
    moved: int = 0
    shift: float = 0.0
    converged: bool = False
    inertia: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignEvent(Event):
    """Label the points of a shard by their nearest centre.

    Attributes:
        points: As of a `RoundEvent`.
        columns: As there.
        centres: As there.
        output: Address of the Parquet file to write: `point_id BIGINT, cluster BIGINT`; the cluster is the
            number of the centre.
        part: As there.
    """

    operation: ClassVar[str] = "assign"
    readers: ClassVar[Readers] = {"columns": _columns}

    points: tuple[str, ...]
    columns: tuple[str, ...]
    centres: str
    output: str
    part: tuple[int, int] = ALL_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignReply(Reply):
    """What an `AssignEvent` is answered.

    Attributes:
        rows: Points labelled.
        bytes: Bytes of the file.
        inertia: Exact sum of weight * squared distance, see `rounded_sum`.
    """

    rows: int = 0
    bytes: int = 0
    inertia: ExactSum = ()

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "inertia": tuple((level, number) for level, number in body.get("inertia", ()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherEvent(Event):
    """Put the labels of shards together, and number the clusters by their smallest point id.

    Attributes:
        parts: Addresses of the files of `AssignEvent`s, which hold each point once.
        point_count: Points of the day.
        output: Address of the Parquet file to write, as of a `ClusterEvent`; answered by a `ClusterReply`.
    """

    operation: ClassVar[str] = "gather"

    parts: tuple[str, ...]
    point_count: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnEvent(Event):
    """Let scikit-learn learn from a stream of the points in the order of their ids, then label them.

    Attributes:
        points: As of a `SampleEvent`.
        columns: As there.
        point_count: Points of the day, with ids 0..point_count-1.
        algorithm: `{"type": "minibatch_kmeans", "n_clusters", "seed", "batch_size", "max_iter"}` or
            `{"type": "birch", "threshold", "branching_factor", "n_clusters"}`.
        memory_mb: Memory the invocation may take.
        output: Address of the Parquet file to write, as of a `ClusterEvent`.
    """

    operation: ClassVar[str] = "learn"
    readers: ClassVar[Readers] = {"columns": _columns, "point_count": count_from(1)}

    points: tuple[str, ...]
    columns: tuple[str, ...]
    point_count: int
    algorithm: dict[str, Any]
    memory_mb: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnReply(Reply):
    """What a `LearnEvent` is answered.

    Attributes:
        rows: Label rows written.
        bytes: Bytes of the output file.
        clusters: Clusters with points.
        iterations: Passes over the points.
        inertia: Sum of weight * squared distance to the centre of the cluster, or of the subcluster of Birch.
        subclusters: Leaves of Birch's tree.
    """

    rows: int = 0
    bytes: int = 0
    clusters: int = 0
    iterations: int = 0
    inertia: float = 0.0
    subclusters: int = 0
