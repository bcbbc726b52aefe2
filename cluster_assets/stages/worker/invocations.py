"""Worker invocations for one stage and day: results named by the digest of their input, and call metrics."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cluster_assets.domain.costs import LambdaPrice
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import TooManyPairsError, WorkerRefusalError, WorkerUserError
from cluster_assets.stages.ledger.layout import StageDay
from cluster_assets.stages.worker.dispatch import Answer, Dispatcher, Pace, Task
from lambda_worker.contract import CapacityError, Event, InputError, PairLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.day.job import DayJob

    Halve = Callable[[Any], tuple[Event, Event] | None]

CALL_TABLE = "invocation_table"
"""The metric of a day that holds a table of calls as JSON, one object per call."""

_PRICE = LambdaPrice()
# Rows of the table of calls in a day's metadata: the slowest calls.
_MOST_ROWS = 200
_REMEDIES = {
    CapacityError.__name__: "raise limits.memory_mb, or lower distance.threshold: smaller components",
    InputError.__name__: "recompute points and candidates of the day with --force",
}
# Fields of an event that do not describe the work.
_NOT_WORK = ("output", "centres_output", "record", "answer", "deadline", "seconds")


@dataclass(frozen=True, slots=True)
class Call:
    """One row of a day's table of calls.

    Attributes:
        name: The operation and its number within the day.
        rows: Pairs or points it read, if the reply says so.
        seconds: Time inside the worker.
        peak_memory_mb: Peak memory of the worker process, in MiB.
        attempts: Number of calls, the last of which succeeded.
        reused: Whether the reply is the record of an earlier run.
        list_usd: List price of its memory and seconds on AWS Lambda, failed calls included, wherever it ran.
    """

    name: str
    rows: int
    seconds: float
    peak_memory_mb: float
    attempts: int
    reused: bool
    list_usd: float


class Invocations:
    """Invocations for one stage and day.

    Attributes:
        calls: The calls answered so far, in the order of their answers.
    """

    def __init__(self, job: DayJob, stage: str, salt: str = "") -> None:
        """Set the limits of the dispatcher and choose the folder for results.

        Args:
            job: The day, whose limits and worker are used.
            stage: Name of the stage that owns the results.
            salt: Part of the names of results; a new salt forces recomputation.
        """
        limits = job.spec.limits
        self.calls: list[Call] = []
        self._job = job
        self._salt = salt
        self._folder = job.backend.store.uri(StageDay(job.spec.name, stage, job.day).shards)
        self._invoker = job.backend.invoker_for(limits)
        # Never more calls than the invoker runs concurrently: a queued call could miss its deadline.
        pace = Pace(min(limits.max_concurrency, self._invoker.max_concurrency), limits.timeout_s)
        self._dispatcher = Dispatcher(self._invoker, pace)

    def run(
        self,
        events: Sequence[Event],
        halve: Halve | None = None,
        each: Callable[[Answer], None] | None = None,
    ) -> list[Answer]:
        """Run events unchanged, as concurrently as the limits allow, and return answers in their order.

        Raises:
            WorkerError: An invocation failed permanently.
        """

        def note(answer: Answer) -> None:
            self._note(answer)
            if each is not None:
                each(answer)

        try:
            return self._dispatcher.run([Task(event, halve) for event in events], note)
        except WorkerRefusalError as error:
            raise self._explained(error) from error

    def run_named(self, events: Sequence[Event], halve: Halve | None = None) -> list[Answer]:
        """Run events whose output is named by the event, so that finished work is not repeated.

        Args:
            events: Events with a field `output`; it is set here, together with the record.
            halve: Splits an event that is too large for one invocation.

        Raises:
            WorkerError: An invocation failed permanently.
        """

        def halves(event: Any) -> tuple[Event, Event] | None:
            parts = halve(event) if halve else None
            return None if parts is None else (self._named(parts[0]), self._named(parts[1]))

        return self.run([self._named(event) for event in events], halves)

    def folder_of(self, work: Mapping[str, Any]) -> str:
        """Return the folder for the results of some work, without a trailing slash."""
        return f"{self._folder}/{digest_of({'work': work, 'salt': self._salt})}"

    def address_of(self, event: Event) -> str:
        """Return the URI of an event's output, which is derived from the work alone."""
        work = {key: value for key, value in event.to_json().items() if key not in _NOT_WORK}
        return f"{self._folder}/{digest_of({'event': work, 'salt': self._salt})}.parquet"

    def numbers(self) -> dict[str, Metric]:
        """Return the metrics for the day's metadata."""
        worked = [call for call in self.calls if not call.reused]
        slowest = sorted(worked, key=lambda call: -call.seconds)[:_MOST_ROWS]
        return {
            "invocations": len(self.calls),
            "invocations_reused": len(self.calls) - len(worked),
            "invocations_throttled": self._dispatcher.throttled,
            "worker_seconds": round(sum(call.seconds for call in worked), 3),
            "worker_peak_memory_mb": max((call.peak_memory_mb for call in self.calls), default=0.0),
            "lambda_list_usd": round(sum(call.list_usd for call in worked), 9),
            CALL_TABLE: json.dumps([asdict(call) for call in slowest]),
        }

    def _named(self, event: Event) -> Event:
        output = self.address_of(event)
        return replace(event, output=output, record=f"{output}.json")

    def _note(self, answer: Answer) -> None:
        reply = answer.reply
        memory = self._job.spec.limits.memory_mb
        seconds = answer.lost_s + (0.0 if reply.reused else reply.seconds)
        dollars = _PRICE.dollars(memory, seconds, answer.attempts)
        if self._invoker.is_billed:
            self._job.meter.add_invocation(memory, seconds, answer.attempts)
        self.calls.append(
            Call(
                name=f"{answer.event.operation()} {len(self.calls)}",
                rows=int(getattr(reply, "pairs", 0) or getattr(reply, "rows", 0)),
                seconds=reply.seconds,
                peak_memory_mb=reply.peak_memory_mb,
                attempts=answer.attempts,
                reused=reply.reused,
                list_usd=round(dollars, 9),
            )
        )

    def _explained(self, error: WorkerRefusalError) -> TooManyPairsError | WorkerUserError:
        """Turn a refusal into an error that says what the user can do."""
        job = self._job
        if error.error_type == PairLimitError.__name__:
            return too_many_pairs(job, f"more than {job.spec.limits.max_pairs:,}")
        remedy = _REMEDIES.get(
            error.error_type, "correct what the message names: algorithm or limits in the YAML"
        )
        return WorkerUserError(error.what, where=f"{job.spec.name}, {job.day}", remedy=remedy)


def too_many_pairs(job: DayJob, found: str) -> TooManyPairsError:
    """Return the error for a day whose threshold is too wide."""
    return TooManyPairsError(
        f"near pairs of points: {found}; limits.max_pairs allows {job.spec.limits.max_pairs:,}",
        where=f"{job.spec.name}, {job.day}, distance.threshold {job.spec.near.threshold:g}",
        remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
    )
