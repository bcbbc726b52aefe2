"""Choice of the executor that finds the pairs of a day; all give the same clusters at different cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from cluster_assets.domain.counts import counted
from cluster_assets.spec.fitting import blockings_of
from cluster_assets.spec.metrics import metric_of
from lambda_worker.contract.candidates import (
    MOST_CELL_AXES,
    certificate_memory_mb,
    certify_seconds,
    grid_points_within,
    set_join_memory_mb,
    text_join_memory_mb,
)
from lambda_worker.contract.hdbscan import (
    MOST_TREE_DIMENSIONS,
    TREE_METRICS,
    hdbscan_points_memory_mb,
    hdbscan_points_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.spec.metrics import BlockingType
    from cluster_assets.spec.pipeline import Limits, PipelineSpec

# An SQL grid has at most three axes, so each further dimension lets more far pairs through. Measured with
# benchmarks/bench_candidates.py: in eight dimensions trees on blocks are several times faster.
MOST_JOIN_DIMENSIONS = 5
# A day with more comparisons per point than this counts as dense; dense cells then replace its pairs.
DENSE_COMPARISONS = 64
# A worker that holds all points certifies them as fast as it lists their pairs, and writes a tenth as many.
CERTIFIED_COMPARISONS = 16
# With at least this many points, comparing vectors of few dimensions in a worker's memory is faster than any
# join; with fewer, starting a worker takes longer. The upper limit is what fits into an invocation.
MANY_POINTS = 20_000
MOST_MEASURED_POINTS = 100_000_000
# Some seconds of one core.
_MOST_GRID_POINTS = 1 << 22
_PLACE_DIMENSIONS = 8  # angles, a cosine and three coordinates take as much memory as this many dimensions
# Each text is looked up at about edits^3 / 3 positions, by keys of 1 / (edits + 1) of its length.
_MOST_JOINED_EDITS = 4
_SHORT_TEXT, _SMALL_SET = 8, 4  # characters and tokens; for more, the worker decides whether they fit
MEMORY_FILL = 0.85
# Below this many distance tests every executor is fast, and the one that lists all pairs is chosen.
FEW_COMPARISONS = 1_000_000


IN_WORKER: Final = "in_worker"
"""The executor of days whose algorithm reads points instead of pairs; `candidates` is empty."""
_TREE_SHARE = 0.5  # of the time of an invocation


@dataclass(frozen=True, slots=True)
class Choice:
    """An executor and the reason for choosing it, in words."""

    executor: BlockingType | Literal["in_worker"]
    reason: str


@dataclass(frozen=True, slots=True)
class Density:
    """Queries about the density of a day; run only if the choice of an executor depends on them.

    Attributes:
        count_comparisons: Counts the distance tests of the SQL join, or estimates them on a sample if
            `is_measured`.
        estimate_pairs: Estimates the near pairs of vectors on a sample.
    """

    count_comparisons: Callable[[], int]
    estimate_pairs: Callable[[], int]


def choose_executor(spec: PipelineSpec, points: int, density: Density) -> Choice:
    """Choose by the YAML, then by the kind of the features, then by the density of the day.

    Args:
        spec: The pipeline.
        points: Number of points of the day.
        density: Of the day.
    """
    if spec.blocking.type != "auto":
        return Choice(spec.blocking.type, "named in blocking.type")
    possible = blockings_of(spec.features, spec.near, spec.algorithm)
    if "join" not in possible:
        return Choice("blocks", f"{spec.features.kind}s are compared by matrix products")
    dense = _choose_if_dense(spec, points, density, can_be_cells="cells" in possible)
    if dense is not None:
        return dense
    dimensions = len(spec.features.vector or ())
    if dimensions > MOST_JOIN_DIMENSIONS:
        return Choice("blocks", f"{dimensions} dimensions are too many for a grid")
    is_list = is_joined(spec, points)
    if is_list or is_measured(spec, points):
        points_of = f"{spec.features.kind}s" if is_list else "points of few dimensions"
        return Choice("blocks", f"{points:,} {points_of} are compared in memory")
    return Choice("join", "few pairs share a blocking key")


def _choose_if_dense(
    spec: PipelineSpec, points: int, density: Density, *, can_be_cells: bool
) -> Choice | None:
    """Return the executor of a day with so many near pairs that a join is too slow, or None."""
    dimensions = len(spec.features.vector or ())
    has_grid = dimensions <= MOST_CELL_AXES
    is_held = can_be_cells and is_certified(spec, points)
    if is_held and not has_grid:
        pairs = density.estimate_pairs()
        if pairs > max(FEW_COMPARISONS, CERTIFIED_COMPARISONS * points):
            return Choice("cells", f"about {counted(pairs, 'pair')} of {counted(points, 'point')} are near")
    is_counted = can_be_cells if has_grid else dimensions <= MOST_JOIN_DIMENSIONS
    if not is_counted:
        return None
    comparisons = density.count_comparisons()
    dense = CERTIFIED_COMPARISONS if is_held and is_measured(spec, points) else DENSE_COMPARISONS
    if comparisons <= max(FEW_COMPARISONS, dense * points):
        return None
    reason = f"a join would measure {counted(comparisons, 'pair')} of {counted(points, 'point')}"
    return Choice("cells" if can_be_cells and has_grid else "blocks", reason)


def is_certified(spec: PipelineSpec, points: int) -> bool:
    """Whether one invocation can hold all points to write a certificate."""
    dimensions, limits = len(spec.features.vector or ()), spec.limits
    if dimensions <= MOST_CELL_AXES:
        return bool(dimensions) and points <= most_grid_points(limits, dimensions)
    has_time = certify_seconds(points, dimensions) <= _TREE_SHARE * limits.timeout_s
    return has_time and certificate_memory_mb(points, dimensions) <= memory_to_fill(limits)


def is_measured(spec: PipelineSpec, points: int) -> bool:
    """Whether the worker compares the points of a day on a grid, whatever their density.

    Vectors are cut into blocks if there are too many for one invocation; geographic points are not. HDBSCAN
    searches repeatedly, and only a join leaves out pairs inside components that are already connected.
    """
    if points < MANY_POINTS or spec.algorithm.searches_again:
        return False
    grid = metric_of(spec.features.kind, spec.near.metric).grid
    if grid == "globe":
        return points <= most_grid_points(spec.limits, _PLACE_DIMENSIONS)
    has_few = len(spec.features.vector or ()) <= MOST_JOIN_DIMENSIONS
    return grid == "plane" and has_few and points <= MOST_MEASURED_POINTS


def is_joined(spec: PipelineSpec, points: int) -> bool:
    """Whether the worker compares the texts or sets of a day in one invocation.

    The worker declines if the data exceed its memory or too many points share their keys. HDBSCAN always
    uses a join; see `is_measured`.
    """
    kind, threshold = spec.features.kind, spec.near.threshold
    has_blocks = "blocks" in metric_of(kind, spec.near.metric).executors
    if points < MANY_POINTS or spec.algorithm.searches_again or not has_blocks:
        return False
    if kind == "text":
        least_mb = text_join_memory_mb(points, _SHORT_TEXT * points, int(threshold))
        return threshold <= _MOST_JOINED_EDITS and least_mb <= memory_to_fill(spec.limits)
    least_mb = set_join_memory_mb(points, _SMALL_SET * points, 4 * _SMALL_SET * points)
    return kind == "set" and threshold < 1 and least_mb <= memory_to_fill(spec.limits)


def most_grid_points(limits: Limits, dimensions: int) -> int:
    """Return how many points one invocation can compare on a grid within its memory and some seconds."""
    return min(_MOST_GRID_POINTS, grid_points_within(memory_to_fill(limits), dimensions))


def memory_to_fill(limits: Limits) -> float:
    """Return the memory in MiB that plans may use in an invocation; the rest is a reserve."""
    return limits.memory_mb * MEMORY_FILL


def may_span(spec: PipelineSpec) -> bool:
    """Whether the worker can find the spanning tree of HDBSCAN from coordinates, without a list of pairs."""
    return (
        spec.distance is not None
        and spec.algorithm.searches_again
        and spec.blocking.type == "auto"
        and spec.features.kind in ("vector", "geo")
        and spec.distance.metric in TREE_METRICS
        and _columns(spec) <= MOST_TREE_DIMENSIONS
    )


def is_spanned(spec: PipelineSpec, points: int) -> bool:
    """Whether one invocation spans the points of a day."""
    if not may_span(spec):
        return False
    needed = spanning_cost(spec, points)
    has_time = needed.seconds <= _TREE_SHARE * spec.limits.timeout_s
    return has_time and needed.memory_mb <= memory_to_fill(spec.limits)


@dataclass(frozen=True, slots=True)
class SpanningCost:
    """Predicted memory and time of the invocation that spans the points of a day."""

    memory_mb: float
    seconds: float


def spanning_cost(spec: PipelineSpec, points: int) -> SpanningCost:
    """Predict the cost of HDBSCAN from the coordinates of a day."""
    algorithm: Any = spec.algorithm
    samples = algorithm.min_samples or algorithm.min_cluster_size
    metric, columns = spec.near.metric, _columns(spec)
    return SpanningCost(
        hdbscan_points_memory_mb(points, metric, columns, samples),
        hdbscan_points_seconds(points, metric, columns, samples),
    )


def _columns(spec: PipelineSpec) -> int:
    """Return the number of coordinates of a point."""
    return len(spec.features.vector or ("latitude", "longitude"))


def may_certify(spec: PipelineSpec) -> bool:
    """Whether the candidates of a day may be a certificate, which also depends on the algorithm."""
    return (
        spec.distance is not None
        and spec.blocking.type in ("auto", "cells")
        and "cells" in blockings_of(spec.features, spec.distance, spec.algorithm)
    )
