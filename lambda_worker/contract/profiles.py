"""Profiles of clusters: what is measured of them by distances, each event in bounded memory.

`survey_clusters` chooses the points to measure and packs clusters into bins, SQL brings the points of a bin
together, a `MedoidsEvent` for each bin looks at every cluster by itself, and one `SilhouettesEvent` at the
clusters against each other. Noise is no cluster, and has no part in any of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lambda_worker.contract.memory import bin_memory_mb
from lambda_worker.contract.messages import (
    ContractError,
    Event,
    Reply,
    count_from,
    number_field,
    object_field,
    positive_field,
    text_field,
)

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers

PART_KINDS = ("number", "category", "set", "text", "geo")
"""Kinds of the features of Gower's distance."""

# Bytes and microseconds, fitted to invocations; tests/profiles/test_profiles_memory.py checks the bytes.
_SURVEY_POINT = 140
_MATRIX, _MATRIX_PARTS, _BLOCKS = 8.2, 8.0, 12 * 2**20
_POINT_US, _CLUSTER_US = 8.0, 120.0


@dataclass(frozen=True, slots=True)
class Part:
    """One of the features of Gower's distance.

    Attributes:
        name: Of its column; a place has two, `<name>_latitude` and `<name>_longitude`.
        kind: One of `PART_KINDS`.
        weight: How much it counts.
        width: Of a number: its range over the day.
    """

    name: str
    kind: str
    weight: float
    width: float = 0.0


def _parts(value: object, name: str) -> tuple[Part, ...]:
    if not isinstance(value, list):
        raise ContractError(f"{name} must be a list of features, not {value!r}")
    return tuple(_part(object_field(item, name)) for item in value)


