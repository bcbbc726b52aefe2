"""What a day would take, before anything is computed: bytes, pairs, invocations, memory, seconds, dollars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets import features
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.prices import AthenaPrice, LambdaPrice, billed_bytes
from cluster_assets.stages.candidates import CandidatesStage
from cluster_assets.stages.foresight import SMALL_STATEMENTS
from cluster_assets.stages.forests import ShardSizes
from cluster_assets.stages.source import locate_source
from cluster_assets.stages.way import STAGES
from lambda_worker.contract.memory import cluster_memory_mb
from lambda_worker.contract.timing import cluster_seconds

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob, Stage

PUBLISHED, TO_COMPUTE = "published", "to compute"


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is known of the pairs of a day.

    Attributes:
        points: Points of the day.
        executor: How pairs will be found.
        reason: Why so.
        comparisons: Distance tests, at least as many as pairs; None where only making the blocks would tell.
        basis: The day these numbers were counted on: the day itself, or the latest one before it.
    """

    points: int
    executor: str
    reason: str
    comparisons: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class DayEstimate:
    """What one day would take.

    Attributes:
        stages: Each stage with what would happen to it: it stands already, or it is computed.
        source_bytes: Bytes of the source files of the day.
        bytes_to_scan: Bytes of the column chunks the statements over the source read.
        pairs: None before any day of the pipeline was computed.
        pairs_limit: `limits.max_pairs`.
        invocations: Of the worker for the clusters, at most: were every compared pair near.
        worker_memory_mb: Predicted highest memory of an invocation that labels the points.
        worker_seconds: Predicted, of all invocations.
        athena_usd: List price of the statements, were they run by Athena.
        lambda_usd: List price of the invocations, were they run by Lambda.
    """

    pipeline: str
    day: str
    stages: dict[str, str]
    source_files: int
    source_bytes: int
    bytes_to_scan: int
    pairs: Pairs | None
    pairs_limit: int
    invocations: int
    worker_memory_mb: int
    worker_seconds: float
    athena_usd: float
    lambda_usd: float

    def to_json(self) -> dict[str, Any]:
        """The estimate as a JSON object."""
        return asdict(self)


def estimate_day(job: DayJob) -> DayEstimate:
    """Foresee a day; nothing is published, and what had to be written to count is removed.

    Raises:
        ClusterAssetsError: The source of the day is missing, unreadable or too large.
    """
    source = locate_source(job.spec, job.backend, job.day)
    scan = job.backend.engine.scan_bytes(source.relation, features.needed_columns(job.spec))
    stages = {stage.name: state for stage, state in _states(job)}
    pairs = _pairs(job, fresh=stages["points"] == PUBLISHED)
    once = _worker_seconds(job, pairs)
    shards = _shards(job, pairs, once)
    seconds = once * (1 if shards == 1 else 2)
    memory = job.spec.limits.memory_mb
    runs = stages["clusters"] == TO_COMPUTE
    return DayEstimate(
        pipeline=job.spec.name,
        day=job.day.key,
        stages=stages,
        source_files=len(source.files),
        source_bytes=source.bytes,
        bytes_to_scan=scan,
        pairs=pairs,
        pairs_limit=job.spec.limits.max_pairs,
        invocations=1 if shards == 1 else 2 * shards + 2,
        worker_memory_mb=round(_worker_memory_mb(job, pairs)),
        worker_seconds=round(seconds, 3),
        athena_usd=_athena_dollars(stages, scan),
        lambda_usd=LambdaPrice().dollars(memory, seconds, 2 * shards) if runs else 0.0,
    )


def _states(job: DayJob) -> list[tuple[Stage, str]]:
    """The stages in order; after the first that is to compute, the others are too."""
    found: list[tuple[Stage, str]] = []
    stands = True
    for stage in STAGES:
        stands = stands and _stands(stage, job)
        found.append((stage, PUBLISHED if stands else TO_COMPUTE))
    return found


def _stands(stage: Stage, job: DayJob) -> bool:
    current = job.ledger.current(stage.name, job.day)
    if current is None:
        return False
    try:
        return current.input_digest == digest_of(stage.prepare(job).inputs)
    except UpstreamMissingError:
        return False


def _pairs(job: DayJob, *, fresh: bool) -> Pairs | None:
    if not fresh:
        return _pairs_of_before(job.ledger, job.day)
    attempt = job.ledger.start_attempt("candidates", job.day)
    try:
        work = CandidatesStage().prepare(job)
        foresight = work.foresee(attempt)
    finally:
        job.ledger.discard("candidates", job.day, attempt)
    rows = work.points.tables["points"].rows
    choice = foresight.choice
    return Pairs(rows, choice.executor, choice.reason, foresight.comparisons, job.day.key)


def _pairs_of_before(ledger: Ledger, day: Day) -> Pairs | None:
    """The numbers of the latest day before, for want of this day's points."""
    earlier = [each for each in ledger.days("candidates") if each.key <= day.key]
    if not earlier or (manifest := ledger.current("candidates", earlier[-1])) is None:
        return None
    return Pairs(
        points=_number(manifest, "points") or 0,
        executor=str(manifest.metrics.get("executor", "join")),
        reason=f"as on {earlier[-1]}; materialize points of {day} to know better",
        comparisons=_number(manifest, "comparisons"),
        basis=earlier[-1].key,
    )


def _number(manifest: Manifest, name: str) -> int | None:
    return int(manifest.metrics[name]) if name in manifest.metrics else None


def _worker_memory_mb(job: DayJob, pairs: Pairs | None) -> float:
    if pairs is None:
        return cluster_memory_mb(job.spec.algorithm.type, 0, 0)
    return cluster_memory_mb(job.spec.algorithm.type, pairs.points, pairs.comparisons or 0)


def _worker_seconds(job: DayJob, pairs: Pairs | None) -> float:
    """Seconds of the worker were every compared pair near: an upper bound of the model."""
    points, compared = (pairs.points, pairs.comparisons or 0) if pairs else (0, 0)
    return cluster_seconds(job.spec.algorithm.type, points, compared)


def _shards(job: DayJob, pairs: Pairs | None, seconds: float) -> int:
    """Shards of the day, by the same bound."""
    sizes = ShardSizes.within(job.spec.limits.timeout_s)
    if seconds <= sizes.one_s:
        return 1
    return -(-(pairs.comparisons or 0) // sizes.shard_rows) if pairs else 1


def _athena_dollars(stages: dict[str, str], scan: int) -> float:
    """`raw` and `points` read the source; all other statements read what they left, which is small."""
    todo = [name for name, state in stages.items() if state == TO_COMPUTE]
    if not todo:
        return 0.0
    over_source = sum(name in ("raw", "points") for name in todo) * billed_bytes(scan)
    return AthenaPrice().dollars(over_source + SMALL_STATEMENTS * billed_bytes(0))
