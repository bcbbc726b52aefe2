"""Running one day of a stage: reuse, compute, check, commit."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.stages.day.audit import check_draft, check_metrics, check_published, refuse_blocked
from cluster_assets.stages.day.job import DayResult
from cluster_assets.stages.ledger.ledger import Draft

if TYPE_CHECKING:
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.stage import Stage


PROGRESS = logging.getLogger("cluster_assets.progress")
"""Receives a record for each stage of a day that ends, and for each publication.

A computed stage has `day_result`, every other record has `day`, `stage` and `error`.
"""


def run_day(stage: Stage, job: DayJob) -> DayResult:
    """Publish one day of a stage, or return the published day if it is up to date.

    The steps follow the protocol of atomic days: compute into a fresh attempt, check what was written, commit
    the manifest, move the pointer. If a run dies in between or a check fails, the published day is unchanged.

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
            outcomes = check_published(stage, job, work, manifest)
            refuse_blocked(job, stage.name, outcomes, f"version {manifest.version}, published before")
            return _report(job, DayResult(manifest, True, time.perf_counter() - started, outcomes))
    attempt = job.ledger.start_attempt(stage.name, job.day)
    output = work.compute(attempt)
    scanned = job.meter.bytes_scanned  # before the checks, which scan more
    outcomes = check_draft(stage, job, work, output)
    refuse_blocked(job, stage.name, outcomes, attempt.uri)
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
                "bytes_scanned": scanned,
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


def _report(job: DayJob, result: DayResult) -> DayResult:
    PROGRESS.info(
        "%s/%s %s",
        job.spec.name,
        result.manifest.stage,
        job.day,
        extra={"day_result": result},
    )
    return result


def report_ended(pipeline: str, stage: str, day: str, error: Exception | None = None) -> None:
    """Send the progress record of a stage that failed for a day, or of a publication."""
    PROGRESS.info("%s/%s %s", pipeline, stage, day, extra={"day": day, "stage": stage, "error": error})
