"""Calls that are too long for a connection: handed over, run once, answered through the store."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from athena_lake import PATIENCE
from lambda_wire import Function, LambdaWire, WireFailure, in_sandboxes
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.aws import worker as aws_lambda
from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.backends.aws.long_calls import LONGEST_QUIET_S, LongCalls, answer_address
from cluster_assets.backends.aws.worker import AwsLambda, AwsLambdaConfig
from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerRefusalError,
    WorkerThrottledError,
    WorkerTimeoutError,
)
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.stages.worker.dispatch import Dispatcher, Pace, Task
from lambda_worker.contract import ClusterEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.backends.aws.store import S3Store

    Make = Callable[..., AwsLambda]

# Seconds that the tests call long; production begins at half of what a gateway allows.
LONG = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[LambdaWire]:
    with LambdaWire() as wire:
        yield wire


@pytest.fixture(scope="module")
def sandboxes(athena_servers: Lake) -> Iterator[LocalLambda]:
    """The real worker in processes."""
    config = LocalLambdaConfig(
        PROJECT_ROOT,
        "lambda_worker.handler.handler",
        memory_mb=1769,
        timeout_s=LONGEST_S,
        max_concurrency=2,
        environment=athena_servers.environment,
    )
    with LocalLambda(config) as worker:
        yield worker


@pytest.fixture
def wire(server: LambdaWire, sandboxes: LocalLambda) -> LambdaWire:
    server.reset()
    server.functions["worker"] = Function(in_sandboxes(sandboxes))
    return server


@pytest.fixture
def store(athena_lake: Lake) -> S3Store:
    return athena_lake.store()


@pytest.fixture
def make(wire: LambdaWire, athena_lake: Lake, store: S3Store) -> Iterator[Make]:
    made: list[AwsLambda] = []

    def make_invoker(**settings: Any) -> AwsLambda:
        calls = LongCalls(store, from_s=LONG / 2, grace_s=0.2, first_pause_s=0.02, longest_pause_s=0.05)
        config = {"patience": PATIENCE, "timeout_s": LONGEST_S, "max_concurrency": 4} | settings
        config = {"long_calls": calls} | config
        with athena_lake.environment_set():
            made.append(AwsLambda(AwsAccount("us-east-1", wire.url), AwsLambdaConfig("worker", **config)))
        return made[-1]

    yield make_invoker
    for invoker in made:
        invoker.close()


@pytest.fixture
def event(athena_lake: Lake, store: S3Store, tmp_path: Path) -> ClusterEvent:
    """Ten points in a row, in the store."""
    uris = {}
    for name, query in (
        ("points", "SELECT i AS point_id, 1::BIGINT AS weight FROM range(10) AS t(i)"),
        ("pairs", "SELECT i AS point_a, i + 1 AS point_b, 1e0 AS distance FROM range(9) AS t(i)"),
    ):
        path = tmp_path / f"{name}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        uris[name] = store.uri(f"in/{name}.parquet")
        athena_lake.put(uris[name], path.read_bytes())
    return ClusterEvent(
        points=(uris["points"],),
        candidates=(uris["pairs"],),
        point_count=10,
        output=store.uri("shards/labels.parquet"),
        record=store.uri("shards/labels.parquet.json"),
        algorithm={"type": "dbscan", "min_samples": 2},
        seconds=LONG,
    )


def keys(store: S3Store) -> list[str]:
    return sorted(found.key for found in store.list("shards/"))


def test_a_long_call_is_answered_as_a_short_one_is(
    wire: LambdaWire, make: Make, store: S3Store, event: ClusterEvent
) -> None:
    worker = make()
    long = worker.invoke(event.to_json() | {"deadline": time.time() + LONGEST_S})
    assert (long["ok"], long["clusters"], long["reused"]) == (True, 1, False)
    assert wire.calls["events"] == 1
    assert keys(store) == ["shards/labels.parquet", "shards/labels.parquet.json"]  # the answer is gone
    # The result stands, so that the same event is answered from its record, over the line or not.
    short = worker.invoke(event.to_json() | {"seconds": 0.0, "operation": "cluster", "deadline": None})
    assert short == {**long, "reused": True, "seconds": short["seconds"]}


def test_an_operation_that_took_long_before_is_called_asynchronously(
    wire: LambdaWire, make: Make, event: ClusterEvent
) -> None:
    worker = make(long_calls=None)
    assert worker.invoke(event.to_json())["ok"]
    assert wire.calls["events"] == 0  # no place for answers

    run = wire.functions["worker"].run
    wire.functions["worker"] = Function(lambda body: (time.sleep(0.3), run(body))[1])
    config = make()._config.long_calls
    assert config is not None
    worker = make(long_calls=LongCalls(config.store, from_s=0.25, first_pause_s=0.02))
    body = event.to_json() | {"seconds": 0.0}
    for number, events in enumerate((0, 1, 2)):
        assert worker.invoke(body)["ok"], number
        assert wire.calls["events"] == events
    assert worker.invoke({"operation": "another", **body} | {"operation": "pack"})["ok"] is False
    assert wire.calls["events"] == 2  # nothing is known of that operation


def test_an_event_that_is_delivered_twice_is_one_execution(
    wire: LambdaWire, make: Make, store: S3Store, event: ClusterEvent
) -> None:
    wire.repeats = 2
    replies: list[dict[str, Any]] = []
    run = wire.functions["worker"].run
    turn = threading.Lock()

    def one_after_the_other(body: bytes) -> bytes:
        with turn:
            said = run(body)
            replies.append(json.loads(said))
        return said

    wire.functions["worker"] = Function(one_after_the_other)
    assert make().invoke(event.to_json())["ok"]
    wait_for("both deliveries are answered", lambda: len(replies) >= 2)
    assert sorted(reply["reused"] for reply in replies) == [False, True]
    assert [key for key in keys(store) if "_answer" not in key] == [
        "shards/labels.parquet",
        "shards/labels.parquet.json",
    ]


def test_a_refusal_comes_back_typed(make: Make, event: ClusterEvent) -> None:
    dispatcher = Dispatcher(make(), Pace(1, LONGEST_S))
    broken = Task(ClusterEvent(**{name: getattr(event, name) for name in FIELDS} | {"point_count": 3}))
    with pytest.raises(WorkerRefusalError) as refused:
        dispatcher.run([broken])
    assert refused.value.error_type == "InputError"


FIELDS = ("points", "candidates", "point_count", "output", "record", "algorithm", "seconds")


def test_an_exception_comes_back_with_its_frame(
    wire: LambdaWire, make: Make, event: ClusterEvent, store: S3Store
) -> None:
    missing_bucket = event.to_json() | {"output": "s3://no-such-bucket-here/x.parquet"}
    with pytest.raises(WorkerError, match="NoSuchBucket") as failure:
        make().invoke(missing_bucket)
    assert type(failure.value) is WorkerError
    assert "request " in str(failure.value.where)
    assert ".py" in str(failure.value.where)  # the innermost frame
    # People find it in the on-failure destination too.
    (record,) = wait_for("the failure reaches its destination", lambda: wire.failed)
    assert record["requestId"] in str(failure.value.where)
    assert record["requestPayload"]["operation"] == "cluster"
    assert "shards/labels.parquet" not in keys(store)


def test_out_of_memory_is_reported_by_the_worker_itself(
    wire: LambdaWire, make: Make, athena_lake: Lake, event: ClusterEvent
) -> None:
    def run(body: bytes) -> bytes:
        told = {"errorType": "MemoryError", "errorMessage": "no room for 9 GB", "stackTrace": []}
        athena_lake.put(json.loads(body)["answer"], json.dumps({"failure": told}).encode())
        raise WireFailure(told)

    wire.functions["worker"] = Function(run)
    with pytest.raises(WorkerMemoryError, match="9 GB"):
        make().invoke(event.to_json())


def test_a_killed_worker_leaves_no_answer_and_its_time_ends(
    wire: LambdaWire, make: Make, event: ClusterEvent
) -> None:
    def killed(_: bytes) -> bytes:
        raise WireFailure({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"})

    wire.functions["worker"] = Function(killed)
    with pytest.raises(WorkerTimeoutError, match="no reply arrived") as failure:
        make().invoke(event.to_json() | {"deadline": time.time() + 0.1})
    assert "on-failure destination" in str(failure.value.remedy)
    wait_for("the failure reaches its destination", lambda: wire.failed)
    assert wire.failed[0]["requestId"] in str(failure.value.where)
    assert wire.calls["events"] == 1


def test_an_invalid_answer_is_reported(
    wire: LambdaWire, make: Make, athena_lake: Lake, event: ClusterEvent
) -> None:
    def run(body: bytes) -> bytes:
        athena_lake.put(json.loads(body)["answer"], b'["half')
        return b"{}"

    wire.functions["worker"] = Function(run)
    with pytest.raises(WorkerError, match="half"):
        make().invoke(event.to_json())


def test_a_throttle_is_reported_at_once(wire: LambdaWire, make: Make, event: ClusterEvent) -> None:
    wire.throttle(1, "CallerRateLimitExceeded")
    with pytest.raises(WorkerThrottledError):
        make().invoke(event.to_json())
    assert wire.ran == []


def test_an_event_too_large_to_be_handed_over_waits_on_the_line(
    wire: LambdaWire, make: Make, event: ClusterEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    with monkeypatch.context() as patch:
        patch.setattr(aws_lambda, "LAMBDA_EVENT_BYTES", len(json.dumps(event.to_json())) - 1)
        assert worker.invoke(event.to_json())["ok"]
    assert worker.invoke(event.to_json() | {"record": None, "output": "nowhere"})["ok"] is False
    assert wire.calls["events"] == 0


def test_closing_ends_the_waiting(wire: LambdaWire, make: Make, event: ClusterEvent) -> None:
    handed = threading.Event()
    wire.functions["worker"] = Function(lambda _: (handed.set(), b"{}")[1])
    worker = make()
    caught: list[BaseException] = []

    def call() -> None:
        try:
            worker.invoke(event.to_json())
        except WorkerError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert handed.wait(LONGEST_S)
    worker.close()
    thread.join(LONGEST_S)
    assert [type(error) for error in caught] == [WorkerCrashedError]


def test_production_begins_before_a_gateway_forgets(store: S3Store) -> None:
    assert LongCalls(store).from_s < LONGEST_QUIET_S


def test_answers_lie_where_no_table_is_read() -> None:
    event = {"output": "s3://b/p/candidates/day=1/attempt/candidates/0001"}
    one, other = answer_address(event), answer_address(event)
    assert one is not None
    assert one != other
    assert one.startswith("s3://b/p/candidates/day=1/attempt/candidates/_answer-")
    assert answer_address({"output": None}) is None
