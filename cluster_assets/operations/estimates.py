"""Cost estimates of days before they are computed: bytes, pairs, invocations, memory, seconds, dollars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.costs import AthenaPrice, LambdaPrice, billed_bytes
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.kmeans import PointTable
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.raw.foresight import SMALL_STATEMENTS
from cluster_assets.stages.raw.source import locate_source
from cluster_assets.stages.sequence import INDEX, STAGES, day_standing, stages_of
from cluster_assets.stages.worker.plans import DayFacts, LatestDay, Plan

if TYPE_CHECKING:
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Ledger
    from cluster_assets.stages.worker.plans import Step

PUBLISHED, TO_COMPUTE = "published", "to compute"
NO_WORKER = "lineage: it runs in Dagster's process, without the worker"


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is known about the pairs of a day.

    Attributes:
        points: Points of the day.
        executor: How pairs will be found.
        reason: Why the planner chose this executor.
        comparisons: Upper bound of the number of pairs; None if it is unknown until the blocks are built.
        basis: The day of these counts: the day itself, or the latest one before it.
        near: Near pairs, if they are published.
        reuse: Whether pairs are taken over from the day before, in words; empty without a window, or if it is
            unknown.
    """

    points: int
    executor: str
    reason: str
    comparisons: int | None
    basis: str
    near: int | None = None
    reuse: str = ""


