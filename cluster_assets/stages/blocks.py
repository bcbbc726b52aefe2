"""The executor for many dimensions: SQL cuts the points into blocks, worker invocations measure in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.ports import WrittenFile
from cluster_assets.stages.block_files import BlockFiles
from cluster_assets.stages.invocations import Invocations, too_many_pairs
from lambda_worker.contract import MeasureEvent, MeasureReply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.metrics import Comparison
    from cluster_assets.ports import FileRelation
    from cluster_assets.stages.block_files import BlockWork, Bounds
    from cluster_assets.stages.dispatch import Answer
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

_ESTIMATED_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class MeasuredPairs:
    """What the worker found.

    Attributes:
        files: Of the table `candidates`, by address; the rows of each are sorted.
        numbers: For the day's metadata: pairs, comparisons, blocks, replication, bytes_scanned, and those of
            the invocations.
    """

    files: tuple[WrittenFile, ...]
    numbers: Mapping[str, int | float | str]


def measure_blocks(
    job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation, point_count: int
) -> MeasuredPairs:
    """Write all near pairs of points below the attempt's `candidates`.

    Args:
        job: The day; its limits and its worker are used.
        attempt: Where files go.
        comparison: Vectors or embeddings, and when they are near.
        points: The table `points`, or some of its rows.
        point_count: Its rows; of embeddings, an upper bound of them.

    Raises:
        TooManyPairsError: There are more than `limits.max_pairs`.
        WorkerError: An invocation failed; the subclass says how.
    """
    if point_count < 2 or not points.uris:
        return MeasuredPairs((), {"pairs": 0, "comparisons": 0, "bytes_scanned": 0})
    files = BlockFiles(job, attempt, comparison, points)
    worker = Invocations(job, "candidates")
    if (whole := files.whole(point_count)) is not None:
        # The worker counts the pairs before it writes too many, so that no sample has to be looked at.
        event = _event(
            comparison, whole, f"{attempt.prefix_uri('candidates')}/part", job.spec.limits.max_pairs
        )
        return _summary(files, _measure_all(job, worker, [event]), point_count, worker)
    bounds = files.bounds()
    prefix = attempt.prefix_uri("candidates")
    limit = job.spec.limits.max_pairs
    if bounds.points * (bounds.points - 1) // 2 > limit:
        _refuse_too_many(job, worker, comparison, files, bounds)
    work = files.write(bounds)
    events = [_event(comparison, item, f"{prefix}/{item.name}", limit) for item in work]
    replies = _measure_all(job, worker, events)
    return _summary(files, replies, bounds.points, worker)


def _event(comparison: Comparison, work: BlockWork, output: str | None, max_pairs: int) -> MeasureEvent:
    return MeasureEvent(
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


def _measure_all(job: DayJob, worker: Invocations, events: Sequence[MeasureEvent]) -> list[MeasureReply]:
    """Run events at the same time and answer in their order.

    Raises:
        TooManyPairsError: One or all together found more pairs than the limits allow.
        WorkerError: An invocation failed for good; those not yet begun never will be.
    """
    limit, found = job.spec.limits.max_pairs, 0

    def count(answer: Answer) -> None:
        nonlocal found
        found += answer.reply.pairs
        if found > limit:
            raise too_many_pairs(job, f"more than {limit:,}")

    return [answer.reply for answer in worker.run(events, _halve, count)]


def _halve(event: MeasureEvent) -> tuple[MeasureEvent, MeasureEvent] | None:
    """Half of the other blocks each; a block alone cannot be halved."""
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
    """Let the worker count the pairs of a sample before anything is kept.

    Raises:
        TooManyPairsError: With about the number that would have come.
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
) -> MeasuredPairs:
    written = [WrittenFile(file.uri, file.rows, file.bytes) for reply in replies for file in reply.files]
    numbers: dict[str, int | float | str] = {
        "pairs": sum(reply.pairs for reply in replies),
        "comparisons": sum(reply.tested for reply in replies),
        "blocks": files.blocks,
        "replication": round(files.rows / points, 3) if points else 1.0,
        "bytes_scanned": files.bytes_scanned,
        **worker.numbers(),
    }
    return MeasuredPairs(tuple(sorted(written, key=lambda file: file.uri)), numbers)
