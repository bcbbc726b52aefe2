"""Whether the configured threshold is still near the one that an exploration of the newest day suggests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.operations.explore.grid import choose_grid
from cluster_assets.operations.explore.run import explore_days

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Watched:
    """What the newest day says about the configured threshold.

    Attributes:
        passed: Whether the configured threshold is near the suggested one.
        numbers: The day, both thresholds and the score; empty if no day could be explored.
    """

    passed: bool
    description: str
    numbers: Mapping[str, float | str] = field(default_factory=dict)


def watch_threshold(spec: PipelineSpec, backend: Backend, ledger: Ledger, factor: float) -> Watched:
    """Explore the newest day with clusters and compare thresholds; `min_samples` stays as configured.

    It costs one search of pairs up to at most twice the threshold and one invocation, within the limits of
    the pipeline. An exploration that fails does not pass, and the description says why.

    Args:
        spec: The pipeline.
        backend: Engine, store and workers.
        ledger: Of the pipeline.
        factor: Smallest ratio of the two thresholds, above 1, that is reported.
    """
    days = ledger.days("clusters")
    if not days:
        return Watched(True, "no day is published")
    grid = replace(choose_grid(spec), min_samples=(spec.algorithm.core_entities,))
    try:
        suggestion = explore_days(spec, days[-1:], (backend, ledger), grid).suggestion
    except ClusterAssetsError as error:
        return Watched(False, f"{days[-1]} could not be explored: {error.what}")
    configured = spec.near.threshold
    ratio = suggestion.threshold / configured
    passed = 1 / factor < ratio < factor
    said = f"{days[-1]}: {suggestion.reason}"
    if not passed:
        said += (
            f". It suggests threshold {suggestion.threshold:g} instead of {configured:g}; look at it: "
            f"cluster-assets explore {spec.name} --day {days[-1]}"
        )
    numbers: dict[str, float | str] = {
        "day": days[-1].key,
        "configured_threshold": configured,
        "suggested_threshold": suggestion.threshold,
    }
    if suggestion.score is not None:
        numbers["score"] = suggestion.score
    return Watched(passed, said, numbers)
