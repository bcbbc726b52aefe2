"""Profiles of clusters: measures from distances, each event in bounded memory.

`survey_clusters` chooses the points to measure and packs clusters into bins, and SQL collects the points of a
bin. A `MedoidsEvent` for each bin measures every cluster on its own, and one `SilhouettesEvent` compares the
clusters. Noise is not a cluster and is ignored here.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from lambda_worker.contract.component_costs import bin_memory_mb
from lambda_worker.contract.messages import (
    BinEvent,
    Count,
    CountFrom1,
    CountFrom2,
    Event,
    NotNegative,
    Positive,
    Reply,
    TableReply,
    Text,
    Texts,
)

# Bytes and microseconds, fitted to invocations; tests/stages/profiles/test_profiles_memory.py checks the
# bytes.
_SURVEY_POINT = 140
_MATRIX, _MATRIX_PARTS, _BLOCKS = 8.2, 8.0, 12 * 2**20
_POINT_US, _CLUSTER_US = 8.0, 120.0


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the features of Gower's distance.

    Attributes:
        name: Name of its column; a place has two, `<name>_latitude` and `<name>_longitude`.
        kind: Kind of the feature.
        weight: Weight in the mean.
        width: The range of a number over the day.
    """

    name: Text
    kind: Literal["number", "category", "set", "text", "geo"]
    weight: Positive
    width: NotNegative = 0.0


class SurveyEvent(Event, frozen=True, kw_only=True, tag="survey_clusters"):
    """Choose the points of a day to measure, and pack its clusters into bins.

    Attributes:
        clusters: Addresses of Parquet files with `point_id BIGINT, cluster BIGINT`, a row an entity; cluster
            -1 is noise.
        point_count: Points of the day; their ids are below it.
        medoid_points: Points of a cluster that are measured among themselves at most; a larger one is
            sampled.
        silhouette_points: Points of all clusters that are measured among themselves at most.
        bin_mb: Memory that the points of a bin may take.
        budget_s: Seconds a bin should take at most.
        point_bytes: Bytes of the features of a point, on average.
        pair_us: Approximate microseconds per distance.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, bin BIGINT`, the
            points of each cluster (the component) to measure for its medoid, by (component, point).
        silhouettes: The same of the points to measure for silhouettes, all in bin 0.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "silhouettes")
    clusters: Texts
    point_count: Count
    medoid_points: CountFrom2
    silhouette_points: Annotated[int, Meta(ge=4)]
    bin_mb: Positive
    budget_s: Positive
    point_bytes: Positive
    pair_us: Positive
    output: Text
    silhouettes: Text


class ClusterBin(Struct, frozen=True, forbid_unknown_fields=True):
    """The clusters of one invocation: points to read, points of the largest, estimated seconds."""

    points: Count
    largest: Count
    seconds: float


class SurveyReply(Reply, frozen=True, kw_only=True):
    """The reply to a `SurveyEvent`.

    Attributes:
        bins: The bins in order of their numbers.
        clusters: Clusters of the day, without noise.
        clustered_points: Points in these clusters.
        sampled_clusters: Clusters with more than `medoid_points` points.
        silhouette_points: Points to measure for silhouettes.
        silhouette_clusters: Clusters of these points; with fewer than 2 there are no silhouettes.
        rows: Rows read.
    """

    bins: tuple[ClusterBin, ...] = ()
    clusters: int = 0
    clustered_points: int = 0
    sampled_clusters: int = 0
    silhouette_points: int = 0
    silhouette_clusters: int = 0
    rows: int = 0


class SpaceEvent(BinEvent, frozen=True, kw_only=True):
    """Base of the events that measure points.

    Attributes:
        kind: Feature kind: `set`, `vector`, `embedding`, `geo`, `text` or `mixed`.
        metric: The distance; `gower` of `mixed`.
        parts: The features of `mixed`.
    """

    kind: Text
    metric: Text
    parts: tuple[Part, ...] = ()


class MedoidsEvent(SpaceEvent, frozen=True, kw_only=True, tag="medoids"):
    """Find the medoid of each cluster of a bin, and points that show how far it reaches.

    The medoid is the point with the smallest sum of distances to the entities of its cluster; ties go to the
    smallest id. The exemplars are points at equal steps in the order by distance from the medoid and then by
    id, from the medoid itself to the farthest point.

    Attributes:
        exemplars: Points of a cluster to show at most.
        output: `cluster BIGINT, rank BIGINT, point_id BIGINT, distance DOUBLE, cohesion DOUBLE,
            points BIGINT`, by (cluster, rank): the exemplars from rank 0, the medoid, on; `distance` is
            that to the medoid, `cohesion` the mean of it over the entities that were measured, `points`
            how many points were.
    """

    exemplars: CountFrom1


class SilhouettesEvent(SpaceEvent, frozen=True, kw_only=True, tag="silhouettes"):
    """The silhouette of every point, against the points of all other clusters at once.

    As in Rousseeuw, Silhouettes (J. Comput. Appl. Math. 1987), each entity counting as one object: a is the
    mean distance to the other entities of its cluster, b the least mean distance to those of another one, and
    the silhouette (b - a) / max(a, b). It is 0 for the only entity of a cluster, and where a = b = 0.

    Attributes:
        output: `point_id BIGINT, cluster BIGINT, weight BIGINT, silhouette DOUBLE`, by (cluster, point).
    """


class ProfileReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `MedoidsEvent` or a `SilhouettesEvent`: points read, clusters, bytes written."""

    clusters: int = 0


