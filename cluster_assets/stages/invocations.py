"""The worker for one stage of one day: results named by what they are made from, and what each call took."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import TooManyPairsError, WorkerRefusalError, WorkerUserError
from cluster_assets.domain.prices import LambdaPrice
from cluster_assets.stages.dispatch import Answer, Dispatcher, Pace, Task
from cluster_assets.stages.layout import StageDay
from lambda_worker.contract import CapacityError, Event, InputError, PairLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.stage import DayJob

    Halve = Callable[[Any], tuple[Event, Event] | None]

CALL_TABLE = "invocation_table"
"""The number of a day that is a table: JSON, one object a call."""

_PRICE = LambdaPrice()
# Rows of the table of invocations that a day's metadata keeps: the slowest.
_MOST_ROWS = 200
_REMEDIES = {
    CapacityError.__name__: "raise limits.memory_mb, or lower distance.threshold: smaller components",
    InputError.__name__: "recompute points and candidates of the day with --force",
}
# What an event says about itself, and not about the work.
_NOT_WORK = ("output", "record", "answer", "deadline", "seconds")


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the table of a day's invocations.

    Attributes:
        name: The operation, and its number among those of the day.
        rows: Pairs or points it read, as far as the reply tells.
        seconds: Inside the worker.
        peak_memory_mb: Of the worker's process.
        attempts: Calls until it succeeded.
        reused: Answered from the record of an earlier run.
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
    """Invocations for one stage of a day.

    Attributes:
        calls: What was answered so far, in the order of the answers.
    """

    def __init__(self, job: DayJob, stage: str, salt: str = "") -> None:
        """Nothing is invoked yet.

        Args:
            job: The day; its limits and its worker are used.
            stage: Whose results these are.
            salt: Part of the names of results; another one computes them again.
        """
        limits = job.spec.limits
        self.calls: list[Call] = []
        self._job = job
        self._salt = salt
        self._folder = job.backend.store.uri(StageDay(job.spec.name, stage, job.day).shards)
        self._invoker = job.backend.invoker_for(limits)
        # No more calls than the invoker runs at a time: a deadline would pass while one waits for its turn.
        pace = Pace(min(limits.max_concurrency, self._invoker.max_concurrency), limits.timeout_s)
        self._dispatcher = Dispatcher(self._invoker, pace)

    def run(
        self,
        events: Sequence[Event],
        halve: Halve | None = None,
        each: Callable[[Answer], None] | None = None,
    ) -> list[Answer]:
        """Run events as they are, as many at a time as the limits allow, and answer in their order.

        Raises:
            WorkerError: An invocation failed for good.
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
        """Run events whose output is named by the event: what an earlier run finished is not redone.

        Args:
            events: Each has a field `output`, which is set here, as is its record.
            halve: Makes two events of one that is too much for an invocation.

        Raises:
            WorkerError: An invocation failed for good.
        """

        def halves(event: Any) -> tuple[Event, Event] | None:
            parts = halve(event) if halve else None
            return None if parts is None else (self._named(parts[0]), self._named(parts[1]))

        return self.run([self._named(event) for event in events], halves)

    def folder_of(self, work: Mapping[str, Any]) -> str:
        """A folder for results of some work, without a slash at its end."""
        return f"{self._folder}/{digest_of({'work': work, 'salt': self._salt})}"

    def address_of(self, event: Event) -> str:
        """Where the output of an event goes: a name made from the work alone."""
        work = {key: value for key, value in event.to_json().items() if key not in _NOT_WORK}
        return f"{self._folder}/{digest_of({'event': work, 'salt': self._salt})}.parquet"

    def numbers(self) -> dict[str, Metric]:
        """For the day's metadata."""
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
        return replace(event, output=output, record=f"{output}.json")  # type: ignore[call-arg]

    def _note(self, answer: Answer) -> None:
        reply = answer.reply
        memory = self._job.spec.limits.memory_mb
        seconds = answer.lost_s + (0.0 if reply.reused else reply.seconds)
        dollars = _PRICE.dollars(memory, seconds, answer.attempts)
        if self._invoker.is_billed:
            self._job.meter.add_invocation(memory, seconds, answer.attempts)
        self.calls.append(
            Call(
                name=f"{answer.event.operation} {len(self.calls)}",
                rows=int(getattr(reply, "pairs", 0) or getattr(reply, "rows", 0)),
                seconds=reply.seconds,
                peak_memory_mb=reply.peak_memory_mb,
                attempts=answer.attempts,
                reused=reply.reused,
                list_usd=round(dollars, 9),
            )
        )

    def _explained(self, error: WorkerRefusalError) -> TooManyPairsError | WorkerUserError:
        """A refusal with what its reader can do about it."""
        job = self._job
        if error.error_type == PairLimitError.__name__:
            return too_many_pairs(job, f"more than {job.spec.limits.max_pairs:,}")
        remedy = _REMEDIES.get(
            error.error_type, "mend what the message names: algorithm or limits in the YAML"
        )
        return WorkerUserError(error.what, where=f"{job.spec.name}, {job.day}", remedy=remedy)


def too_many_pairs(job: DayJob, found: str) -> TooManyPairsError:
    """The error of a day whose threshold is too wide."""
    return TooManyPairsError(
        f"{found} pairs of points are near; limits.max_pairs allows {job.spec.limits.max_pairs:,}",
        where=f"{job.spec.name}, {job.day}, distance.threshold {job.spec.near.threshold:g}",
        remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
    )
