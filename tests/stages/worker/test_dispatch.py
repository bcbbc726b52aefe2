"""Many invocations at a time, on a hand-written invoker that throttles, crashes, stalls and refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerRefusalError,
    WorkerThrottledError,
    WorkerTimeoutError,
)
from cluster_assets.stages.worker.dispatch import MOST_FAILURES, Dispatcher, Pace, Task, halve_files
from lambda_worker.contract import ForestEvent, ForestReply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

QUICK = Patience(first_wait_s=0.002, longest_wait_s=0.005)


@dataclass
class Worker:
    """Answers a forest event with the number of its files; `faults` decides what happens before.

    Attributes:
        room: Calls at a time; more are throttled.
        faults: Called with (files, n-th call of that work); an exception it returns is raised.
        event: What every call waits for.
    """

    room: int = 1000
    faults: Callable[[tuple[str, ...], int], Exception | None] = lambda _files, _n: None
    event: Callable[[Worker], object] = lambda _worker: True
    throttled: int = 0
    calls: list[tuple[str, ...]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_billed: bool = False
    max_concurrency: int = 1000

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        files = (*event["candidates"], str(list(event["part"])))
        with self.lock:
            if self.running >= self.room:
                self.throttled += 1
                raise WorkerThrottledError("no room", retry_after_s=0.001)
            self.calls.append(files)
            self.deadlines.append(event["deadline"])
            attempt = self.calls.count(files)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            wait_for("the event that the calls are held for", lambda: self.event(self), 0.001)
            if (fault := self.faults(tuple(event["candidates"]), attempt)) is not None:
                raise fault
            return ForestReply(ok=True, pairs=len(event["candidates"])).to_json()
        finally:
            with self.lock:
                self.running -= 1

    def close(self) -> None:
        """Nothing runs on."""


def tasks(*groups: Sequence[str]) -> list[Task]:
    event = ForestEvent(kind="spanning", candidates=(), point_count=1, output="/forest")
    return [Task(replace(event, candidates=tuple(group)), halve_files) for group in groups]


def dispatch(worker: Worker, most: int = 8) -> Dispatcher:
    return Dispatcher(worker, Pace(most, timeout_s=60, patience=QUICK))


def test_answers_come_in_the_order_of_the_tasks_and_calls_stay_within_the_limit() -> None:
    worker = Worker(event=lambda worker: worker.most_running > 1)
    names = [[f"f{k}"] for k in range(50)]
    answers = dispatch(worker, 5).run(tasks(*names))
    assert [list(answer.event.candidates) for answer in answers] == names
    assert 1 < worker.most_running <= 5
    assert all(answer.attempts == 1 for answer in answers)


def test_an_event_carries_its_deadline() -> None:
    worker = Worker()
    before = time.time()
    dispatch(worker).run(tasks(["a"]))
    assert before + 60 <= worker.deadlines[0] <= time.time() + 60


def test_throttles_are_waited_out_with_fewer_calls_at_a_time() -> None:
    worker = Worker(room=2, event=lambda worker: worker.throttled)
    dispatcher = dispatch(worker, 16)
    answers = dispatcher.run(tasks(*[[f"f{k}"] for k in range(60)]))
    assert len(answers) == 60
    assert dispatcher.throttled > 0
    assert dispatcher.window.size < 16
    assert sorted(worker.calls) == sorted(set(worker.calls)), "a throttled call never began"


def test_sixty_percent_of_throttles_end_in_all_answers() -> None:
    random, lock = Random(3), threading.Lock()

    def throttle(files: tuple[str, ...], attempt: int) -> Exception | None:
        with lock:
            return WorkerThrottledError("busy") if random.random() < 0.6 else None

    answers = dispatch(Worker(faults=throttle)).run(tasks(*[[f"f{k}"] for k in range(80)]))
    assert [answer.event.candidates for answer in answers] == [(f"f{k}",) for k in range(80)]
    assert max(answer.attempts for answer in answers) > 1


def test_a_crash_is_tried_again_and_a_lasting_one_ends_the_run() -> None:
    once = Worker(
        faults=lambda files, n: WorkerCrashedError("killed") if files == ("b",) and n == 1 else None
    )
    assert [a.attempts for a in dispatch(once).run(tasks(["a"], ["b"], ["c"]))] == [1, 2, 1]
    always = Worker(faults=lambda files, _n: WorkerCrashedError("killed") if files == ("b",) else None)
    with pytest.raises(WorkerCrashedError):
        dispatch(always).run(tasks(["a"], ["b"], ["c"]))
    assert always.calls.count(("b", "[0, 1]")) == MOST_FAILURES


@pytest.mark.parametrize("error", [WorkerMemoryError, WorkerTimeoutError])
def test_work_that_is_too_much_is_halved_until_it_fits(error: type[WorkerError]) -> None:
    worker = Worker(faults=lambda files, _n: error("too much") if len(files) > 2 else None)
    answers = dispatch(worker).run(tasks(["a"], list("bcdefgh"), ["i"]))
    assert [name for answer in answers for name in answer.event.candidates] == list("abcdefghi")
    assert max(len(answer.event.candidates) for answer in answers) == 2


def test_a_single_file_is_halved_by_its_batches_but_not_for_ever() -> None:
    enough = Worker()
    enough.faults = lambda _files, _n: (
        WorkerMemoryError("too much") if enough.calls[-1][-1] in ("[0, 1]", "[0, 2]") else None
    )
    answers = dispatch(enough, 1).run(tasks(["a"]))
    assert [answer.event.part for answer in answers] == [(0, 4), (2, 4), (1, 2)]
    never = Worker(faults=lambda _files, _n: WorkerMemoryError("too much"))
    with pytest.raises(WorkerMemoryError):
        dispatch(never, 1).run(tasks(["a"]))
    assert len(never.calls) < 20


def test_a_refusal_fails_at_once_and_nothing_more_begins() -> None:
    class Refusing(Worker):
        def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
            super().invoke(event)
            return ForestReply(ok=False, error_type="InputError", error="no such file").to_json()

    worker = Refusing()
    with pytest.raises(WorkerRefusalError, match="no such file") as refused:
        dispatch(worker, 1).run(tasks(*[[f"f{k}"] for k in range(100)]))
    assert refused.value.error_type == "InputError"
    assert len(worker.calls) == 1


def test_too_little_time_counts_as_a_timeout() -> None:
    class Late(Worker):
        def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
            reply = super().invoke(event)
            late = ForestReply(ok=False, error_type="DeadlineError", error="0 s are left").to_json()
            return late if len(event["candidates"]) > 1 else reply

    answers = dispatch(Late()).run(tasks(["a", "b"]))
    assert [answer.event.candidates for answer in answers] == [("a",), ("b",)]


def test_what_is_no_reply_names_the_remedy() -> None:
    class Foreign(Worker):
        def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"version": 1, "ok": True}

    with pytest.raises(WorkerError, match="deploy"):
        dispatch(Foreign()).run(tasks(["a"]))


def test_an_error_of_the_listener_stops_everything() -> None:
    worker = Worker()

    def stop(answer: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dispatch(worker, 2).run(tasks(*[[f"f{k}"] for k in range(200)]), stop)
    for thread in threading.enumerate():
        if thread.name == "invoke":  # a call that had begun
            thread.join()
    assert len(worker.calls) <= 2


def test_what_failed_calls_took_is_reported() -> None:
    def fault(files: tuple[str, ...], _n: int) -> Exception | None:
        time.sleep(0.02)
        return WorkerMemoryError("too much") if len(files) > 1 else None

    answers = dispatch(Worker(faults=fault), 1).run(tasks(["a", "b"]))
    assert [answer.attempts for answer in answers] == [2, 1]
    assert answers[0].lost_s >= 0.02  # at least as long as it slept
    assert answers[1].lost_s == 0


def test_a_process_ends_although_a_call_hangs() -> None:
    program = """
import os, signal, threading
from cluster_assets.stages.worker.dispatch import Dispatcher, Pace, Task
from lambda_worker.contract import ForestEvent

class Hanging:
    def invoke(self, event):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

event = ForestEvent(kind="spanning", candidates=(), point_count=1, output="/forest")
Dispatcher(Hanging(), Pace(2, 60)).run([Task(event)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert "KeyboardInterrupt" in done.stderr