def _part(body: dict[str, Any]) -> Part:
    part = Part(
        text_field(body.get("name"), "parts.name"),
        text_field(body.get("kind"), "parts.kind"),
        positive_field(body.get("weight"), "parts.weight"),
        number_field(body.get("width", 0.0), "parts.width"),
    )
    if part.kind not in PART_KINDS or part.width < 0:
        raise ContractError(f"{part} is no feature; kinds are {', '.join(PART_KINDS)}")
    return part


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyEvent(Event):
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
        pair_us: Microseconds a distance takes, about.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, bin BIGINT`, the
            points of each cluster (the component) to measure for its medoid, by (component, point).
        silhouettes: The same of the points to measure for silhouettes, all in bin 0.
    """

    operation: ClassVar[str] = "survey_clusters"
    written: ClassVar[tuple[str, ...]] = ("output", "silhouettes")
    readers: ClassVar[Readers] = {
        "medoid_points": count_from(2),
        "silhouette_points": count_from(4),
        "bin_mb": positive_field,
        "budget_s": positive_field,
        "point_bytes": positive_field,
        "pair_us": positive_field,
    }

    clusters: tuple[str, ...]
    point_count: int
    medoid_points: int
    silhouette_points: int
    bin_mb: float
    budget_s: float
    point_bytes: float
    pair_us: float
    output: str
    silhouettes: str


@dataclass(frozen=True, slots=True)
class ClusterBin:
    """Clusters that one invocation looks at: points to read, points of the largest, seconds it may take."""

    points: int
    largest: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyReply(Reply):
    """What a `SurveyEvent` is answered.

    Attributes:
        bins: In the order of their numbers.
        clusters: Of the day, without noise.
        clustered_points: Their points.
        sampled_clusters: Clusters of more than `medoid_points`.
        silhouette_points: Points to measure for silhouettes.
        silhouette_clusters: Clusters they are of; below 2 there are no silhouettes.
        rows: Rows read.
    """

    bins: tuple[ClusterBin, ...] = ()
    clusters: int = 0
    clustered_points: int = 0
    sampled_clusters: int = 0
    silhouette_points: int = 0
    silhouette_clusters: int = 0
    rows: int = 0

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "bins": tuple(ClusterBin(**item) for item in body.get("bins", ()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceEvent(Event):
    """What events that measure points have in common.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` and the
            feature columns; the component is the cluster; rows in any order.
        point_count: Rows in `points`.
        kind: Feature kind: `set`, `vector`, `embedding`, `geo`, `text` or `mixed`.
        columns: The feature columns, as in the table `points` of the kind.
        metric: The distance; `gower` of `mixed`.
        parts: The features of `mixed`.
        output: Address of the Parquet file to write.
    """

    operation: ClassVar[str] = ""
    readers: ClassVar[Readers] = {"parts": _parts}

    points: tuple[str, ...]
    point_count: int
    kind: str
    columns: tuple[str, ...]
    metric: str
    output: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MedoidsEvent(SpaceEvent):
    """Find the medoid of each cluster of a bin, and points that show how far it reaches.

    The medoid is the point with the least sum of distances to the entities of its cluster; of several, the
    one with the smallest id. Ordered by their distance from it, then by id, the cluster's points are shown at
    equal steps from the medoid itself to the farthest: its exemplars.

    Attributes:
        exemplars: Points of a cluster to show at most.
        output: `cluster BIGINT, rank BIGINT, point_id BIGINT, distance DOUBLE, cohesion DOUBLE,
            points BIGINT`, by (cluster, rank): the exemplars from rank 0, the medoid, on; `distance` is
            that to the medoid, `cohesion` the mean of it over the entities that were measured, `points`
            how many points were.
    """

    operation: ClassVar[str] = "medoids"
    readers: ClassVar[Readers] = {"parts": _parts, "exemplars": count_from(1)}

    exemplars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SilhouettesEvent(SpaceEvent):
    """The silhouette of every point, against the points of all other clusters at once.

    As in Rousseeuw, Silhouettes (J. Comput. Appl. Math. 1987), each entity counting as one object: a is the
    mean distance to the other entities of its cluster, b the least mean distance to those of another one, and
    the silhouette (b - a) / max(a, b). It is 0 for the only entity of a cluster, and where a = b = 0.

    Attributes:
        output: `point_id BIGINT, cluster BIGINT, weight BIGINT, silhouette DOUBLE`, by (cluster, point).
    """

    operation: ClassVar[str] = "silhouettes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileReply(Reply):
    """What a `MedoidsEvent` or a `SilhouettesEvent` is answered: points read, clusters, bytes written."""

    rows: int = 0
    clusters: int = 0
    bytes: int = 0


def survey_memory_mb(point_count: int) -> float:
    """Peak memory of a `SurveyEvent` in MiB at most, whatever the entities.

    Args:
        point_count: Points of the day.
    """
    return bin_memory_mb(0.0, 0.0, 0.0, 0.0) + _SURVEY_POINT * point_count / 2**20


def measure_memory_mb(points: int, largest: int, point_bytes: float, parts: int = 0) -> float:
    """Peak memory of a `MedoidsEvent` or a `SilhouettesEvent` in MiB at most.

    Args:
        points: Rows it reads.
        largest: Points that are measured among themselves: of the largest cluster, or all.
        point_bytes: Bytes of the features of a point, on average.
        parts: Features of Gower's distance.
    """
    matrix = (_MATRIX + (_MATRIX_PARTS if parts else 0.0)) * largest**2 + _BLOCKS
    return bin_memory_mb(float(points), 0.0, point_bytes, matrix / 2**20)


def most_points(memory_mb: float, point_bytes: float, parts: int = 0) -> int:
    """Points that fit into an invocation to be measured among themselves, at least 4."""
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
        pair_us: Microseconds of one.
        clusters: How many it looks at.
    """
    return (_POINT_US * points + pair_us * pairs + _CLUSTER_US * clusters) / 1e6


def pair_us(kind: str, size: float) -> float:
    """Microseconds that measuring a distance takes, about; a distance is measured once for each of its ends.

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
    """Memory in MiB that a point takes for being read by these events."""
    return bin_memory_mb(1.0, 0.0, point_bytes, 0.0) - bin_memory_mb(0.0, 0.0, point_bytes, 0.0)
