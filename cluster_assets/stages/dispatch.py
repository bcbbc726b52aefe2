"""Many invocations at a time: paced, retried, split, and all stopped together."""

from __future__ import annotations

import heapq
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import WorkerError, WorkerRefusalError, WorkerTimeoutError
from cluster_assets.domain.faults import MOST_FAILURES, MOST_THROTTLES, Remedy, remedy_of
from cluster_assets.domain.pacing import Backoff, Window
from lambda_worker.contract import ContractError, DeadlineError
from lambda_worker.contract.answers import REPLIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.ports import Invoker
    from lambda_worker.contract import Event, Reply

# Threads wait for answers, they do not compute; beyond this many a process spends its time on them.
_MOST_THREADS = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """Work for one invocation.

    Attributes:
        event: What to do.
        halve: Makes two tasks of it that do the same together; None where that cannot be done.
    """

    event: Event
    halve: Callable[[Event], tuple[Event, Event] | None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A task that is done, or a part of one.

    Attributes:
        event: The event that was answered, of the class the task had.
        reply: The answer; `ok` is true.
        attempts: Calls it took.
        lost_s: Seconds of its calls that failed after they had begun, those of what it was halved from too.
    """

    event: Any
    reply: Any
    attempts: int
    lost_s: float


@dataclass(slots=True)
class _Try:
    """A task under way. `place` orders the answers: the number of the task, then of the half."""

    task: Task
    place: tuple[int, ...]
    attempts: int = 0
    lost_s: float = 0.0
    called: float = 0.0
    failures: int = 0
    throttles: int = 0
    call: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at a time, how long they may take, and how to wait.

    Attributes:
        most: Invocations at a time.
        timeout_s: Seconds one may take; its event gets a deadline that much later.
        backoff: Waits before a call is repeated.
        random: Of the waits.
    """

    most: int
    timeout_s: float
    backoff: Backoff = field(default_factory=Backoff)
    random: Random = field(default_factory=Random)


class Dispatcher:
    """Runs tasks on an invoker.

    Attributes:
        window: How many calls are allowed at a time now.
        throttled: Calls that were refused for want of room.
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
        """Run all tasks and answer in their order; a halved task has two answers.

        Args:
            tasks: What to do.
            each: Told every answer when it comes; what it raises stops everything.

        Raises:
            WorkerError: A task failed for good; those not yet begun never will be.
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
            # Whatever ends this, an interrupt too: nothing more begins, what runs is nobody's any more.
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
        """Try again in the way that helps.

        Raises:
            WorkerError: Nothing does.
        """
        remedy = remedy_of(error)
        if remedy is not Remedy.WAIT:  # what was throttled never began
            one.lost_s += time.monotonic() - one.called
        if remedy is Remedy.WAIT and one.throttles < MOST_THROTTLES:
            one.throttles += 1
            self.throttled += 1
            self.window.shrink(one.call)
            asked = getattr(error, "retry_after_s", None) or 0.0
            self._wait(one, self._pace.backoff.wait_s(one.throttles, self._pace.random, asked))
        elif remedy is Remedy.RETRY and one.failures + 1 < MOST_FAILURES:
            one.failures += 1
            self._wait(one, self._pace.backoff.wait_s(one.failures, self._pace.random))
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
        _Try(replace(one.task, event=event), (*one.place, number)) for number, event in enumerate(parts)
    )
    first.attempts, first.lost_s = one.attempts, one.lost_s
    return first, second


def _call(invoker: Invoker, body: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
    """Call the worker in a thread that does not keep the process alive when nobody waits for it any more."""
    future: Future[Mapping[str, Any]] = Future()

    def run() -> None:
        try:
            future.set_result(invoker.invoke(body))
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            future.set_exception(error)

    Thread(target=run, name="invoke", daemon=True).start()
    return future


def _read(task: Task, body: Mapping[str, Any]) -> Reply:
    """The answer; a refusal becomes the error that tells what helps.

    Raises:
        WorkerTimeoutError: The worker had too little time.
        WorkerRefusalError: It refused its input.
        WorkerError: It answered something else.
    """
    try:
        reply = REPLIES[type(task.event)].from_json(dict(body))
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
