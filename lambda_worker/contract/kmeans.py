"""Clusters around centres: k-means in rounds of shards, and scikit-learn's estimators that learn in passes.

K-means begins with a `SampleEvent` for each shard and one `SeedEvent`, which finds the first centres on the
sample. Rounds follow, each with a `RoundEvent` per shard and one `CentresEvent`, until the centres have
converged. A last `RoundEvent` for each shard writes labels, and one `GatherEvent` combines them. Sums are
integers (`clusterers.kmeans.sums`), so any split of the points gives the same centres, bit for bit. The files
between the events contain numpy arrays.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from lambda_worker.contract.clusters import ClusterReply
from lambda_worker.contract.memory import PROCESS, SKLEARN, WRITING, mib
from lambda_worker.contract.messages import (
    Count,
    CountFrom1,
    Event,
    NotNegative,
    Positive,
    ShardEvent,
    TableReply,
    Text,
    Texts,
)

MOST_ENTITIES = 1 << 38
"""With more entities their sums would not fit into 64 bits."""

Columns = Annotated[Texts, Meta(min_length=1)]

# Peak bytes per item; tests/worker/clusterers/test_kmeans_memory.py checks those of k-means.
_GROUP_ROWS = 122_880  # of a row group of Parquet, as DuckDB writes them
_PAGE = 2**20
_BATCH_NUMBERS, _BATCH_ROWS = 2**21, 2**16
_SUM = 60
_LEAF_KEPT, _LEAF_NUMBER, _LEAF_PAIR = 700, 40, 8

_SAMPLE_POINTS, _SAMPLE_NUMBERS = 1 << 16, 1 << 21


def sample_size(clusters: int, dimensions: int) -> int:
    """Points of the sample of a day: some 16 MB of numbers, and at least four for each centre."""
    return max(4 * clusters, min(_SAMPLE_POINTS, _SAMPLE_NUMBERS // dimensions))


class SampleEvent(ShardEvent, frozen=True, kw_only=True, tag="sample"):
    """Choose a sample of a shard, and find the range of its points.

    The sample of a day is its points with the smallest values of a hash of id and seed.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` and the feature columns.
        columns: The feature columns: DOUBLE columns, one per dimension, or one ARRAY(DOUBLE).
        n_clusters: Centres to choose from the sample, which has at least four times as many points.
        seed: Seed of the hash.
        output: Address of the file to write.
    """

    points: Texts
    columns: Columns
    n_clusters: CountFrom1
    seed: Count
    output: Text


class SeedEvent(Event, frozen=True, kw_only=True, tag="seed"):
    """Find the first centres among the sample of the day.

    Every start begins with centres that k-means++ chooses, and runs k-means on the sample. The start with the
    lowest inertia there is kept; ties go to the first. A sample of all points gives the k-means of the day.

    Attributes:
        samples: Addresses of the files of `SampleEvent`s.
        point_count: Points of the day.
        n_clusters: Centres per start; with fewer points, each point is a centre.
        n_init: Number of starts.
        seed: Seed of the random choices.
        max_iter: Maximum of rounds of a start on the sample. Fewer if they would take too long.
        tol: As in `CentresEvent`, for the rounds on the sample.
        output: Address of the centres to write.
    """

    samples: Texts
    point_count: CountFrom1
    n_clusters: CountFrom1
    n_init: CountFrom1
    seed: Count
    max_iter: CountFrom1
    tol: NotNegative
    output: Text


class RoundEvent(ShardEvent, frozen=True, kw_only=True, tag="round"):
    """Add up the points of a shard by their nearest centre.

    A point x is nearest to the centre c with the smallest sum of (x_j - c_j)^2, added in the order of the
    dimensions; ties go to the centre with the lowest number.

    Attributes:
        points: As in `SampleEvent`.
        columns: As in `SampleEvent`.
        centres: Address of the centres.
        output: Address of the sums to write. With them are as many points as centres have none in this shard,
            the farthest from their centre first: where no shard has one, the centre goes there.
        labels: Address of the Parquet file to write after the last round, `point_id BIGINT` and
            `centre BIGINT`, the number of the nearest centre.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "labels")
    points: Texts
    columns: Columns
    centres: Text
    output: Text
    labels: Text | None = None


class CentresEvent(Event, frozen=True, kw_only=True, tag="centres"):
    """Move every centre to the mean of its entities.

    A centre without entities moves to the point farthest from its own centre, which loses the point. The
    first such centre takes the farthest point, the next one the second farthest and so on; ties go to the
    lowest id. If every remaining point lies on its centre, the empty centre moves to the heaviest centre.

    Attributes:
        centres: Address of the centres of the round.
        sums: Addresses of the outputs of its `RoundEvent`s, which hold each point once.
        point_count: Points of the day.
        tol: The centres have converged when the squares of all shifts add up to no more than this times the
            mean variance of the entities over the dimensions.
        output: Address of the new centres.
    """

    centres: Text
    sums: Texts
    point_count: CountFrom1
    tol: NotNegative
    output: Text


class CentresReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `CentresEvent`: whether the centres have not converged, bytes of the new ones."""

    moving: bool = False


class GatherEvent(Event, frozen=True, kw_only=True, tag="gather"):
    """Combine the labels of the shards, and number the clusters by their smallest point id.

    Attributes:
        centres: Address of the final centres.
        sums: Addresses of the outputs of the last `RoundEvent`s.
        labels: Addresses of their labels, which hold each point once.
        point_count: Points of the day.
        output: Address of the Parquet file to write, as in `ClusterEvent`.
        centres_output: Address of a Parquet file to write besides: `centre BIGINT, cluster BIGINT,
            dimension BIGINT, value DOUBLE`, the centres that have points. None: it is not written.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "centres_output")
    centres: Text
    sums: Texts
    labels: Texts
    point_count: CountFrom1
    output: Text
    centres_output: Text | None = None


class GatherReply(ClusterReply, frozen=True, kw_only=True):
    """The reply to a `GatherEvent`.

    Attributes:
        converged: Whether the centres have converged.
        inertia: Sum of weight * squared distance to the nearest centre.
    """

    converged: bool = False
    inertia: float = 0.0


class LearnEvent(Event, frozen=True, kw_only=True, tag="learn"):
    """Let scikit-learn learn from a stream of the points in the order of their ids, then label them.

    Attributes:
        points: As in `SampleEvent`.
        columns: As in `SampleEvent`.
        point_count: Points of the day, with ids 0..point_count-1.
        algorithm: `{"type": "minibatch_kmeans", "n_clusters", "seed", "batch_size", "max_iter"}` or
            `{"type": "birch", "threshold", "branching_factor", "n_clusters"}`.
        memory_mb: Memory that the invocation may use.
        output: Address of the Parquet file to write, as in `ClusterEvent`.
        centres_output: Address of a Parquet file to write besides: `centre BIGINT, cluster BIGINT,
            dimension BIGINT, value DOUBLE`, the centres that have points. None: it is not written.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "centres_output")
    points: Texts
    columns: Columns
    point_count: CountFrom1
    algorithm: dict[str, Any]
    memory_mb: Positive
    output: Text
    centres_output: Text | None = None


class LearnReply(ClusterReply, frozen=True, kw_only=True):
    """The reply to a `LearnEvent`.

    Attributes:
        iterations: Passes over the points.
        inertia: Sum of weight * squared distance to the centre of the cluster, or of the subcluster of Birch.
        subclusters: Leaves of Birch's tree.
    """

    iterations: int = 0
    inertia: float = 0.0
    subclusters: int = 0


def round_memory_mb(clusters: int, dimensions: int, group_rows: int = _GROUP_ROWS) -> float:
    """Peak memory of a `RoundEvent` in MiB, within a quarter; it does not depend on the number of points.

    The other events of k-means take less. Points with features in one array also take a quarter less.

    Args:
        clusters: Centres.
        dimensions: Of the points.
        group_rows: Rows of a row group of the points files: the reader holds one.
    """
    batch = 8 * min(_BATCH_NUMBERS, _BATCH_ROWS * dimensions)
    reading = dimensions * (8 * group_rows + min(_PAGE, 8 * group_rows))
    return mib(PROCESS + WRITING + 2 * batch + reading + _SUM * clusters * dimensions)


def minibatch_memory_mb(clusters: int, batch: int, dimensions: int) -> float:
    """Peak memory of mini-batch k-means in MiB, within a quarter, independent of the number of points.

    Args:
        clusters: Centres.
        batch: Points of a batch.
        dimensions: Of the points.
    """
    numbers = 24 * (clusters + batch) * dimensions + 8 * clusters * batch
    return mib(PROCESS + SKLEARN + WRITING + numbers)


def birch_memory_mb(subclusters: int, entities: int, dimensions: int, *, joined: bool) -> float:
    """Peak memory of Birch in MiB, within a quarter.

    Args:
        subclusters: Leaves of the tree.
        entities: Entities in the tree. A subcluster of one entity keeps its batch in memory.
        dimensions: Of the points.
        joined: Whether Ward's linkage joins the subclusters in the end.
    """
    kept = 8 * dimensions * entities
    tree = (_LEAF_KEPT + _LEAF_NUMBER * dimensions) * subclusters
    return mib(PROCESS + SKLEARN + WRITING + tree + kept + joined * _LEAF_PAIR * subclusters**2)
