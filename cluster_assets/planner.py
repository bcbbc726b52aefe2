"""Which executor finds the pairs of a day. Every choice gives the same clusters; they differ in cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.algorithm_spec import Dbscan
from cluster_assets.distance_spec import blockings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.algorithm_spec import Algorithm
    from cluster_assets.distance_spec import BlockingType
    from cluster_assets.pipeline_spec import PipelineSpec

# An SQL grid has at most three axes: each further dimension lets more far pairs through it. Measured with
# benchmarks/bench_candidates.py: in eight dimensions trees on blocks are several times faster.
MOST_JOIN_DIMENSIONS = 5
# A join that measures more pairs a point than this lists a dense day; cells stand for its pairs.
DENSE_COMPARISONS = 64
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
        count_comparisons: Counts the distance tests of the SQL join; called only where it matters.
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
        if comparisons > max(FEW_COMPARISONS, DENSE_COMPARISONS * points):
            reason = f"a join would measure {comparisons:,} pairs of {points:,} points"
            return Choice("cells" if can_be_cells else "blocks", reason)
    return Choice("join", "few pairs share a blocking key")


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