@dataclass(frozen=True, slots=True)
class DayEstimate:
    """Estimated cost of one day.

    Attributes:
        stages: The state of each stage: published, or to compute.
        source_bytes: Bytes of the source files of the day.
        bytes_to_scan: Bytes of the column chunks that a statement over the source reads, of a window if there
            is one.
        pairs: None if no day of the pipeline is published.
        pairs_limit: `limits.max_pairs`.
        worker: The invocations of the stages to compute, by operation, if every compared pair were near.
        notes: What is unknown about the invocations, and what is assumed instead.
        athena_usd: List price of the statements on Athena.
        lambda_usd: List price of the invocations on Lambda; None if they are unknown.
    """

    pipeline: str
    day: str
    stages: dict[str, str]
    source_files: int
    source_bytes: int
    bytes_to_scan: int
    pairs: Pairs | None
    pairs_limit: int
    worker: tuple[Step, ...]
    notes: tuple[str, ...]
    athena_usd: float
    lambda_usd: float | None

    @property
    def invocations(self) -> int:
        """Number of invocations of all operations."""
        return sum(step.invocations for step in self.worker)

    @property
    def worker_seconds(self) -> float:
        """Total seconds of all invocations."""
        return round(sum(step.seconds for step in self.worker), 3)

    @property
    def worker_memory_mb(self) -> int:
        """Highest predicted memory of an invocation."""
        return round(max((step.memory_mb for step in self.worker), default=0.0))

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as a JSON object, with its sums."""
        return asdict(self) | {
            "invocations": self.invocations,
            "worker_seconds": self.worker_seconds,
            "worker_memory_mb": self.worker_memory_mb,
        }


def estimate_day(job: DayJob) -> DayEstimate:
    """Estimate the cost of a day. Nothing is published, and files written to count rows are removed.

    Raises:
        ClusterAssetsError: The source of the day is missing, unreadable or too large.
    """
    source = locate_source(job.spec, job.backend, job.day)
    scan = job.backend.engine.scan_bytes(source.relation, features.needed_columns(job.spec))
    stages = _states(job)
    pairs = _pairs(job, stages)
    todo = [name for name, state in stages.items() if state == TO_COMPUTE]
    expected = _expected_pairs(job, pairs)
    plan = _worker_plan(job, pairs, expected, todo)
    return DayEstimate(
        pipeline=job.spec.name,
        day=job.day.key,
        stages=stages,
        source_files=len(source.files),
        source_bytes=source.bytes,
        bytes_to_scan=scan * job.spec.window_days,
        pairs=pairs,
        pairs_limit=job.spec.limits.max_pairs,
        worker=plan.steps,
        notes=plan.notes,
        athena_usd=_athena_dollars(stages, scan, job.spec),
        lambda_usd=None if expected is None and "clusters" in todo else _lambda_dollars(job, plan),
    )


def _expected_pairs(job: DayJob, pairs: Pairs | None) -> int | None:
    """Return the pairs to expect: those of the day, else those to compare, else those of the latest day."""
    if pairs is None:
        return None
    known = pairs.near if pairs.near is not None else pairs.comparisons
    return _latest(job, "candidates").number("pairs") if known is None else known


def _worker_plan(job: DayJob, pairs: Pairs | None, expected: int | None, todo: list[str]) -> Plan:
    """Plan the invocations of the stages to compute, as far as it is known how many pairs there are."""
    if not todo:
        return Plan()
    if pairs is None:
        return Plan(
            notes=("worker: invocations and price are unknown until the points of a day are published",)
        )
    by_key = {day.key: day for day in job.ledger.days("points")}
    points = job.ledger.current("points", by_key[pairs.basis])
    if points is None:
        return Plan()
    plan = Plan()
    for stage in stages_of(job.spec):
        if expected is None and "candidates" in stage.deps:
            continue
        if stage.name in todo and points.tables["points"].rows:
            facts = DayFacts(
                spec=job.spec,
                table=PointTable.of(job, points),
                entities=points.tables["members"].rows,
                pairs=expected or 0,
                executor=pairs.executor,
                stage=stage.name,
                latest=_latest(job, stage.name),
            )
            plan += stage.plan_events(facts)
    return plan + Plan(notes=(*_pair_notes(pairs, expected, _latest(job, "candidates")), NO_WORKER))


def _pair_notes(pairs: Pairs, expected: int | None, latest: LatestDay) -> tuple[str, ...]:
    if pairs.near is not None:
        return ()
    if pairs.comparisons is not None:
        return ("pairs: all compared pairs are counted as near, so this is an upper bound",)
    if expected is None:
        return ("clusters: invocations and price are unknown until the candidates of a day are published",)
    return (f"pairs: {expected:,}, as on {latest.day}",)


def _latest(job: DayJob, stage: str) -> LatestDay:
    """Return the metrics of the latest published day of a stage, up to this day."""
    days = [day for day in job.ledger.days(stage) if day.key <= job.day.key]
    manifest = job.ledger.current(stage, days[-1]) if days else None
    return LatestDay() if manifest is None else LatestDay(days[-1].key, manifest.metrics)


def _lambda_dollars(job: DayJob, plan: Plan) -> float:
    seconds = sum(step.seconds for step in plan.steps)
    invocations = sum(step.invocations for step in plan.steps)
    return LambdaPrice().dollars(job.spec.limits.memory_mb, seconds, invocations)


def _states(job: DayJob) -> dict[str, str]:
    """Return the state of each stage, in order; every stage after the first to compute is computed too."""
    standing = day_standing(job.spec, job.backend, job.ledger, job.day)
    states, state = {}, PUBLISHED
    for stage in stages_of(job.spec):
        state = TO_COMPUTE if stage.name == standing.stage else state
        states[stage.name] = state
    return states


def _pairs(job: DayJob, stages: dict[str, str]) -> Pairs | None:
    if stages["points"] != PUBLISHED:
        return _pairs_of_before(job.ledger, job.day)
    if stages["candidates"] == PUBLISHED:
        return _published_pairs(job.ledger.require("candidates", job.day), job.day)
    attempt = job.ledger.start_attempt("candidates", job.day)
    try:
        work = CandidatesStage().prepare(job)
        foresight = work.foresee(attempt)
    finally:
        job.ledger.discard("candidates", job.day, attempt)
    rows = work.points.tables["points"].rows
    choice, reuse = foresight.choice, foresight.reuse
    return Pairs(
        points=rows,
        executor=choice.executor,
        reason=choice.reason,
        comparisons=foresight.comparisons,
        basis=job.day.key,
        reuse="" if reuse is None else reuse.reason,
    )


def _pairs_of_before(ledger: Ledger, day: Day) -> Pairs | None:
    """Return the pairs of the latest earlier day, because this day has no points yet."""
    earlier = [each for each in ledger.days("candidates") if each.key <= day.key]
    if not earlier or (manifest := ledger.current("candidates", earlier[-1])) is None:
        return None
    return Pairs(
        points=_number(manifest, "points") or 0,
        executor=str(manifest.metrics.get("executor", "join")),
        reason=f"as on {earlier[-1]}; publish the points of {day} for a better estimate",
        comparisons=_number(manifest, "comparisons"),
        basis=earlier[-1].key,
    )


def _published_pairs(manifest: Manifest, day: Day) -> Pairs:
    """Return the pairs of the day itself."""
    return Pairs(
        points=_number(manifest, "points") or 0,
        executor=str(manifest.metrics["executor"]),
        reason=str(manifest.metrics["executor_reason"]),
        comparisons=_number(manifest, "comparisons"),
        basis=day.key,
        near=manifest.tables["candidates"].rows,
        reuse=str(manifest.metrics.get("reuse", "")),
    )


def _number(manifest: Manifest, name: str) -> int | None:
    return int(manifest.metrics[name]) if name in manifest.metrics else None


def _athena_dollars(stages: dict[str, str], scan: int, spec: PipelineSpec) -> float:
    """Price the stages that read the source; the other statements read only their small outputs.

    The days of a window are taken to be as large as the day.
    """
    todo = [stage for stage in (*STAGES, INDEX) if stages.get(stage.name) == TO_COMPUTE]
    if not todo:
        return 0.0
    over_source = sum(billed_bytes(scan * stage.source_days(spec)) for stage in todo if stage.reads_source)
    return AthenaPrice().dollars(over_source + SMALL_STATEMENTS * billed_bytes(0))
