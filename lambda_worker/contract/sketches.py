"""A sketch of a day: what a sample of its points shows about all their distances, for pictures.

The sample is small enough to measure every point against every other one, by the distance of the pipeline.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from lambda_worker.contract.components import Linkage
from lambda_worker.contract.messages import Count, CountFrom2, Event, NotNegative, Reply, Text, Texts
from lambda_worker.contract.profiles import Part, measure_memory_mb, measure_seconds

# Seconds of a projection per step and point, and of loading scikit-learn.
_STEP_US, _LOAD_S = 4.0, 1.5

STEPS = 300
"""Steps of a projection."""


class SketchEvent(Event, frozen=True, kw_only=True, tag="sketch"):
    """Measure a sample of points against each other.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` and the
            feature columns; the component is the cluster. Rows in any order.
        point_count: Rows in `points`.
        columns: The feature columns, as in the table `points` of their kind.
        kind: Feature kind: `set`, `vector`, `embedding`, `geo`, `text` or `mixed`.
        metric: The distance; `gower` of `mixed`.
        parts: The features of `mixed`.
        threshold: The distance of near points; 0 if there is none.
        bins: About how many bins the histogram has.
        projects: Whether to lay the points out in the plane.
        linkage: Which hierarchy of the points to build; None: none.
    """

    written: ClassVar[tuple[str, ...]] = ()
    points: Texts
    point_count: Count
    columns: Texts
    kind: Text
    metric: Text
    parts: tuple[Part, ...] = ()
    threshold: NotNegative = 0.0
    bins: CountFrom2 = 48
    projects: bool = False
    linkage: Linkage | None = None


class DistanceBin(Struct, frozen=True, forbid_unknown_fields=True):
    """Pairs of points with a distance above `low`, up to `high`; the first bin has all shorter ones too."""

    low: float
    high: float
    pairs: Count


class SketchedPoint(Struct, frozen=True, forbid_unknown_fields=True):
    """A point of the sample: its cluster, -1 for noise, its entities, and its place if the event projects."""

    cluster: int
    weight: Count
    x: float = 0.0
    y: float = 0.0


class Merge(Struct, frozen=True, forbid_unknown_fields=True):
    """A merge of two clusters, numbered as by `scipy.cluster.hierarchy.linkage`, and its height."""

    left: Count
    right: Count
    height: float


class SketchReply(Reply, frozen=True, kw_only=True):
    """The reply to a `SketchEvent`.

    Attributes:
        points: The points by (cluster, id).
        histogram: Bins of distances, ascending and adjacent; empty for fewer than two points.
        merges: By height; empty if no linkage was asked for.
    """

    points: tuple[SketchedPoint, ...] = ()
    histogram: tuple[DistanceBin, ...] = ()
    merges: tuple[Merge, ...] = ()


def sketch_memory_mb(points: int, point_bytes: float, parts: int = 0) -> float:
    """Upper bound of the peak memory of a `SketchEvent` in MiB; a few matrices of all distances."""
    return 3 * measure_memory_mb(points, points, point_bytes, parts)


def sketch_seconds(points: int, pair_us: float, *, projects: bool) -> float:
    """Seconds of a `SketchEvent`.

    Args:
        points: Points of the sample.
        pair_us: Microseconds per distance.
        projects: Whether it lays the points out.
    """
    layout = _LOAD_S + _STEP_US * STEPS * points / 1e6 if projects else 0.0
    return measure_seconds(points, points**2, pair_us) + layout
