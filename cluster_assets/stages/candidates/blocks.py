"""The executor for many dimensions: SQL cuts the points into blocks, and the worker measures inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cluster_assets.stages.candidates.block_files import BlockFiles
from cluster_assets.stages.candidates.joins import Candidates, written_files
from cluster_assets.stages.candidates.metrics.embeddings import IS_KEPT
from cluster_assets.stages.worker.invocations import Invocations, too_many_pairs
from lambda_worker.contract import MeasureEvent, MeasureReply
from lambda_worker.contract.candidates import MeasureNewEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.stages.candidates.block_files import BlockWork, Bounds
    from cluster_assets.stages.candidates.kept import Kept
    from cluster_assets.stages.candidates.metrics import Comparison
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.dispatch import Answer
    from lambda_worker.contract.candidates import BlockEvent

_ESTIMATED_POINTS = 20_000


def measure_blocks(
    job: DayJob,
    attempt: Attempt,
    comparison: Comparison,
    points: FileRelation,
    point_count: int,
    kept: Kept | None = None,
) -> Candidates:
    """Write all near pairs of points below the attempt's `candidates`.

    Args:
        job: The day, whose limits and worker are used.
        attempt: Provides the prefixes for files.
        comparison: How vectors or embeddings are compared.
        points: The table `points`, or some of its rows.
        point_count: Number of rows; for embeddings an upper bound.
        kept: Embeddings whose pairs are known.

    Returns:
        The files, sorted by URI, each with sorted rows; and the numbers of blocks and invocations.

    Raises:
        TooManyPairsError: There are more than `limits.max_pairs`.
        WorkerError: An invocation failed; the subclass says how.
    """
    if point_count < 2 or not points.uris:
        return Candidates((), None, 0, {})
    files = BlockFiles(job, attempt, comparison, points)
    worker = Invocations(job, "candidates")
    if (whole := files.whole(point_count)) is not None:
        # The worker counts the pairs before it writes too many, so no sample is needed.
        event = _event(
            comparison, whole, f"{attempt.prefix_uri('candidates')}/part", job.spec.limits.max_pairs
        )
        return _summary(files, _measure_all(job, worker, [event]), point_count, worker)
    bounds = files.bounds()
    prefix = attempt.prefix_uri("candidates")
    limit = job.spec.limits.max_pairs
    if bounds.points * (bounds.points - 1) // 2 > limit:
        _refuse_too_many(job, worker, comparison, files, bounds)
    work = files.write(bounds, kept)
    events = [_event(comparison, item, f"{prefix}/{item.name}", limit) for item in work]
    replies = _measure_all(job, worker, events)
    return _summary(files, replies, bounds.points, worker)


def _event(comparison: Comparison, work: BlockWork, output: str | None, max_pairs: int) -> BlockEvent:
    plain = MeasureEvent(
        home=work.home,
        others=work.others,
        within=work.within,
        halo_column=work.halo_column,
        columns=tuple(column.name for column in comparison.columns),
        point_count=work.rows,
        metric=comparison.metric,
        threshold=comparison.threshold,
        output=output,
        max_pairs=max_pairs,
    )
    return plain if work.known is None else MeasureNewEvent.of(plain, IS_KEPT, work.known)


def _measure_all(job: DayJob, worker: Invocations, events: Sequence[BlockEvent]) -> list[MeasureReply]:
    """Run events concurrently and return the replies in their order.

    Raises:
        TooManyPairsError: The events found more pairs than the limits allow.
        WorkerError: An invocation failed permanently; those that have not started are dropped.
    """
    limit, found = job.spec.limits.max_pairs, 0

    def count(answer: Answer) -> None:
        nonlocal found
        found += answer.reply.pairs
        if found > limit:
            raise too_many_pairs(job, f"more than {limit:,}")

    return [answer.reply for answer in worker.run(events, _halve, count)]


def _halve(event: BlockEvent) -> tuple[BlockEvent, BlockEvent] | None:
    """Split the other blocks into two halves; a single block cannot be split."""
    if len(event.others) + event.within < 2:
        return None
    middle = (len(event.others) + event.within) // 2 - event.within
    first = replace(event, others=event.others[:middle], output=event.output and f"{event.output}-a")
    rest = replace(
        event, within=False, others=event.others[middle:], output=event.output and f"{event.output}-b"
    )
    return first, rest


def _refuse_too_many(
    job: DayJob, worker: Invocations, comparison: Comparison, files: BlockFiles, bounds: Bounds
) -> None:
    """Count the pairs of a sample before anything is written.

    Raises:
        TooManyPairsError: The estimated number of pairs exceeds the limits; the error states it.
    """
    sample = files.write_sample(bounds, _ESTIMATED_POINTS)
    if sample.rows < 2:
        return
    every_pair = sample.rows**2
    (answer,) = worker.run([_event(comparison, sample, None, every_pair)])
    share = bounds.points * (bounds.points - 1) / (sample.rows * (sample.rows - 1))
    about = round(answer.reply.pairs * share)
    if about > job.spec.limits.max_pairs:
        raise too_many_pairs(job, f"about {about:,}")


def _summary(
    files: BlockFiles, replies: Sequence[MeasureReply], points: int, worker: Invocations
) -> Candidates:
    numbers: dict[str, int | float | str] = {
        "blocks": files.blocks,
        "replication": round(files.rows / points, 3) if points else 1.0,
        **worker.numbers(),
    }
    tested = sum(reply.tested for reply in replies)
    written = [file for reply in replies for file in written_files(reply.files)]
    return Candidates(tuple(sorted(written, key=lambda file: file.uri)), None, tested, numbers)
