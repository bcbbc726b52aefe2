"""Algorithms that never join two components of the threshold graph, run component by component.

`pack` packs the components of a day into bins, SQL collects the points and the pairs of a bin, a
`ComponentsEvent` for each bin clusters its components, and `number` combines the bins.

Mean shift with a flat kernel: climbs in bins, and the clusters that their peaks give for a day. The bandwidth
is half the threshold, so that two points in one window are a candidate pair.

OPTICS: reachability plots of bins, and the clusters from the plot of a day.

A plot is a table `start BIGINT, position BIGINT, point_id BIGINT, copies BIGINT, reachability DOUBLE,
predecessor BIGINT, core_distance DOUBLE`. In the order of (start, position), the plots of all bins of a day
are its ordering. A row represents `copies` consecutive entities of a point: the first entity has a row of its
own, and the others share one. Infinite distances and missing predecessors are -1; `start` is the first point
of a run, which begins when no reachable point is left.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Struct

from lambda_worker.contract.memory import PROCESS, SKLEARN, mib
from lambda_worker.contract.messages import (
    BinEvent,
    ContractError,
    Count,
    CountFrom2,
    DayEvent,
    Event,
    NotNegative,
    Positive,
    TableReply,
    Text,
    Texts,
)

POINT_BYTES = 64.0
"""Default size of a point's features: eight numbers or tokens."""

# Peak bytes per item; tests/worker/clusterers/test_components_memory.py checks them.
_PACK_POINT, _PACK_COMPONENT = 20, 72
_NUMBER_POINT = 50


Linkage = Literal["single", "complete", "average", "ward"]
"""What counts as the height of a merge: the least, largest or mean distance of the entities of two clusters,
or how much the spread of Euclidean vectors grows."""


class PackEvent(DayEvent, frozen=True, kw_only=True, tag="pack"):
    """Pack the components of a day into bins, each for one invocation.

    Attributes:
        labels: Addresses of Parquet files with `point_id BIGINT, cluster BIGINT`: the component of a point.
        candidates: Addresses of candidates files, to count the pairs of each component.
        algorithm: The algorithm, whose type determines memory and time, see `contract.component_costs`.
        memory_mb: Memory that an invocation may use.
        budget_s: Seconds a bin should take at most.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, bin BIGINT`, in
            point order.
        point_bytes: Bytes that the features of a point take in memory, on average: 8 for each number of a
            vector or place, 8 for each token of a set and 150 for each one that no other point has, 5 for
            each character of a text.
    """

    labels: Texts
    candidates: Texts
    algorithm: dict[str, Any]
    memory_mb: Positive
    budget_s: Positive
    point_bytes: Positive = POINT_BYTES


class Bin(Struct, frozen=True, forbid_unknown_fields=True):
    """The components of one invocation, with its estimated cost."""

    points: Count
    pairs: Count
    components: Count
    memory_mb: Positive
    seconds: float


class PackReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `PackEvent`.

    A component that does not fit is refused with a `CapacityError` that names the memory it would need.

    Attributes:
        bins: The bins in order of their numbers.
        components: Components of the day.
        largest_points: Points of the largest component.
    """

    bins: tuple[Bin, ...] = ()
    components: int = 0
    largest_points: int = 0


class ComponentsEvent(BinEvent, frozen=True, kw_only=True, tag="components"):
    """Cluster whole components, one after the other.

    Attributes:
        candidates: Addresses of candidates files with the pairs of these components and no others.
        kind: Feature kind: `set`, `vector`, `embedding`, `geo` or `text`.
        metric: The distance.
        threshold: Pairs at most this far apart are candidates.
        algorithm: Type and parameters, one of `lambda_worker.clusterers.components.ALGORITHMS`.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, cluster BIGINT,
            role BIGINT, probability DOUBLE`, by point id. Clusters are numbered within their component, -1 is
            noise; roles are codes of `lambda_worker.tables.labels.ROLES`; probability is 1 where there is
            none.
    """

    candidates: Texts
    kind: Text
    metric: Text
    threshold: Positive
    algorithm: dict[str, Any]


class ComponentsReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `ComponentsEvent`: rows and bytes written, components and clusters in them.

    Attributes:
        contested: Merges of a hierarchy that tie with another one, up to rounding. If it is 0, the clusters
            are those of scikit-learn.
    """

    components: int = 0
    clusters: int = 0
    contested: int = 0


class NumberEvent(DayEvent, frozen=True, kw_only=True, tag="number"):
    """Combine the labels of bins, and number the clusters of the day by their smallest point id.

    Attributes:
        parts: Addresses of the files of `ComponentsEvent`s; together they hold every point once.
        output: Address of the Parquet file to write, as in `ClusterEvent`; answered by a `ClusterReply`.
    """

    parts: Texts


def pack_memory_mb(point_count: int, components: int | None = None) -> float:
    """Peak memory of a `PackEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        components: Number of components; None if unknown, which assumes one per point.
    """
    packed = point_count if components is None else components
    return mib(PROCESS + _PACK_POINT * point_count + _PACK_COMPONENT * packed)


def number_memory_mb(point_count: int) -> float:
    """Peak memory of a `NumberEvent` in MiB, within a quarter."""
    return mib(PROCESS + _NUMBER_POINT * point_count)


# Peak bytes per item; tests/worker/clusterers/test_plots_memory.py checks them.
_CLIMBING, _CLIMB, _CLIMB_NUMBER = 12 * 2**20, 180, 45
_LABELLED, _PEAK, _PEAK_NUMBER = 22, 30, 30


class ClimbEvent(BinEvent, frozen=True, kw_only=True, tag="climb"):
    """Climb from every point of whole components of the threshold graph.

    Attributes:
        threshold: Twice the bandwidth.
        output: Address of the Parquet file to write: `seed BIGINT, intensity BIGINT, centre ARRAY(DOUBLE)`,
            one row a peak: the highest id of the points that climb to it, the entities in its last window,
            and their mean.
    """

    threshold: Positive


class ClimbReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `ClimbEvent`: peaks and bytes written, most steps of a climb."""

    steps: int = 0


