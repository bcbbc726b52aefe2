"""What an exploration found: every setting on every day and over all days, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cluster_assets.operations.explore.grid import SettingGrid

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class SettingFound:
    """The clusters of one setting: of one day, or means over several.

    Attributes:
        clusters: Number of clusters, as the pipeline would publish.
        noise: Entities in no cluster.
        single: Entities that are alone in their cluster.
        largest: Entities of the largest cluster.
        entities: Entities of the day.
        agreement_threshold: Adjusted Rand index with the next smaller threshold.
        agreement_min_samples: Adjusted Rand index with the next smaller `min_samples`.
        agreement_days: Mean adjusted Rand index with the day before, on the entities of both days.
        silhouette: Mean silhouette of the clustered entities of a sample.
        silhouette_points: Points of the sample that were clustered.
    """

    threshold: float
    min_samples: int
    clusters: int
    noise: int
    single: int
    largest: int
    entities: int
    agreement_threshold: float | None = None
    agreement_min_samples: float | None = None
    agreement_days: float | None = None
    silhouette: float | None = None
    silhouette_points: int = 0

    @property
    def in_clusters(self) -> int:
        """Entities that share their cluster with another one."""
        return self.entities - self.noise - self.single

    def share(self, entities: int) -> float:
        """Return a number of entities as a share of the day."""
        return entities / self.entities if self.entities else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the setting as a JSON object."""
        return {
            "threshold": self.threshold,
            "min_samples": self.min_samples,
            "clusters": self.clusters,
            "noise": self.noise,
            "noise_share": round(self.share(self.noise), _DIGITS),
            "largest": self.largest,
            "entities_in_clusters": self.in_clusters,
            "single": self.single,
            "agreement_threshold": self.agreement_threshold,
            "agreement_min_samples": self.agreement_min_samples,
            "agreement_days": self.agreement_days,
            "sampled_silhouette": self.silhouette,
            "silhouette_points": self.silhouette_points,
        }


@dataclass(frozen=True, slots=True)
class DayFound:
    """One day.

    Attributes:
        pairs: Pairs within the largest threshold.
        left_out: Why larger thresholds were left out; empty if none were.
        settings: By (`min_samples`, threshold).
        curves: For each `min_samples`, the share of entities that are core at each distance of `curve`.
        curve: The distances.
    """

    day: str
    entities: int
    points: int
    pairs: int
    left_out: str
    settings: tuple[SettingFound, ...]
    curve: tuple[float, ...]
    curves: tuple[tuple[int, tuple[float, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the day as a JSON object."""
        return {
            "day": self.day,
            "entities": self.entities,
            "points": self.points,
            "pairs": self.pairs,
            "left_out": self.left_out,
            "settings": [one.to_json() for one in self.settings],
            "k_distance": [
                {"min_samples": samples, "distance": list(self.curve), "core_share": list(shares)}
                for samples, shares in self.curves
            ],
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting and the reason for it.

    Attributes:
        reason: In words, with numbers.
        changes: Whether it differs from the YAML.
        score: As `suggestion.suggest` explains; None if no setting qualifies.
    """

    threshold: float
    min_samples: int
    reason: str
    changes: bool
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the suggestion as a JSON object."""
        return {
            "threshold": self.threshold,
            "min_samples": self.min_samples,
            "reason": self.reason,
            "changes": self.changes,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """What an exploration found.

    Attributes:
        metric: Metric of the distance.
        grid: The settings that all days have.
        configured: Threshold and `min_samples` of the YAML.
        settings: Of the day, or the means of all days, by (`min_samples`, threshold).
    """

    pipeline: str
    metric: str
    grid: SettingGrid
    configured: tuple[float, int]
    days: tuple[DayFound, ...]
    settings: tuple[SettingFound, ...]
    suggestion: Suggestion

    def setting(self, threshold: float, min_samples: int) -> SettingFound | None:
        """Return a setting; None if it was left out."""
        wanted = (threshold, min_samples)
        return next((one for one in self.settings if (one.threshold, one.min_samples) == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object; `settings` holds means if there are several days."""
        return {
            "pipeline": self.pipeline,
            "metric": self.metric,
            "configured": {"threshold": self.configured[0], "min_samples": self.configured[1]},
            "settings": [one.to_json() for one in self.settings],
            "suggested": self.suggestion.to_json(),
            "days": [one.to_json() for one in self.days],
        }


def mean_settings(days: Sequence[DayFound]) -> tuple[SettingFound, ...]:
    """Return the settings that all days have, with means of their numbers; counts are rounded."""
    if len(days) == 1:
        return days[0].settings
    by_setting = [{(one.min_samples, one.threshold): one for one in day.settings} for day in days]
    shared = [key for key in by_setting[0] if all(key in found for found in by_setting)]
    return tuple(_mean([found[key] for found in by_setting]) for key in shared)


def _mean(found: Sequence[SettingFound]) -> SettingFound:
    def count(values: Iterable[int]) -> int:
        return round(fmean(values))

    return SettingFound(
        threshold=found[0].threshold,
        min_samples=found[0].min_samples,
        clusters=count(one.clusters for one in found),
        noise=count(one.noise for one in found),
        single=count(one.single for one in found),
        largest=count(one.largest for one in found),
        entities=count(one.entities for one in found),
        agreement_threshold=_known_mean(one.agreement_threshold for one in found),
        agreement_min_samples=_known_mean(one.agreement_min_samples for one in found),
        agreement_days=_known_mean(one.agreement_days for one in found),
        silhouette=_known_mean(one.silhouette for one in found),
        silhouette_points=count(one.silhouette_points for one in found),
    )


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), _DIGITS) if known else None