def survey_memory_mb(point_count: int) -> float:
    """Upper bound of the peak memory of a `SurveyEvent` in MiB, independent of the number of entities.

    Args:
        point_count: Points of the day.
    """
    return bin_memory_mb(0.0, 0.0, 0.0, 0.0) + _SURVEY_POINT * point_count / 2**20


def measure_memory_mb(points: int, largest: int, point_bytes: float, parts: int = 0) -> float:
    """Upper bound of the peak memory of a `MedoidsEvent` or a `SilhouettesEvent` in MiB.

    Args:
        points: Rows it reads.
        largest: Points that are measured among themselves: of the largest cluster, or all.
        point_bytes: Bytes of the features of a point, on average.
        parts: Features of Gower's distance.
    """
    matrix = (_MATRIX + (_MATRIX_PARTS if parts else 0.0)) * largest**2 + _BLOCKS
    return bin_memory_mb(float(points), 0.0, point_bytes, matrix / 2**20)


def most_points(memory_mb: float, point_bytes: float, parts: int = 0) -> int:
    """Number of points whose distances to each other fit into an invocation, at least 4."""
    low, high = 4, 1 << 16
    while low < high:
        middle = (low + high + 1) // 2
        if measure_memory_mb(middle, middle, point_bytes, parts) <= memory_mb:
            low = middle
        else:
            high = middle - 1
    return low


def measure_seconds(points: float, pairs: float, pair_us: float, clusters: float = 1.0) -> float:
    """Seconds of a `MedoidsEvent` or a `SilhouettesEvent`.

    Args:
        points: Rows it reads.
        pairs: Distances it measures, each of two points twice.
        pair_us: Microseconds per distance.
        clusters: Number of clusters.
    """
    return (_POINT_US * points + pair_us * pairs + _CLUSTER_US * clusters) / 1e6


def pair_us(kind: str, size: float) -> float:
    """Approximate microseconds per distance; each distance is measured once from each of its two ends.

    Args:
        kind: A feature kind; `number` and `category` of mixed features count as `vector`.
        size: Numbers of a vector, tokens of a set, characters of a text, on average.
    """
    if kind == "set":
        return 0.03 + 0.012 * size
    if kind == "text":
        return 0.2 + 0.0016 * size**2
    return 0.08 if kind == "geo" else 0.02 + 0.004 * size


def point_memory_mb(point_bytes: float) -> float:
    """Memory in MiB per point that these events read."""
    return bin_memory_mb(1.0, 0.0, point_bytes, 0.0) - bin_memory_mb(0.0, 0.0, point_bytes, 0.0)
