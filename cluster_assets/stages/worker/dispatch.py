"""Dispatch of concurrent invocations: pacing, retries, splitting and cancellation.

An event that is too large for one invocation is split into two halves that together do the same work.

The number of concurrent calls follows a window that grows while calls succeed and halves when they are
throttled.

Additive increase, multiplicative decrease (Chiu and Jain, Computer Networks and ISDN Systems 1989): callers
that share a quota converge to equal shares of it.

`remedy_of` decides what to do about a failed invocation; no other module distinguishes the kinds of failure.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from enum import Enum
from threading import Thread
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerRefusalError,
    WorkerThrottledError,
    WorkerTimeoutError,
    WorkerUnavailableError,
    WorkerUserError,
)
from lambda_worker.contract import ContractError, DeadlineError
from lambda_worker.contract.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Invoker
    from lambda_worker.contract import Event, Reply

FIRST_WINDOW = 16


class Window:
    """The number of calls that may run concurrently.

    Args:
        most: Upper bound of the size.
        first: Initial size.
    """

    def __init__(self, most: int, first: int = FIRST_WINDOW) -> None:
        self._most = max(1, most)
        self._size = float(min(self._most, max(1, first)))
        self._calls = 0
        self._shrunk_at = 0

    @property
    def size(self) -> int:
        """The size in whole calls, at least one."""
        return int(self._size)

    def begin(self) -> int:
        """Return the number of a call that begins now, to be passed to `shrink` if it is throttled."""
        self._calls += 1
        return self._calls

    def grow(self) -> None:
        """Record a success: a full window of successes adds one concurrent call."""
        self._size = min(float(self._most), self._size + 1 / self._size)

    def shrink(self, call: int) -> None:
        """Record a throttled call: halve the window, once for all calls that ran concurrently."""
        if call > self._shrunk_at:
            self._size = max(1.0, self._size / 2)
            self._shrunk_at = self._calls


MOST_FAILURES = 3
"""Failed attempts after which the task, not the machine, is considered the cause."""

MOST_THROTTLES = 100
"""Consecutive refusals of one call, some seconds apart, after which the quota is considered missing."""


class Remedy(Enum):
    """What to do about a failed invocation."""

    WAIT = "the worker had no room: wait, call less at a time, try again"
    RETRY = "the machine failed: try again, a few times"
    SPLIT = "the work was too much for one invocation: halve it"
    FAIL = "it would fail again"


def remedy_of(error: WorkerError) -> Remedy:
    """Return what to do about an error of an invocation."""
    if isinstance(error, WorkerThrottledError):
        return Remedy.WAIT
    if isinstance(error, WorkerTimeoutError | WorkerMemoryError):
        return Remedy.SPLIT
    if isinstance(error, WorkerUserError | WorkerPayloadError | WorkerUnavailableError):
        return Remedy.FAIL
    if isinstance(error, WorkerCrashedError):
        return Remedy.RETRY
    # The handler raised an unexpected error, such as one of S3, or the response was lost. The fault may be
    # transient, and work that was finished is found by its record.
    return Remedy.RETRY


# The threads only wait for responses, but beyond this many the process is busy switching between them.
_MOST_THREADS = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """Work for one invocation.

    Attributes:
        event: The event to send.
        halve: Splits the event into two that together do the same work; None if it cannot be split.
    """

    event: Event
    halve: Callable[[Event], tuple[Event, Event] | None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a task, or of one part of a split task.

    Attributes:
        event: The event that was answered, of the same class as the task's.
        reply: The reply; `ok` is true.
        attempts: Number of calls, including failed ones.
        lost_s: Seconds spent in calls that started and failed, including those before the task was split.
    """

    event: Any
    reply: Any
    attempts: int
    lost_s: float


@dataclass(slots=True)
class _Try:
    """A running task. `place` orders the answers: the number of the task, then that of the half."""

    task: Task
    place: tuple[int, ...]
    attempts: int = 0
    lost_s: float = 0.0
    called: float = 0.0
    failures: int = 0
    throttles: int = 0
    call: int = 0


