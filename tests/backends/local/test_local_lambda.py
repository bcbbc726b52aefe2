"""The local Lambda runtime with the real runtime client: replies, limits and failures."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from waiting import wait_for

from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.domain.costs import LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import (
    SpecError,
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerThrottledError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox_clock import SandboxClock

    Make = Callable[..., LocalLambda]

HANDLERS = Path(__file__).with_name("handlers")
DESCRIBE = {"do": "describe"}


def test_a_sandbox_stays_warm(make_lambda: Make) -> None:
    worker = make_lambda()
    pids = {worker.invoke(DESCRIBE)["pid"] for _ in range(5)}
    assert len(pids) == 1
    assert len(worker.cold_starts) == 1
    assert worker.cold_starts[0] > 0


def test_the_handler_sees_lambda_and_nothing_of_the_parent(
    make_lambda: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    event = DESCRIBE | {"text": "ü€ \u0000", "deep": [{"x": [1.5, None, True]}]}
    answer = make_lambda(memory_mb=256, timeout_s=600, environment={"EXTRA": "1"}).invoke(event)
    assert answer["event"] == event
    assert answer["folder"] == str(HANDLERS)
    assert answer["memory_mb"] == "256"
    assert 0 < answer["left_ms"] <= 600_000
    environment = answer["environment"]
    assert environment["LAMBDA_TASK_ROOT"] == environment["PYTHONPATH"] == str(HANDLERS)
    assert environment["EXTRA"] == "1"
    own = {"PATH", "LANG", "TZ", "EXTRA", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LC_CTYPE"}
    others = set(environment) - own
    assert {name for name in others if not name.startswith(("AWS_LAMBDA_", "LAMBDA_", "_HANDLER"))} == {
        "AWS_EXECUTION_ENV"
    }
    assert "secret" not in environment.values()


def test_slots_run_at_the_same_time_and_never_more(make_lambda: Make, tmp_path: Path) -> None:
    worker = make_lambda(max_concurrency=2)
    calls = [{"do": "meet", "folder": str(tmp_path), "name": n, "company": 2} for n in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(worker.invoke, calls))
    assert max(answer["most"] for answer in answers) == 2
    assert len({answer["pid"] for answer in answers}) == 2
    assert len(worker.cold_starts) == 2


def test_a_caller_without_a_free_slot_is_throttled(
    make_lambda: Make, tmp_path: Path, read_pid: Callable[[Path], int]
) -> None:
    worker = make_lambda(queue_timeout_s=0.05)
    event = {"do": "wait", "begun": str(tmp_path / "begun"), "until": str(tmp_path / "until")}
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.invoke, event)
        pid = read_pid(tmp_path / "begun")
        with pytest.raises(WorkerThrottledError, match="max_concurrency"):
            worker.invoke(DESCRIBE)
        (tmp_path / "until").touch()
        assert running.result() == {"pid": pid}
    assert worker.invoke(DESCRIBE)["pid"] == pid


def test_an_exception_of_the_handler_is_reported_and_leaves_the_sandbox_warm(make_lambda: Make) -> None:
    worker = make_lambda()
    pid = worker.invoke(DESCRIBE)["pid"]
    with pytest.raises(WorkerError, match="LookupError: no such thing") as failure:
        worker.invoke({"do": "fail", "message": "no such thing"})
    assert type(failure.value) is WorkerError
    assert "behaviours.py" in str(failure.value)
    assert worker.invoke(DESCRIBE)["pid"] == pid


@pytest.mark.parametrize("length", [70_000, 900_000, 2_000_000])
def test_a_long_exception_is_reported_in_short(make_lambda: Make, length: int) -> None:
    worker = make_lambda()
    with pytest.raises(WorkerError, match="LookupError: xxxx") as failure:
        worker.invoke({"do": "fail", "message": "x" * length})
    assert type(failure.value) is WorkerError
    assert len(str(failure.value)) < 5000
    assert len(worker.cold_starts) == 1


def test_an_invocation_out_of_time_is_stopped(
    make_lambda: Make, clock: SandboxClock, tmp_path: Path, is_running: Callable[[int], bool]
) -> None:
    worker = make_lambda(timeout_s=600)
    begun = tmp_path / "begun"
    event = {"do": "wait", "begun": str(begun), "until": str(tmp_path / "never")}
    clock.expire_after("the handler begins", lambda: begun.exists() and begun.read_text())
    with pytest.raises(WorkerTimeoutError, match="longer than 600 s"):
        worker.invoke(event)
    assert not is_running(int(begun.read_text()))
    assert worker.invoke(DESCRIBE)["event"] == DESCRIBE
    assert len(worker.cold_starts) == 2


@pytest.mark.parametrize("give_back", [False, True])
def test_an_invocation_out_of_memory_is_stopped_even_after_a_short_peak(
    make_lambda: Make, give_back: bool
) -> None:
    worker = make_lambda(memory_mb=128)
    with pytest.raises(WorkerMemoryError, match="of its 128 MiB"):
        worker.invoke({"do": "take_memory", "mb": 300, "give_back": give_back})
    assert worker.invoke(DESCRIBE)["event"] == DESCRIBE


@pytest.mark.parametrize(
    ("event", "how"),
    [({"do": "leave", "status": 3}, "exit status 3"), ({"do": "die"}, "signal SIGKILL")],
)
def test_a_process_that_ends_is_a_crash_and_is_replaced(
    make_lambda: Make, event: dict[str, Any], how: str
) -> None:
    worker = make_lambda()
    first = worker.invoke(DESCRIBE)["pid"]
    with pytest.raises(WorkerCrashedError, match=how) as failure:
        worker.invoke(event)
    assert ("last words" in str(failure.value)) == (event["do"] == "leave")
    assert worker.invoke(DESCRIBE)["pid"] != first


def test_a_sandbox_killed_during_a_call_is_replaced(
    make_lambda: Make, tmp_path: Path, read_pid: Callable[[Path], int]
) -> None:
    worker = make_lambda()
    event = {"do": "wait", "begun": str(tmp_path / "begun"), "until": str(tmp_path / "never")}
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.invoke, event)
        pid = read_pid(tmp_path / "begun")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerCrashedError, match="SIGKILL"):
            running.result()
    assert worker.invoke(DESCRIBE)["pid"] != pid


def test_a_sandbox_killed_while_idle_is_replaced_unseen(
    make_lambda: Make, is_running: Callable[[int], bool]
) -> None:
    worker = make_lambda()
    pid = worker.invoke(DESCRIBE)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for("the killed sandbox is gone", lambda: not worker._idle[0].alive)
    assert worker.invoke(DESCRIBE)["pid"] != pid
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("broken_import", "a_module_that_is_not_there"),
        ("failing_import", "OSError: the model file is gone"),
        ("exiting_import", "exit status 7"),
        ("not_there", "No module named 'not_there'"),
    ],
)
def test_a_bad_import_is_reported(make_lambda: Make, module: str, says: str) -> None:
    worker = make_lambda(module)
    for _ in range(2):  # the next call tries again, as on AWS
        with pytest.raises(WorkerCrashedError, match=says) as failure:
            worker.invoke(DESCRIBE)
    assert ("leaving early" in str(failure.value)) == (module == "exiting_import")
    assert worker.cold_starts == []


def test_an_import_that_never_ends_is_stopped(
    make_lambda: Make, clock: SandboxClock, tmp_path: Path, children: Callable[[], set[int]]
) -> None:
    before, begun = children(), tmp_path / "begun"
    clock.expire_after("the import begins", begun.exists)
    with pytest.raises(WorkerTimeoutError, match="initialization"):
        make_lambda("endless_import", environment={"BEGUN": str(begun)}).invoke(DESCRIBE)
    assert not children() - before


def test_a_task_root_that_is_not_there_is_reported(tmp_path: Path) -> None:
    config = LocalLambdaConfig(tmp_path / "none", "behaviours.handler", 128, 5, 1)
    with LocalLambda(config) as worker, pytest.raises(WorkerCrashedError, match="could not be started"):
        worker.invoke(DESCRIBE)


def test_requests_up_to_the_limit_pass_and_larger_ones_never_leave(make_lambda: Make) -> None:
    worker = make_lambda()
    frame = len('{"do": "describe", "text": ""}')
    with pytest.raises(WorkerPayloadError, match="LAMBDA_PAYLOAD_BYTES"):
        worker.invoke(DESCRIBE | {"text": "x" * (LAMBDA_PAYLOAD_BYTES - frame + 1)})
    assert worker.cold_starts == []
    with pytest.raises(WorkerPayloadError, match="response"):  # the request passed; its echo is too large
        worker.invoke(DESCRIBE | {"text": "x" * (LAMBDA_PAYLOAD_BYTES - frame)})
    assert len(worker.cold_starts) == 1


def test_responses_up_to_the_limit_pass_and_larger_ones_are_refused(make_lambda: Make) -> None:
    worker = make_lambda()
    longest = LAMBDA_PAYLOAD_BYTES - len('{"text": ""}')
    assert len(worker.invoke({"do": "answer", "length": longest})["text"]) == longest
    with pytest.raises(WorkerPayloadError, match=f"{LAMBDA_PAYLOAD_BYTES + 1} bytes"):
        worker.invoke({"do": "answer", "length": longest + 1})
    assert worker.invoke({"do": "answer", "length": 1}) == {"text": "x"}


@pytest.mark.parametrize("event", [{"x": float("nan")}, {"x": {1, 2}}])
def test_an_event_that_is_not_json_is_refused(make_lambda: Make, event: dict[str, Any]) -> None:
    with pytest.raises(WorkerPayloadError, match="not JSON"):
        make_lambda().invoke(event)


def test_an_answer_that_is_no_object_is_an_error(make_lambda: Make) -> None:
    with pytest.raises(WorkerError, match="not a JSON object"):
        make_lambda().invoke({"do": "answer_list"})


def test_a_talkative_handler_is_drained_and_remembered_in_part(make_lambda: Make) -> None:
    worker = make_lambda()
    assert worker.invoke({"do": "chatter", "lines": 20_000}) == {"lines": 20_000}
    with pytest.raises(WorkerCrashedError) as failure:
        worker.invoke({"do": "leave", "status": 1})
    assert "last words" in str(failure.value)
    assert len(str(failure.value)) < 25_000


def test_an_interrupt_stops_the_sandbox_and_passes_on(
    make_lambda: Make, tmp_path: Path, read_pid: Callable[[Path], int], is_running: Callable[[int], bool]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def interrupt_when_begun() -> None:
        read_pid(tmp_path / "begun")
        os.kill(os.getpid(), signal.SIGUSR1)

    worker = make_lambda()
    event = {"do": "wait", "begun": str(tmp_path / "begun"), "until": str(tmp_path / "never")}
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        threading.Thread(target=interrupt_when_begun).start()
        with pytest.raises(KeyboardInterrupt):
            worker.invoke(event)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not is_running(int((tmp_path / "begun").read_text()))
    assert worker.invoke(DESCRIBE)["event"] == DESCRIBE


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("memory_mb", 127),
        ("memory_mb", 10_241),
        ("timeout_s", 0),
        ("timeout_s", 901),
        ("max_concurrency", 0),
        ("queue_timeout_s", -1),
    ],
)
def test_limits_outside_those_of_lambda_are_refused(make_lambda: Make, limit: str, value: float) -> None:
    with pytest.raises(SpecError, match=limit):
        make_lambda(**{limit: value})