class PeaksEvent(Event, frozen=True, kw_only=True, tag="peaks"):
    """Drop peaks near higher ones and label each point by the nearest; answered by a `ClusterReply`.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` and the feature columns: the
            whole day.
        peaks: Addresses of the files of `ClimbEvent`s; together they began at every point of the day.
        point_count: Points of the day.
        columns: The feature columns.
        threshold: Twice the bandwidth.
        cluster_all: Whether points farther than the bandwidth from every peak belong to the nearest one, too;
            else they are noise.
        output: Address of the Parquet file to write, as in `ClusterEvent`.
        centres_output: Address of a Parquet file to write besides: `centre BIGINT, cluster BIGINT,
            dimension BIGINT, value DOUBLE`, the centres that have points. None: it is not written.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "centres_output")
    points: Texts
    peaks: Texts
    point_count: Count
    columns: Texts
    threshold: Positive
    cluster_all: bool
    output: Text
    centres_output: Text | None = None


def climb_memory_mb(point_count: int, dimensions: int) -> float:
    """Peak memory of a `ClimbEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the bin.
        dimensions: Of the vectors.
    """
    climbs = (_CLIMB + _CLIMB_NUMBER * dimensions) * point_count
    return mib(PROCESS + SKLEARN + _CLIMBING + climbs)


def peaks_memory_mb(point_count: int, peaks: int, dimensions: int) -> float:
    """Peak memory of a `PeaksEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        peaks: Rows of the files of peaks.
        dimensions: Of the vectors.
    """
    kept = (_PEAK + _PEAK_NUMBER * dimensions) * peaks
    return mib(PROCESS + SKLEARN + _LABELLED * point_count + kept)


XI: Final = "xi"

# Peak bytes per item; tests/worker/clusterers/test_plots_memory.py checks them.
_ORDERED_PAIR, _ORDERED_POINT = 66, 130
_EVENT, _PLOT_ROW = 83, 55


class OrderEvent(Event, frozen=True, kw_only=True, tag="order"):
    """Draw the reachability plot of whole components of the threshold graph.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`; rows in any order.
        candidates: Addresses of candidates files with the pairs of these points and no others.
        point_count: Rows in `points`.
        min_samples: Entities within the core distance, the point's own included.
        output: Address of the Parquet file to write: a plot.
    """

    points: Texts
    candidates: Texts
    point_count: Count
    min_samples: CountFrom2
    output: Text


class OrderReply(TableReply, frozen=True, kw_only=True):
    """The reply to an `OrderEvent`.

    Attributes:
        core_points: Points with a core distance.
        runs: Starts without a reachable point.
    """

    core_points: int = 0
    runs: int = 0


class ExtractEvent(Event, frozen=True, kw_only=True, tag="extract"):
    """Find the clusters in the plot of a day; answered by a `ClusterReply`.

    Attributes:
        plots: Addresses of the files of `OrderEvent`s; together they hold every point of the day.
        point_count: Points of the day.
        threshold: Pairs at most this far apart were candidates: `max_eps`.
        min_samples: As in `OrderEvent`.
        cluster_method: `xi` or `dbscan`.
        xi: Steepness that ends a cluster, between 0 and 1, for `xi`.
        eps: Distance for `dbscan`, at most the threshold, which counts where it is None.
        min_cluster_size: Entities of a cluster at least, for `xi`; `min_samples` where it is None.
        predecessor_correction: For `xi`.
        output: Address of the Parquet file to write, as in `ClusterEvent`.
    """

    plots: Texts
    point_count: Count
    threshold: Positive
    min_samples: CountFrom2
    output: Text
    cluster_method: Literal["xi", "dbscan"] = XI
    xi: Annotated[float, Meta(ge=0, lt=1)] = 0.05
    eps: NotNegative | None = None
    min_cluster_size: CountFrom2 | None = None
    predecessor_correction: bool = True

    def __post_init__(self) -> None:
        if self.eps is not None and self.eps > self.threshold:
            raise ContractError(f"eps must be at most the threshold {self.threshold}, not {self.eps}")


def order_memory_mb(point_count: int, pairs: int) -> float:
    """Peak memory of an `OrderEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the bin.
        pairs: Pairs of the bin.
    """
    return mib(PROCESS + _ORDERED_POINT * point_count + _ORDERED_PAIR * pairs)


def extract_memory_mb(point_count: int, heavy_points: int, flat_rows: int) -> float:
    """Peak memory of an `ExtractEvent` in MiB, within a quarter.

    Args:
        point_count: Points of the day.
        heavy_points: Points of a weight above 1.
        flat_rows: Rows that an event has at most: the heaviest weight less 1, or for `xi`
            max(min_samples + 2, min_cluster_size), whichever is less; 1 for `dbscan`.
    """
    rows = point_count + heavy_points * flat_rows
    return mib(PROCESS + SKLEARN + _EVENT * (point_count + heavy_points) + _PLOT_ROW * rows)
