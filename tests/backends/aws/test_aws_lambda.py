"""The Lambda invoker over HTTP: one call runs once, and every failure has its own error."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from athena_lake import PATIENCE
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from lambda_wire import Function, LambdaWire, WireFailure
from lambda_wire.server import RefusedError
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.backends.aws.worker import READ_TIMEOUT_S, AwsLambda, AwsLambdaConfig
from cluster_assets.domain.costs import LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerLostError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerThrottledError,
    WorkerTimeoutError,
    WorkerUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., AwsLambda]

ECHO = Function(lambda body: body)


@pytest.fixture(scope="module")
def server() -> Iterator[LambdaWire]:
    with LambdaWire() as wire:
        yield wire


@pytest.fixture
def wire(server: LambdaWire, monkeypatch: pytest.MonkeyPatch) -> LambdaWire:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-the-test")
    server.reset()
    server.functions["worker"] = ECHO
    return server


@pytest.fixture
def make(wire: LambdaWire) -> Iterator[Make]:
    made: list[AwsLambda] = []

    def make_invoker(function: str = "worker", **settings: Any) -> AwsLambda:
        config = AwsLambdaConfig(function, **{"patience": PATIENCE} | settings)
        made.append(AwsLambda(AwsAccount("us-east-1", wire.url), config))
        return made[-1]

    yield make_invoker
    for invoker in made:
        invoker.close()


def failing(kind: str | None, message: str, **more: Any) -> Function:
    def run(_: bytes) -> bytes:
        raise WireFailure({"errorMessage": message} | ({"errorType": kind} if kind else {}) | more)

    return Function(run)


def test_a_slow_function_runs_once_where_the_defaults_of_boto3_run_it_three_times(
    wire: LambdaWire, make: Make
) -> None:
    given_up = threading.Event()

    def slow(body: bytes) -> bytes:
        assert given_up.wait(LONGEST_S)
        return body

    wire.functions["worker"] = Function(slow)
    # All its defaults but one: a test cannot wait for 60 s three times over.
    impatient = boto3.client(
        "lambda", region_name="us-east-1", endpoint_url=wire.url, config=Config(read_timeout=0.15)
    )
    with pytest.raises(ReadTimeoutError):
        impatient.invoke(FunctionName="worker", Payload=b'{"by": "boto3"}')
    impatient.close()
    wait_for("the three calls of boto3 have begun", lambda: len(wire.ran) >= 3)
    assert wire.ran == [{"by": "boto3"}] * 3
    given_up.set()

    assert make().invoke({"by": "us"}) == {"by": "us"}
    assert wire.ran[3:] == [{"by": "us"}]
    assert READ_TIMEOUT_S > 900  # longer than any function may take


def test_an_answer_that_does_not_come_is_lost_and_not_asked_for_again(wire: LambdaWire, make: Make) -> None:
    done = threading.Event()
    wire.functions["worker"] = Function(lambda body: body if done.wait(LONGEST_S) else b"")
    with pytest.raises(WorkerLostError, match="may have run"):
        make(read_timeout_s=1.0).invoke({"n": 1})
    wait_for("the call has begun", lambda: wire.ran)
    done.set()
    assert wire.ran == [{"n": 1}]


def test_a_lost_answer_and_a_dropped_call_are_reported_and_not_repeated(wire: LambdaWire, make: Make) -> None:
    worker = make()
    wire.lose_answers()
    with pytest.raises(WorkerLostError):
        worker.invoke({"n": 1})
    wire.drop()
    with pytest.raises(WorkerLostError):
        worker.invoke({"n": 2})
    assert wire.ran == [{"n": 1}]
    assert worker.invoke({"n": 3}) == {"n": 3}


def test_a_throttle_keeps_reason_and_pause(wire: LambdaWire, make: Make) -> None:
    worker = make()
    wire.throttle(1, "ReservedFunctionConcurrentInvocationLimitExceeded", "7")
    wire.throttle(1, "CallerRateLimitExceeded")
    with pytest.raises(WorkerThrottledError, match="ReservedFunction") as first:
        worker.invoke({})
    assert first.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert first.value.retry_after_s == 7
    with pytest.raises(WorkerThrottledError) as second:
        worker.invoke({})
    assert (second.value.reason, second.value.retry_after_s) == ("CallerRateLimitExceeded", None)
    assert wire.ran == []


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (
            failing(None, "2026-01-01T00:00:00Z 5a1c Task timed out after 3.00 seconds"),
            WorkerTimeoutError,
            "3.00",
        ),
        (failing("Sandbox.Timedout", "RequestId: 5a Error: Task timed out"), WorkerTimeoutError, "timeout_s"),
        (
            failing("Runtime.OutOfMemory", "RequestId: 5a Error: Runtime exited"),
            WorkerMemoryError,
            "memory_mb",
        ),
        (
            failing("Runtime.ExitError", "Runtime exited with error: signal: killed"),
            WorkerMemoryError,
            "killed",
        ),
        (failing("MemoryError", ""), WorkerMemoryError, "memory_mb"),
        (
            failing("Runtime.ExitError", "Runtime exited with error: exit status 3"),
            WorkerCrashedError,
            "status 3",
        ),
        (failing("Runtime.ImportModuleError", "No module named 'x'"), WorkerCrashedError, "No module named"),
        (
            failing("Function.ResponseSizeTooLarge", "exceeded maximum"),
            WorkerPayloadError,
            "addresses of data",
        ),
        (failing("ValueError", "no", stackTrace=["outer", ' File "h.py", line 7']), WorkerError, "line 7"),
        (Function(lambda _: b"[1, 2]"), WorkerError, "not a JSON object"),
        (Function(lambda _: b"oops"), WorkerError, "not JSON"),
    ],
)
def test_failures_of_a_function(
    wire: LambdaWire, make: Make, function: Function, error: type[WorkerError], says: str
) -> None:
    wire.functions["worker"] = function
    with pytest.raises(error, match=says) as failure:
        make().invoke({})
    assert type(failure.value) is error


def test_a_failure_that_is_no_json_is_reported_in_short(wire: LambdaWire, make: Make) -> None:
    def run(_: bytes) -> bytes:
        raise WireFailure(b"x" * 100_000)

    wire.functions["worker"] = Function(run)
    with pytest.raises(WorkerError, match="xxxx") as failure:
        make().invoke({})
    assert len(str(failure.value)) < 5000


@pytest.mark.parametrize(
    ("refusal", "error", "says"),
    [
        (
            RefusedError(403, "AccessDeniedException", "not authorized"),
            WorkerUnavailableError,
            "InvokeFunction",
        ),
        (
            RefusedError(413, "RequestTooLargeException", "smaller"),
            WorkerPayloadError,
            "LAMBDA_PAYLOAD_BYTES",
        ),
        (RefusedError(500, "ServiceException", "internal"), WorkerLostError, "may have run"),
        (RefusedError(502, "EC2ThrottledException", "no room"), WorkerThrottledError, "no room"),
        (RefusedError(502, "KMSAccessDeniedException", "key"), WorkerUnavailableError, "KMS"),
        (RefusedError(409, "ResourceConflictException", "updating"), WorkerCrashedError, "not ready"),
        (RefusedError(400, "InvalidRuntimeException", "none"), WorkerUnavailableError, "doctor"),
    ],
)
def test_refusals_of_the_service(
    wire: LambdaWire, make: Make, refusal: RefusedError, error: type[WorkerError], says: str
) -> None:
    worker = make()
    wire.refuse(refusal)
    with pytest.raises(error, match=says) as failure:
        worker.invoke({})
    assert type(failure.value) is error
    assert wire.calls["invocations"] == 1


def test_what_is_not_there_is_reported_before_anything_runs(wire: LambdaWire, make: Make) -> None:
    for worker in (make("nobody"), make(qualifier="7")):
        with pytest.raises(WorkerUnavailableError, match="CLUSTER_AWS_FUNCTION"):
            worker.invoke({})
    assert wire.calls["invocations"] == 0


@pytest.mark.parametrize(("name", "value"), [("memory_mb", 3000), ("timeout_s", 901)])
def test_a_function_that_is_too_small_is_reported_before_anything_runs(
    wire: LambdaWire, make: Make, name: str, value: int
) -> None:
    with pytest.raises(WorkerUnavailableError, match=f"{name} requires {value}"):
        make(**{name: value}).invoke({})
    assert wire.ran == []


def test_an_alias_is_pinned_to_the_version_it_named_first(wire: LambdaWire, make: Make) -> None:
    function = wire.functions["worker"] = Function(lambda body: body)
    worker = make(qualifier="live")
    worker.invoke({})
    function.versions |= {"live": "4", "4": "4"}
    worker.invoke({})
    assert worker.version == "3"
    assert wire.qualifiers == ["3", "3"]
    assert wire.calls["configuration"] == 1


@pytest.mark.parametrize("event", [{"x": float("nan")}, {"x": {1}}, {"x": "x" * LAMBDA_PAYLOAD_BYTES}])
def test_events_that_cannot_travel_are_never_sent(
    wire: LambdaWire, make: Make, event: dict[str, Any]
) -> None:
    with pytest.raises(WorkerPayloadError):
        make().invoke(event)
    assert not wire.calls


def test_the_largest_event_travels(wire: LambdaWire, make: Make) -> None:
    event = {"x": "x" * (LAMBDA_PAYLOAD_BYTES - len('{"x": ""}'))}
    assert len(json.dumps(event)) == LAMBDA_PAYLOAD_BYTES
    assert make().invoke(event) == event


def test_calls_run_at_the_same_time_and_never_more(wire: LambdaWire, make: Make) -> None:
    running, most, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def run(body: bytes) -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 12:
                full.set()
        full.wait(LONGEST_S)
        time.sleep(0.02)  # for one call too many, if there is one
        with lock:
            running -= 1
        return body

    wire.functions["worker"] = Function(run)
    worker = make(max_concurrency=12)
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda n: worker.invoke({"n": n}), range(30)))
    assert [answer["n"] for answer in answers] == list(range(30))
    assert most == 12


def test_a_caller_without_a_turn_is_throttled(wire: LambdaWire, make: Make) -> None:
    go = threading.Event()
    wire.functions["worker"] = Function(lambda body: body if go.wait(LONGEST_S) else b"")
    worker = make(queue_timeout_s=0.05)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.invoke, {"n": 1})
        wait_for("the first call has begun", lambda: wire.ran)
        with pytest.raises(WorkerThrottledError, match="max_concurrency"):
            worker.invoke({"n": 2})
        go.set()
        assert running.result() == {"n": 1}


def test_a_closed_invoker_calls_no_more(wire: LambdaWire, make: Make) -> None:
    worker = make()
    worker.invoke({})
    worker.close()
    with pytest.raises(WorkerCrashedError, match="closed"):
        worker.invoke({})
    assert len(wire.ran) == 1
