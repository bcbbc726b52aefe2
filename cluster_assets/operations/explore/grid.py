"""The settings to try: thresholds around the configured one, and values of `min_samples`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.algorithm import Dbscan
from cluster_assets.spec.fitting import can_explore
from cluster_assets.spec.metrics import metric_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.spec.pipeline import PipelineSpec

_MIN_SAMPLES = (3, 5, 10, 20)
_RATIO, _BELOW, _ABOVE = 2**0.25, 8, 4  # from a quarter to twice the configured threshold
_PARTS, _FIRST_PART = 8, 2  # on a scale with an end: equal steps of an eighth of the threshold
_DIGITS = 3
_CURVE = 60


@dataclass(frozen=True, slots=True)
class SettingGrid:
    """Thresholds and values of `min_samples`, each ascending and distinct.

    Attributes:
        has_min_samples: Whether the algorithm has the parameter; without it, `min_samples` is 1.
    """

    thresholds: tuple[float, ...]
    min_samples: tuple[int, ...]
    has_min_samples: bool

    @property
    def curve(self) -> tuple[float, ...]:
        """Distances up to the largest threshold at which the k-distance curve is drawn."""
        return tuple(self.thresholds[-1] * k / _CURVE for k in range(1, _CURVE + 1))


def choose_grid(
    spec: PipelineSpec, thresholds: Sequence[float] = (), min_samples: Sequence[int] = ()
) -> SettingGrid:
    """Return the settings to try; those of the YAML are always among them.

    Args:
        spec: The pipeline.
        thresholds: By default about a dozen, from a quarter to twice the configured one.
        min_samples: By default 3, 5, 10 and 20.

    Raises:
        SpecError: The algorithm has no such settings, or one of them is invalid.
    """
    algorithm = spec.algorithm
    if not can_explore(algorithm):
        raise SpecError(
            f"explore compares thresholds of density clusters; {algorithm.type} is not one of dbscan, "
            "connected_components and single_linkage",
            where=spec.name,
            remedy="explore a copy of the pipeline with dbscan to learn about its distances",
        )
    _check_thresholds(spec, thresholds)
    if wrong := [value for value in min_samples if value < 1]:
        raise SpecError(f"min_samples must be 1 or more, not {wrong[0]}", where="--min-samples")
    if min_samples and not isinstance(algorithm, Dbscan):
        raise SpecError(
            f"{algorithm.type} has no min_samples", where=spec.name, remedy="leave out --min-samples"
        )
    chosen = {*(thresholds or _thresholds_around(spec)), spec.near.threshold}
    samples = {algorithm.core_entities, *(min_samples or _MIN_SAMPLES)}
    has_min_samples = isinstance(algorithm, Dbscan)
    return SettingGrid(
        tuple(sorted(chosen)), tuple(sorted(samples)) if has_min_samples else (1,), has_min_samples
    )


def _thresholds_around(spec: PipelineSpec) -> list[float]:
    threshold, largest = spec.near.threshold, metric_of(spec.features.kind, spec.near.metric).largest
    if unit_of(spec.near.metric).is_whole:
        return [float(edits) for edits in range(1, int(2 * threshold) + 2)]
    if largest < float("inf"):
        steps = [threshold * part / _PARTS for part in range(_FIRST_PART, 2 * _PARTS + 1)]
    else:
        steps = [threshold * _RATIO**power for power in range(-_BELOW, _ABOVE + 1)]
    rounded = (float(f"{step:.{_DIGITS}g}") for step in steps)
    return [step for step in rounded if 0 < step < largest and unit_of(spec.near.metric).fits(step)]


def _check_thresholds(spec: PipelineSpec, thresholds: Sequence[float]) -> None:
    unit, largest = unit_of(spec.near.metric), metric_of(spec.features.kind, spec.near.metric).largest
    for threshold in thresholds:
        if not 0 < threshold <= largest or not unit.fits(threshold):
            raise SpecError(
                f"{threshold:g} is no threshold of {spec.near.metric}",
                where="--thresholds",
                remedy=f"choose values above 0, up to {min(largest, unit.most):g}"
                + (", without fractions" if unit.is_whole else ""),
            )