_PAUSES = Patience(first_wait_s=0.4)


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits on concurrency and time, and how to wait between retries.

    Attributes:
        most: Maximum number of concurrent invocations.
        timeout_s: Seconds that one invocation may take; sets the deadline of its event.
        patience: Waits between retries of a call.
    """

    most: int
    timeout_s: float
    patience: Patience = _PAUSES


class Dispatcher:
    """Runs tasks on an invoker.

    Attributes:
        window: The number of calls that may currently run concurrently.
        throttled: Number of calls that were throttled.
    """

    def __init__(self, invoker: Invoker, pace: Pace) -> None:
        self._invoker = invoker
        self._pace = pace
        self.window = Window(min(pace.most, _MOST_THREADS))
        self.throttled = 0
        self._ready: deque[_Try] = deque()
        self._waiting: list[tuple[float, int, _Try]] = []
        self._running: dict[Future[Mapping[str, Any]], _Try] = {}

    def run(self, tasks: Sequence[Task], each: Callable[[Answer], None] | None = None) -> list[Answer]:
        """Run all tasks and return their answers in order; a split task has one answer for each part.

        Args:
            tasks: The tasks to run.
            each: Called with every answer as it arrives; an exception it raises stops the run.

        Raises:
            WorkerError: A task failed permanently; tasks that have not started are dropped.
        """
        self._ready.extend(_Try(task, (number,)) for number, task in enumerate(tasks))
        answers: dict[tuple[int, ...], Answer] = {}
        try:
            while self._ready or self._waiting or self._running:
                self._begin()
                for place, answer in self._finished():
                    if each is not None:
                        each(answer)
                    answers[place] = answer
        finally:
            # After any exit, including an interrupt, no further call starts and running calls are abandoned.
            self._ready.clear()
            self._waiting.clear()
            self._running.clear()
        return [answers[place] for place in sorted(answers)]

    def _begin(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while self._ready and len(self._running) < self.window.size:
            one = self._ready.popleft()
            one.attempts += 1
            one.call = self.window.begin()
            one.called = time.monotonic()
            event = replace(one.task.event, deadline=time.time() + self._pace.timeout_s)
            self._running[_call(self._invoker, event.to_json())] = one

    def _finished(self) -> Iterator[tuple[tuple[int, ...], Answer]]:
        timeout = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
        if not self._running:
            time.sleep(timeout or 0.0)
            return
        done, _ = wait(self._running, timeout, FIRST_COMPLETED)
        for future in done:
            one = self._running.pop(future)
            try:
                reply = _read(one.task, future.result())
            except WorkerError as error:
                self._mend(one, error)
            else:
                self.window.grow()
                yield one.place, Answer(one.task.event, reply, one.attempts, one.lost_s)

    def _mend(self, one: _Try, error: WorkerError) -> None:
        """Retry the task according to the remedy for the error.

        Raises:
            WorkerError: The error has no remedy.
        """
        remedy = remedy_of(error)
        if remedy is not Remedy.WAIT:  # a throttled call never started
            one.lost_s += time.monotonic() - one.called
        if remedy is Remedy.WAIT and one.throttles < MOST_THROTTLES:
            one.throttles += 1
            self.throttled += 1
            self.window.shrink(one.call)
            asked = getattr(error, "retry_after_s", None) or 0.0
            self._wait(one, asked + self._pace.patience.pause(one.throttles))
        elif remedy is Remedy.RETRY and one.failures + 1 < MOST_FAILURES:
            one.failures += 1
            self._wait(one, self._pace.patience.pause(one.failures))
        elif remedy is Remedy.SPLIT and (halves := _halves(one)):
            self._ready.extendleft(reversed(halves))
        else:
            raise error

    def _wait(self, one: _Try, seconds: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + seconds, self.window.begin(), one))


def _halves(one: _Try) -> tuple[_Try, ...]:
    parts = one.task.halve(one.task.event) if one.task.halve else None
    if parts is None:
        return ()
    first, second = (
        _Try(Task(event, one.task.halve), (*one.place, number)) for number, event in enumerate(parts)
    )
    first.attempts, first.lost_s = one.attempts, one.lost_s
    return first, second


def _call(invoker: Invoker, body: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
    """Call the worker in a daemon thread, so that an abandoned call does not keep the process alive."""
    future: Future[Mapping[str, Any]] = Future()

    def run() -> None:
        try:
            future.set_result(invoker.invoke(body))
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            future.set_exception(error)

    Thread(target=run, name="invoke", daemon=True).start()
    return future


def _read(task: Task, body: Mapping[str, Any]) -> Reply:
    """Return the worker's reply, or raise the error for a refusal.

    Raises:
        WorkerTimeoutError: The worker did not have enough time.
        WorkerRefusalError: The worker refused its input.
        WorkerError: The reply is invalid.
    """
    try:
        reply = OPERATIONS[task.event.operation()].reply.from_json(dict(body))
    except ContractError as error:
        raise WorkerError(
            f"the worker answered something else: {error}",
            remedy="deploy the worker and the code location of one version: make layer, make deploy",
        ) from error
    if reply.ok:
        return reply
    if reply.error_type == DeadlineError.__name__:
        raise WorkerTimeoutError(
            f"the worker had too little time: {reply.error}", remedy="raise limits.timeout_s"
        )
    raise WorkerRefusalError(f"the worker refused: {reply.error}", error_type=reply.error_type)


if TYPE_CHECKING:
    from typing import TypeVar

    from lambda_worker.contract import DegreesEvent, ForestEvent
    from lambda_worker.contract.hdbscan import CoreDistancesEvent, NeighboursEvent

    ShardEvent = TypeVar("ShardEvent", DegreesEvent, ForestEvent, NeighboursEvent)

# Splits of one file; if this part of it is still too large, the number of pairs is not the cause.
_MOST_PARTS = 64


def halve_span(event: CoreDistancesEvent) -> tuple[CoreDistancesEvent, CoreDistancesEvent] | None:
    """Split the points into two halves; None if only one point is left."""
    first, end = event.span or (0, event.point_count)
    middle = (first + end) // 2
    if middle in (first, end):
        return None
    return replace(event, span=(first, middle)), replace(event, span=(middle, end))


def halve_files(event: ShardEvent) -> tuple[ShardEvent, ShardEvent] | None:
    """Split the files, or the batches of a single file, into two halves; None after too many splits."""
    files = event.candidates
    if len(files) > 1:
        middle = len(files) // 2
        return replace(event, candidates=files[:middle]), replace(event, candidates=files[middle:])
    number, parts = event.part
    if not files or 2 * parts > _MOST_PARTS:
        return None
    return replace(event, part=(number, 2 * parts)), replace(event, part=(number + parts, 2 * parts))
