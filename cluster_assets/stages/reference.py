"""The reference day of a pipeline: the day whose statistics scale all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import InvalidFeaturesError, UpstreamMissingError
from cluster_assets.domain.partitions import parse_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.stage import DayJob


def find_reference(job: DayJob, recipe: Mapping[str, str]) -> Manifest | None:
    """The published points of the day that scales this one; None when the day scales itself.

    Args:
        job: The day to scale.
        recipe: Inputs that the points of both days must share, so that the statistics are of the same
            features.

    Raises:
        UpstreamMissingError: The reference day is not published, or it was made in another way.
        InvalidFeaturesError: It holds no entity to take statistics from.
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
    changed = [name for name, value in recipe.items() if manifest.inputs.get(name) != value]
    if changed or "scales" not in manifest.tables:
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
    """The day the YAML names, None when each day scales itself."""
    key = job.spec.features.scale.reference_day
    return None if key is None else parse_day(key)


def _where(job: DayJob, day: Day) -> str:
    return f"{job.spec.name}, {job.day}, features.scale.reference_day: {day}"


def _command(job: DayJob, day: Day) -> str:
    return f"cluster-assets run {job.spec.name} --day {day}"
