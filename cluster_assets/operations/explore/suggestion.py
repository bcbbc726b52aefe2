"""The suggested setting: stable among its neighbours, with many entities in clusters that are well apart."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

from cluster_assets.domain.counts import counted
from cluster_assets.operations.explore.findings import Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.operations.explore.findings import SettingFound
    from cluster_assets.operations.explore.grid import SettingGrid

_Number = TypeVar("_Number", int, float)
_FEWEST_CLUSTERS = 2
_LARGEST_SHARE = 0.5
# The score is a rule of thumb, so scores this near to the best one count as equal, and the YAML decides.
_CLOSE = 0.02
_TOLD = 0.0005


def suggest(settings: Sequence[SettingFound], grid: SettingGrid, configured: tuple[float, int]) -> Suggestion:
    """Choose a setting by its score.

    A setting qualifies with at least two clusters of which none has more than half of all entities. Its
    score is the product of three numbers: its stability, which is the mean adjusted Rand index with its
    neighbours in the grid and with the day before; the share of entities in clusters; and the sampled
    silhouette, moved from -1..1 to 0..1. Of the settings close to the best score, the configured one is kept;
    else the best one with the configured `min_samples` is taken, if there is one. Ties go to the smaller
    threshold and `min_samples`.

    Args:
        settings: All settings.
        grid: The grid they are from.
        configured: Threshold and `min_samples` of the YAML.
    """
    by_key = {(one.threshold, one.min_samples): one for one in settings}
    scores = {
        key: stability * one.share(one.in_clusters) * (1 + (one.silhouette or 0.0)) / 2
        for key, one in by_key.items()
        if _qualifies(one) and (stability := _stability(key, by_key, grid)) is not None
    }
    if not scores:
        reason = (
            "no setting of the grid has at least two clusters of which none holds more than "
            f"{_LARGEST_SHARE:.0%} of the entities; the configured setting is kept"
        )
        return Suggestion(*configured, reason=reason, changes=False)
    best = max(scores.values())
    close = {key: score for key, score in scores.items() if score >= best - _CLOSE}
    chosen = configured if configured in close else _best_of(close, configured[1])
    reason = _describe(by_key[chosen], _stability(chosen, by_key, grid) or 0.0)
    better = "" if best - scores[chosen] < _TOLD else f"; the best score, {best:.3f}, is close"
    if chosen == configured:
        reason = f"keep the configured setting: {reason}: score {scores[chosen]:.3f}{better}"
    else:
        compared = (
            f"that of the configured setting is {scores[configured]:.3f}"
            if configured in scores
            else "the configured setting has one dominant cluster, or fewer than two"
        )
        reason = f"{reason}: score {scores[chosen]:.3f}{better}; {compared}"
    return Suggestion(*chosen, reason=reason, changes=chosen != configured, score=round(scores[chosen], 6))


def _best_of(scores: Mapping[tuple[float, int], float], min_samples: int) -> tuple[float, int]:
    """Return the setting with the best score, of those with this `min_samples` if there are any."""
    same = [key for key in scores if key[1] == min_samples]
    return max(same or scores, key=lambda key: (scores[key], -key[0], -key[1]))


def _qualifies(one: SettingFound) -> bool:
    return one.clusters >= _FEWEST_CLUSTERS and one.largest <= _LARGEST_SHARE * one.entities


def _stability(
    key: tuple[float, int], by_key: Mapping[tuple[float, int], SettingFound], grid: SettingGrid
) -> float | None:
    """Return the mean agreement with the neighbours; None without neighbours."""
    threshold, samples = key
    larger = _next(grid.thresholds, threshold)
    more = _next(grid.min_samples, samples)
    one = by_key[key]
    after = by_key.get((larger, samples)) if larger is not None else None
    above = by_key.get((threshold, more)) if more is not None else None
    values = (
        one.agreement_threshold,
        one.agreement_min_samples,
        one.agreement_days,
        after.agreement_threshold if after else None,
        above.agreement_min_samples if above else None,
    )
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _next(values: tuple[_Number, ...], value: _Number) -> _Number | None:
    place = values.index(value) + 1
    return values[place] if place < len(values) else None


def _describe(one: SettingFound, stability: float) -> str:
    silhouette = "" if one.silhouette is None else f", and the silhouette of a sample is {one.silhouette:.2f}"
    return (
        f"{one.share(one.in_clusters):.0%} of the entities are in {counted(one.clusters, 'cluster')}, the "
        f"largest has {one.share(one.largest):.0%}; neighbouring settings have a mean adjusted Rand index of "
        f"{stability:.2f} with it{silhouette}"
    )
