"""The reference day of a pipeline, whose statistics scale all other days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import InvalidFeaturesError, UpstreamMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.day.job import DayJob


def find_reference(job: DayJob, recipe: Mapping[str, str]) -> Manifest | None:
    """Return the published points of the reference day; None if the day scales itself.

    Args:
        job: The day to scale.
        recipe: Inputs that the points of both days must share, so that the statistics describe the same
            features.

    Raises:
        UpstreamMissingError: The reference day is not published, or was computed with other inputs.
        InvalidFeaturesError: The reference day has no entity to compute statistics from.
    """
    day = reference_day(job)
    if day is None or day == job.day:
        return None
    if job.ledger.current("points", day) is None:
        raise UpstreamMissingError(
            f"{job.day} is scaled by the statistics of {day}, which has not been published",
            where=_where(job, day),
            remedy=f"materialize it first: {_command(job, day)}",
        )
    manifest = job.ledger.require("points", day)
    if manifest.changed_inputs(recipe) or "scales" not in manifest.tables:
        raise UpstreamMissingError(
            f"{job.day} is scaled by the statistics of {day}, which was computed before the pipeline changed",
            where=_where(job, day),
            remedy=f"bring it up to date first: {_command(job, day)}",
        )
    if manifest.tables["scales"].rows == 0:
        raise InvalidFeaturesError(
            f"{job.day} is scaled by the statistics of {day}, which has no valid entity",
            where=_where(job, day),
            remedy="name a day with data as features.scale.reference_day",
        )
    return manifest


def reference_day(job: DayJob) -> Day | None:
    """Return the reference day that the YAML names; None if each day scales itself."""
    key = job.spec.features.scale.reference_day
    return None if key is None else parse_day(key)


def _where(job: DayJob, day: Day) -> str:
    return f"{job.spec.name}, {job.day}, features.scale.reference_day: {day}"


def _command(job: DayJob, day: Day) -> str:
    return f"cluster-assets run {job.spec.name} --day {day}"
