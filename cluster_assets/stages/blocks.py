"""The executor for many dimensions: SQL cuts the points into blocks, worker invocations measure in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.ports import WrittenFile
from cluster_assets.stages.block_files import BlockFiles
from cluster_assets.stages.invocations import measure_all, too_many_pairs
from lambda_worker.contract import MeasureEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.metrics import Comparison
    from cluster_assets.ports import FileRelation
    from cluster_assets.stages.block_files import BlockWork, Bounds
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob
    from lambda_worker.contract import MeasureReply

_ESTIMATED_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class MeasuredPairs:
    """What the worker found.

    Attributes:
        files: Of the table `candidates`, by address; the rows of each are sorted.
        numbers: For the day's metadata: pairs, comparisons, blocks, invocations, replication, worker_seconds,
            worker_peak_memory_mb, bytes_scanned.
    """

    files: tuple[WrittenFile, ...]
    numbers: Mapping[str, int | float]


def measure_blocks(
    job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation, point_count: int
) -> MeasuredPairs:
    """Write all near pairs of points below the attempt's `candidates`.

    Args:
        job: The day; its limits and its worker are used.
        attempt: Where files go.
        comparison: Vectors or embeddings, and when they are near.
        points: The table `points`, or some of its rows.
        point_count: An upper bound of its rows.

    Raises:
        TooManyPairsError: There are more than `limits.max_pairs`.
        WorkerError: An invocation failed; the subclass says how.
    """
    if point_count < 2 or not points.uris:
        return MeasuredPairs((), {"pairs": 0, "comparisons": 0, "bytes_scanned": 0})
    files = BlockFiles(job, attempt, comparison, points)
    bounds = files.bounds()
    prefix = attempt.prefix_uri("candidates")
    limit = job.spec.limits.max_pairs
    if bounds.points * (bounds.points - 1) // 2 > limit:
        _refuse_too_many(job, comparison, files, bounds)
    work = files.write(bounds)
    events = [_event(comparison, item, f"{prefix}/{item.name}", limit) for item in work]
    replies = measure_all(job, events, limit)
    return _summary(files, replies, bounds)


def _event(comparison: Comparison, work: BlockWork, output: str | None, max_pairs: int) -> MeasureEvent:
    return MeasureEvent(
        home=tuple(file.uri for file in work.home),
        others=tuple(tuple(file.uri for file in files) for files in work.others),
        within=work.within,
        halo_column=work.halo_column,
        columns=tuple(column.name for column in comparison.columns),
        point_count=work.rows,
        metric=comparison.metric,
        threshold=comparison.threshold,
        output=output,
        max_pairs=max_pairs,
    )


def _refuse_too_many(job: DayJob, comparison: Comparison, files: BlockFiles, bounds: Bounds) -> None:
    """Let the worker count the pairs of a sample before anything is kept.

    Raises:
        TooManyPairsError: With about the number that would have come.
    """
    sample = files.write_sample(bounds, _ESTIMATED_POINTS)
    if sample.rows < 2:
        return
    every_pair = sample.rows**2
    (reply,) = measure_all(job, [_event(comparison, sample, None, every_pair)], every_pair)
    share = bounds.points * (bounds.points - 1) / (sample.rows * (sample.rows - 1))
    about = round(reply.pairs * share)
    if about > job.spec.limits.max_pairs:
        raise too_many_pairs(job, f"about {about:,}")


def _summary(files: BlockFiles, replies: Sequence[MeasureReply], bounds: Bounds) -> MeasuredPairs:
    written = [WrittenFile(file.uri, file.rows, file.bytes) for reply in replies for file in reply.files]
    numbers: dict[str, int | float] = {
        "pairs": sum(reply.pairs for reply in replies),
        "comparisons": sum(reply.tested for reply in replies),
        "blocks": files.blocks,
        "invocations": len(replies),
        "replication": round(files.rows / bounds.points, 3) if bounds.points else 1.0,
        "worker_seconds": round(sum(reply.seconds for reply in replies), 3),
        "worker_peak_memory_mb": max((reply.peak_memory_mb for reply in replies), default=0.0),
        "bytes_scanned": files.bytes_scanned,
    }
    return MeasuredPairs(tuple(sorted(written, key=lambda file: file.uri)), numbers)
