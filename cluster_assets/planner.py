"""Which executor finds the pairs of a day. Every choice gives the same clusters; they differ in cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.algorithm_spec import Dbscan
from cluster_assets.distance_spec import blockings_of
from lambda_worker.contract.memory import grid_points_within, set_join_memory_mb, text_join_memory_mb

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.algorithm_spec import Algorithm
    from cluster_assets.distance_spec import BlockingType
    from cluster_assets.pipeline_spec import Limits, PipelineSpec

# An SQL grid has at most three axes: each further dimension lets more far pairs through it. Measured with
# benchmarks/bench_candidates.py: in eight dimensions trees on blocks are several times faster.
MOST_JOIN_DIMENSIONS = 5
# A join that measures more pairs a point than this lists a dense day; cells stand for its pairs.
DENSE_COMPARISONS = 64
# A worker that holds all points certifies them as fast as it lists their pairs, and leaves a tenth to read.
CERTIFIED_COMPARISONS = 16
# From so many points on, vectors of few dimensions are compared in the memory of a worker, faster than by any
# join; below, starting one takes longer. Beyond, a block would be too large for an invocation.
MANY_POINTS = 20_000
MOST_MEASURED_POINTS = 100_000_000
# Some seconds of one processor.
_MOST_GRID_POINTS = 1 << 22
_PLACE_DIMENSIONS = 8  # angles, a cosine and three coordinates: as much memory as so many dimensions
# Texts are looked up in some edits^3 / 3 places, by keys of a part in (edits + 1) of their length.
_MOST_JOINED_EDITS = 4
_SHORT_TEXT, _SMALL_SET = 8, 4  # characters and tokens; of more the worker tells whether they fit
MEMORY_FILL = 0.85
# Below this many distance tests every executor takes a moment; the one that lists all pairs is chosen.
FEW_COMPARISONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """An executor and, for people, why it was chosen."""

    executor: BlockingType
    reason: str


def choose_executor(spec: PipelineSpec, points: int, count_comparisons: Callable[[], int]) -> Choice:
    """Choose by the YAML, then by the kind of the features, then by how dense the day is.

    Args:
        spec: The pipeline.
        points: Points of the day.
        count_comparisons: Counts the distance tests of the SQL join, or guesses them by a sample where
            `is_measured`; called only where it matters.
    """
    if spec.blocking.type != "auto":
        return Choice(spec.blocking.type, "named in blocking.type")
    if spec.features.kind == "embedding":
        return Choice("blocks", "embeddings are compared by matrix products")
    dimensions = len(spec.features.vector or ())
    if dimensions > MOST_JOIN_DIMENSIONS:
        return Choice("blocks", f"{dimensions} dimensions are too many for a grid")
    can_be_cells = "cells" in blockings_of(spec.features, spec.near, spec.algorithm)
    if can_be_cells or dimensions > 3:
        comparisons = count_comparisons()
        is_held = can_be_cells and is_measured(spec, points) and is_certified(spec, points)
        dense = CERTIFIED_COMPARISONS if is_held else DENSE_COMPARISONS
        if comparisons > max(FEW_COMPARISONS, dense * points):
            reason = f"a join would measure {comparisons:,} pairs of {points:,} points"
            return Choice("cells" if can_be_cells else "blocks", reason)
    is_list = is_joined(spec, points)
    if is_list or is_measured(spec, points):
        points_of = f"{spec.features.kind}s" if is_list else "points of few dimensions"
        return Choice("blocks", f"{points:,} {points_of} are compared in memory")
    return Choice("join", "few pairs share a blocking key")


def is_certified(spec: PipelineSpec, points: int) -> bool:
    """Whether one invocation holds all points at once, should their day get a certificate."""
    dimensions = len(spec.features.vector or ())
    return bool(dimensions) and points <= most_grid_points(spec.limits, dimensions)


def is_measured(spec: PipelineSpec, points: int) -> bool:
    """Whether the worker compares the points of a day on a grid, however near they are.

    Vectors are cut into blocks where they are too many for one invocation; places are not. HDBSCAN searches
    again and again, and only a join leaves out what it has connected before.
    """
    if points < MANY_POINTS or spec.algorithm.type == "hdbscan":
        return False
    if spec.features.kind == "geo":
        return points <= most_grid_points(spec.limits, _PLACE_DIMENSIONS)
    is_grid = 0 < len(spec.features.vector or ()) <= MOST_JOIN_DIMENSIONS and spec.near.metric != "cosine"
    return is_grid and points <= MOST_MEASURED_POINTS


def is_joined(spec: PipelineSpec, points: int) -> bool:
    """Whether the worker compares the texts or sets of a day in one invocation.

    It declines when it reads more than it may hold, or when too many points share their keys. HDBSCAN: as in
    `is_measured`.
    """
    kind, threshold = spec.features.kind, spec.near.threshold
    if points < MANY_POINTS or spec.algorithm.type == "hdbscan":
        return False
    if kind == "text":
        least_mb = text_join_memory_mb(points, _SHORT_TEXT * points, int(threshold))
        return threshold <= _MOST_JOINED_EDITS and least_mb <= memory_to_fill(spec.limits)
    least_mb = set_join_memory_mb(points, _SMALL_SET * points, 4 * _SMALL_SET * points)
    return kind == "set" and threshold < 1 and least_mb <= memory_to_fill(spec.limits)


def most_grid_points(limits: Limits, dimensions: int) -> int:
    """Points that one invocation compares on a grid in its memory and some seconds."""
    return min(_MOST_GRID_POINTS, grid_points_within(memory_to_fill(limits), dimensions))


def memory_to_fill(limits: Limits) -> float:
    """Memory in MiB that plans may fill in an invocation; the rest is for what no model knows."""
    return limits.memory_mb * MEMORY_FILL


def min_samples_of(algorithm: Algorithm) -> int:
    """Entities within the threshold that make a core; connected components know cores of one entity only."""
    return algorithm.min_samples if isinstance(algorithm, Dbscan) else 1


def may_certify(spec: PipelineSpec) -> bool:
    """Whether the candidates of a day may be a certificate, which depends on the algorithm too."""
    return (
        spec.distance is not None
        and spec.blocking.type in ("auto", "cells")
        and "cells" in blockings_of(spec.features, spec.distance, spec.algorithm)
    )
