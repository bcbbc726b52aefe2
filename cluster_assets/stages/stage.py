"""A stage: what it depends on, what it computes, and the one way a day of it comes to be."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from cluster_assets.domain.costs import CostMeter
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.settings import PROJECT_ROOT
from cluster_assets.stages.checks import check_draft, check_metrics, check_published, refuse_blocked
from cluster_assets.stages.ledger import Draft
from cluster_assets.stages.metering import metered
from cluster_assets.stages.trends import TrailingDays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backend import Backend
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.partitions import Day
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.ports import WrittenFile
    from cluster_assets.stages.ledger import Attempt, Ledger

PROGRESS = logging.getLogger("cluster_assets.progress")
REFUSALS = logging.getLogger("cluster_assets.refusals")
"""Told of every day that a blocking check stopped; the record's `error` is the `CheckFailedError`."""


@dataclass(frozen=True, slots=True)
class DayJob:
    """One day of one pipeline to bring about.

    Attributes:
        force: Recompute although nothing changed.
        meter: Adds up what the stage that runs is billed for.
        trailing: Days before it that were read already; jobs of one run may share it.
    """

    spec: PipelineSpec
    backend: Backend
    ledger: Ledger
    day: Day
    force: bool = False
    meter: CostMeter = field(default_factory=CostMeter)
    trailing: TrailingDays = field(default_factory=TrailingDays)

    def metered(self) -> DayJob:
        """The same day with a meter of its own."""
        meter = CostMeter()
        backend = replace(self.backend, engine=metered(self.backend.engine, meter))
        return replace(self, backend=backend, meter=meter)


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a computation left in its attempt's folder, not yet visible to anybody.

    Attributes:
        documents: Small files that are no tables, by name (`report.html`); the ledger writes them.
    """

    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]]
    metrics: Mapping[str, Metric]
    documents: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What people see of a day without opening a table.

    Attributes:
        markdown: Pictures, as they stand in the UI.
        page: Address of the report.
        link: Where a browser opens it; empty for a file of this machine.
    """

    markdown: str
    page: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class DayResult:
    """A published day; `reused` when it had been computed from the same inputs before.

    Attributes:
        checks: What every check of the stage found; no blocking one failed.
        shown: Of a stage that draws.
    """

    manifest: Manifest
    reused: bool
    seconds: float
    checks: tuple[CheckOutcome, ...] = ()
    shown: Shown | None = None


class Work(Protocol):
    """A day of a stage with its upstream pinned, so that what is computed is what was digested."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Everything the day's result is a function of, as short texts or digests."""
        ...

    def compute(self, attempt: Attempt) -> StageOutput:
        """Fill the attempt's folder."""
        ...


class Stage(Protocol):
    """One step of the way of the data."""

    @property
    def name(self) -> str:
        """Name of the stage, its asset and its main table."""
        ...

    def prepare(self, job: DayJob) -> Work:
        """Look at what the day depends on; nothing is computed yet."""
        ...


def run_day(stage: Stage, job: DayJob) -> DayResult:
    """Publish one day of a stage, or find that it stands already.

    The order is the protocol of atomic days: compute into a fresh attempt, check what was written, commit the
    manifest, move the pointer. Whoever dies in between leaves the day as it was, and so does a failed check.

    Raises:
        CheckFailedError: A blocking check failed.
        ClusterAssetsError: Another of its subclasses, with the remedy.
    """
    started = time.perf_counter()
    job = job.metered()
    work = stage.prepare(job)
    input_digest = digest_of(work.inputs)
    if not job.force:
        manifest = job.ledger.find_reusable(stage.name, job.day, input_digest)
        if manifest is not None:
            outcomes = check_published(stage.name, job, work, manifest)
            _refuse_blocked(job, stage, outcomes, f"version {manifest.version}, published before")
            return _report(job, DayResult(manifest, True, time.perf_counter() - started, outcomes))
    attempt = job.ledger.start_attempt(stage.name, job.day)
    output = work.compute(attempt)
    outcomes = check_draft(stage.name, job, work, output)
    _refuse_blocked(job, stage, outcomes, attempt.uri)
    seconds = time.perf_counter() - started
    manifest = job.ledger.commit(
        Draft(
            stage=stage.name,
            day=job.day,
            attempt=attempt,
            input_digest=input_digest,
            inputs=work.inputs,
            tables=output.tables,
            documents=output.documents,
            metrics={
                **output.metrics,
                **check_metrics(outcomes),
                **job.meter.metrics(),
                "seconds": round(seconds, 3),
            },
            force=job.force,
        )
    )
    job.trailing.forget(stage.name, job.day)
    return _report(job, DayResult(manifest, False, time.perf_counter() - started, outcomes))


@cache
def sql_digest(*folders: str) -> str:
    """Digest of the statements in folders of sql/: another text, another result."""
    # *.jinja too: the parts that statements import.
    files = [path for folder in folders for path in sorted((PROJECT_ROOT / "sql" / folder).glob("*.*"))]
    return digest_of({f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8") for path in files})


def _refuse_blocked(job: DayJob, stage: Stage, outcomes: tuple[CheckOutcome, ...], where: str) -> None:
    try:
        refuse_blocked(job, stage.name, outcomes, where)
    except CheckFailedError as error:
        REFUSALS.info("%s/%s %s", job.spec.name, stage.name, job.day, extra={"error": error})
        raise


def _report(job: DayJob, result: DayResult) -> DayResult:
    PROGRESS.info(
        "%s/%s %s",
        job.spec.name,
        result.manifest.stage,
        job.day,
        extra={"day_result": result},
    )
    return result
