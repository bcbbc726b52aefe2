"""Publishing one day of a stage, including stages whose days form a chain.

After a run has published a day of a chain, it checks whether the day before has changed meanwhile, and then
checks the day after. Of two concurrent runs, the one that publishes last sees the other's day. When both have
finished, every day is computed from the current version of its predecessor. A run that dies in between leaves
stale days, which `cluster-assets show` reports.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ConflictError, SourceMissingError
from cluster_assets.stages.day.run import run_day

if TYPE_CHECKING:
    from cluster_assets.domain.days import Day
    from cluster_assets.stages.day.job import DayJob, DayResult
    from cluster_assets.stages.day.stage import Stage

# Each retry means that another run changed the day before in the meantime.
SETTLE_TRIES = 50


def publish_day(stage: Stage, job: DayJob) -> DayResult:
    """Publish a day and return it with what the UI shows.

    A day of a chain is computed from the version of the day before that is published when this returns.

    Raises:
        ConflictError: The day before changed during every attempt.
        ClusterAssetsError: As `run_day`.
    """
    result = _settle(stage, job) if stage.deps_before else run_day(stage, job)
    return replace(result, shown=stage.show(job, result.manifest))


def publish_earlier(stage: Stage, job: DayJob, day: Day) -> DayResult | None:
    """Publish an earlier day that the window of a job includes; None if it has no source.

    Raises:
        ClusterAssetsError: As `run_day`.
    """
    try:
        return publish_day(stage, replace(job, day=day, force=False))
    except SourceMissingError:
        return None


def _settle(stage: Stage, job: DayJob) -> DayResult:
    for _ in range(SETTLE_TRIES):
        result = run_day(stage, job)
        if result.reused or digest_of(stage.prepare(job).inputs) == result.manifest.input_digest:
            return result
        job = replace(job, force=False)
    raise ConflictError(
        f"the days before {job.day} changed {SETTLE_TRIES} times while its {stage.name} was computed",
        where=f"{job.spec.name}/{stage.name}, {job.day}",
        remedy=f"let other runs finish, then: cluster-assets run {job.spec.name} --day {job.day}",
    )


def publish_days_after(stage: Stage, job: DayJob) -> tuple[DayResult, ...]:
    """Publish the later days that depend on a published day, in order; none if the days form no chain.

    Raises:
        ClusterAssetsError: As `run_day`.
    """
    moved: list[DayResult] = []
    job = replace(job, force=False)
    while (day := stage.day_after(job)) is not None:
        job = replace(job, day=day)
        result = publish_day(stage, job)
        if result.reused:
            break
        moved.append(result)
    return tuple(moved)
