"""Many invocations of the worker at a time; the first failure stops them all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import TooManyPairsError, WorkerUserError
from lambda_worker.contract import MeasureReply, PairLimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.stages.stage import DayJob
    from lambda_worker.contract import MeasureEvent

_MOST_THREADS = 200


def measure_all(job: DayJob, events: Sequence[MeasureEvent], max_pairs: int) -> list[MeasureReply]:
    """Run events at the same time, as many as the limits allow, and answer in their order.

    Raises:
        TooManyPairsError: One or all together found more than `max_pairs`.
        WorkerError: An invocation failed; those not yet begun never will be.
    """
    limits = job.spec.limits
    invoker = job.backend.invoker_for(limits)
    threads = max(1, min(limits.max_concurrency, len(events), _MOST_THREADS))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="measure")
    failed = Event()

    def invoke(event: MeasureEvent) -> Mapping[str, Any] | None:
        if failed.is_set():
            return None
        try:
            return invoker.invoke(event.to_json())
        except BaseException:
            failed.set()  # at once, before the next one begins
            raise

    try:
        running = {pool.submit(invoke, event): number for number, event in enumerate(events)}
        replies: dict[int, MeasureReply] = {}
        pairs = 0
        for future in as_completed(running):
            answer = future.result()
            if answer is None:
                continue  # it never began; the failure that stopped it is among the others
            reply = MeasureReply.from_json(dict(answer))
            _check(job, reply)
            pairs += reply.pairs
            if pairs > max_pairs:
                raise too_many_pairs(job, f"more than {max_pairs:,}")
            replies[running[future]] = reply
    finally:
        # Whatever ends this, an interrupt too: nothing more begins, and what runs is nobody's any more.
        failed.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return [replies[number] for number in range(len(events))]


def too_many_pairs(job: DayJob, found: str) -> TooManyPairsError:
    """The error of a day whose threshold is too wide."""
    return TooManyPairsError(
        f"{found} pairs of points are near; limits.max_pairs allows {job.spec.limits.max_pairs:,}",
        where=f"{job.spec.name}, {job.day}, distance.threshold {job.spec.distance.threshold:g}",
        remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
    )


def _check(job: DayJob, reply: MeasureReply) -> None:
    if reply.ok:
        return
    if reply.error_type == PairLimitError.__name__:
        raise too_many_pairs(job, f"more than {job.spec.limits.max_pairs:,}")
    raise WorkerUserError(
        f"the worker refused a block: {reply.error_type}: {reply.error}",
        where=f"{job.spec.name}, {job.day}",
        remedy="recompute points and candidates of the day with --force",
    )
