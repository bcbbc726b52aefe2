"""The chain of lineage: a day that changes is carried on to the days after it.

Whoever publishes a day looks once more whether the day before is still what it was, and then at the day
after it. Of two runs at once, the one that publishes last sees the other's day; so when both are done, every
day stands on its predecessor as that is now. Whoever dies in between leaves days that are told as stale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ConflictError
from cluster_assets.stages.lineage import LineageStage, inputs_of
from cluster_assets.stages.lineage_memory import STAGE, oldest_of, recall
from cluster_assets.stages.stage import run_day

if TYPE_CHECKING:
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob, DayResult, Stage

# Each further try means that another run changed the day before meanwhile.
SETTLE_TRIES = 50
MISSING = "missing"
_REASONS = {
    "clusters": "its clusters were computed again",
    "previous": "another day lies before it now",
    "known": "ids of the day before changed",
    "remembered": "clusters of a day before were computed again",
    "spec": "the pipeline's `lineage` says otherwise now",
    "sql": "another version computed it",
}


@dataclass(frozen=True, slots=True)
class StaleDay:
    """A day whose lineage is not what it would be now.

    Attributes:
        reason: In words; `missing` when there is none yet.
    """

    day: Day
    reason: str


def publish(stage: Stage, job: DayJob) -> DayResult:
    """Publish the lineage of a day, on the state of the day before as it is when this returns.

    Raises:
        ClusterAssetsError: As `run_day`.
    """
    for _ in range(SETTLE_TRIES):
        result = run_day(stage, job)
        if result.reused or digest_of(stage.prepare(job).inputs) == result.manifest.input_digest:
            return result
        job = replace(job, force=False)
    raise ConflictError(
        f"the days before {job.day} changed {SETTLE_TRIES} times while its lineage was computed",
        where=f"{job.spec.name}/{STAGE}, {job.day}",
        remedy=f"let other runs finish, then: cluster-assets repair {job.spec.name}",
    )


def follow(job: DayJob) -> tuple[DayResult, ...]:
    """Carry a published day on: the following days of lineage that it changes, in order.

    Raises:
        ClusterAssetsError: As `run_day`.
    """
    moved: list[DayResult] = []
    job = replace(job, force=False)
    while (day := _following(job)) is not None:
        job = replace(job, day=day)
        result = publish(LineageStage(), job)
        if result.reused:
            break
        moved.append(result)
    return tuple(moved)


def stale_days(ledger: Ledger, spec: PipelineSpec) -> tuple[StaleDay, ...]:
    """All days with clusters whose lineage is missing, or is not what it would be now; ascending.

    Of days that stand on each other the first is told; those after it may turn out to be right.

    Raises:
        IntegrityError: A manifest is damaged.
    """
    published = set(ledger.days(STAGE))
    found = []
    for day in ledger.days("clusters"):
        reason = _stale(ledger, spec, day) if day in published else MISSING
        if reason:
            found.append(StaleDay(day, reason))
    return tuple(found)


def _stale(ledger: Ledger, spec: PipelineSpec, day: Day) -> str | None:
    lineage, clusters = ledger.current(STAGE, day), ledger.current("clusters", day)
    if lineage is None or clusters is None:
        return MISSING
    wanted = inputs_of(spec, clusters, recall(ledger, spec, day))
    changed = [name for name in wanted if lineage.inputs.get(name) != wanted[name]]
    return "; ".join(_REASONS[name] for name in changed) or None


def _following(job: DayJob) -> Day | None:
    """The next day of lineage, where it is near enough to stand on this one."""
    later = [day for day in job.ledger.days(STAGE) if day > job.day]
    return later[0] if later and oldest_of(job.spec, later[0]) <= job.day else None
