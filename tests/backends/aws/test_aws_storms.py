"""Storms of throttles over a whole day, answers that come too late, and what travels to the worker."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from athena_lake import BUCKET, KEY_ID, PATIENCE, SECRET, TOKEN
from cloud import ATTACKERS, DAYS
from fault_proxy import Fault, FaultProxy
from lambda_wire import Function, LambdaWire
from waiting import LONGEST_S
from watcher import Watcher

from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.backends.aws.worker import AwsLambda, AwsLambdaConfig
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import WorkerThrottledError
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES
from cluster_assets.stages.worker.dispatch import MOST_THROTTLES, Dispatcher, Pace, Task
from lambda_worker.contract import ClusterEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from athena_lake import Lake
    from cloud import Cloud
    from fault_proxy import Call

    Match = Callable[[Call], bool]

pytestmark = pytest.mark.long

SLOW_DOWN = (503, "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>")
RATE_EXCEEDED = (400, '{"__type": "ThrottlingException", "message": "Rate exceeded"}')
NO_ROOM = (429, '{"__type": "TooManyRequestsException", "Reason": "ConcurrentInvocationLimitExceeded"}')


def puts(call: Call) -> bool:
    return call.method == "PUT"


def starts(call: Call) -> bool:
    return call.target == "StartQueryExecution"


def invokes(call: Call) -> bool:
    return "/invocations" in call.path


STORMS: dict[str, tuple[Match, tuple[int, str]]] = {
    "S3": (puts, SLOW_DOWN),
    "ATHENA": (starts, RATE_EXCEEDED),
    "LAMBDA": (invokes, NO_ROOM),
}


def sixty_percent_of(matches: Match) -> Match:
    """The same six of every ten."""
    numbers = itertools.count()
    return lambda call: matches(call) and next(numbers) % 10 in (0, 1, 3, 4, 6, 8)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as in production, after pauses that a test can wait for."""
    monkeypatch.setattr(Patience, "pause", lambda *_: 0.005)


@contextmanager
def storm(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, FaultProxy]]:
    with ExitStack() as stack:
        proxies = {}
        for service, (matches, answer) in STORMS.items():
            name = f"AWS_ENDPOINT_URL_{service}"
            proxies[service] = stack.enter_context(FaultProxy(cloud.variables[name]))
            proxies[service].faults.append(Fault(sixty_percent_of(matches), times=200, answer=answer))
            monkeypatch.setenv(name, proxies[service].url)
        yield proxies


def run_first_day() -> int:
    """How often the worker was throttled."""
    with open_backend(load_settings()) as backend:
        spec = load_pipeline(ATTACKERS)
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        done = [run_day(stage, DayJob(spec, backend, ledger, DAYS[0])) for stage in STAGES]
    numbers = [result.manifest.metrics.get("invocations_throttled", 0) for result in done]
    return sum(map(int, numbers))


@pytest.mark.usefixtures("short_pauses")
def test_a_day_in_a_storm_on_every_service_is_the_same(
    cloud: Cloud, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.write_source(home)
    cloud.enter("calm")
    run_first_day()
    expected = Watcher("attackers", DAYS[0], tmp_path).tables()
    cloud.enter("stormy")
    before = len(cloud.wire.ran)
    with storm(cloud, monkeypatch) as proxies:
        throttled = run_first_day()
        calls = {
            service: [call for call in proxies[service].calls if matches(call)]
            for service, (matches, _) in STORMS.items()
        }
        assert Watcher("attackers", DAYS[0], tmp_path).tables() == expected
    for service, made in calls.items():
        bodies = Counter((call.path, call.body if service == "ATHENA" else b"") for call in made)
        assert max(bodies.values()) > 1, f"there was no storm on {service}"
        assert max(bodies.values()) <= (Patience().attempts if service != "LAMBDA" else MOST_THROTTLES)
    assert throttled == len(calls["LAMBDA"]) - len(cloud.wire.ran[before:]) > 0  # those never began
    # No credential travels in what the worker is sent.
    sent = json.dumps(cloud.wire.ran)
    assert sent
    assert not [secret for secret in (KEY_ID, SECRET, TOKEN) if secret in sent]


@pytest.fixture(scope="module")
def server() -> Iterator[LambdaWire]:
    with LambdaWire() as wire:
        yield wire


@pytest.fixture
def wire(server: LambdaWire) -> LambdaWire:
    server.reset()
    return server


def invoker(wire: LambdaWire, lake: Lake, **config: Any) -> AwsLambda:
    settings = {"patience": PATIENCE, "timeout_s": LONGEST_S, "max_concurrency": 8} | config
    with lake.environment_set():
        return AwsLambda(AwsAccount("us-east-1", wire.url), AwsLambdaConfig("worker", **settings))


REPLY = b'{"ok": true, "version": 3}'


@pytest.mark.usefixtures("short_pauses")
def test_a_storm_on_invoke_that_stays_ends_and_the_next_call_succeeds(
    wire: LambdaWire, athena_lake: Lake
) -> None:
    wire.functions["worker"] = Function(lambda _: REPLY)
    event = ClusterEvent(
        points=(), candidates=(), point_count=0, output="/none", algorithm={"type": "dbscan"}
    )
    wire.throttle(MOST_THROTTLES + 1, "ConcurrentInvocationLimitExceeded")
    with invoker(wire, athena_lake) as worker:
        dispatcher = Dispatcher(worker, Pace(8, LONGEST_S))
        with pytest.raises(WorkerThrottledError):
            dispatcher.run([Task(event)])
        assert wire.calls["invocations"] == MOST_THROTTLES + 1
        assert wire.ran == []
        assert dispatcher.window.size == 1
        assert [answer.attempts for answer in dispatcher.run([Task(event)] * 20)] == [1] * 20
        assert dispatcher.window.size > 4


def test_a_call_whose_answer_comes_too_late_is_one_effective_execution(
    wire: LambdaWire, aws_workers: LambdaWire, athena_lake: Lake, tmp_path: Path
) -> None:
    """The service accepted it and ran it; the caller had stopped reading by then, and asks again."""
    run, late = aws_workers.functions["cluster-worker"].run, threading.Event()
    replies: list[dict[str, Any]] = []

    def answer_late(body: bytes) -> bytes:
        said = run(body)
        replies.append(json.loads(said))
        if len(replies) == 1:
            late.wait(LONGEST_S)
        return said

    wire.functions["worker"] = Function(answer_late)
    event = two_points(athena_lake, tmp_path)
    run(b"{}")  # a process is warm: the second answer comes long before the caller gives up again
    with invoker(wire, athena_lake, read_timeout_s=10.0) as worker:
        (answer,) = Dispatcher(worker, Pace(1, LONGEST_S)).run([Task(event)])
    late.set()
    assert answer.attempts == len(wire.ran) == 2
    assert [reply["reused"] for reply in replies] == [False, True]  # the second did no work
    assert answer.reply.clusters == replies[0]["clusters"] == 1
    assert len(athena_lake.list(event.output.rpartition("/")[0])) == 2  # the labels and their record


def two_points(lake: Lake, folder: Path) -> ClusterEvent:
    prefix = lake.fresh()
    for name, query in (
        ("points", "SELECT i AS point_id, 1::BIGINT AS weight FROM range(2) AS t(i)"),
        ("pairs", "SELECT 0::BIGINT AS point_a, 1::BIGINT AS point_b, 1e0 AS distance"),
    ):
        path = folder / f"{name}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        lake.put(f"{prefix}/{name}.parquet", path.read_bytes())
    output = f"s3://{BUCKET}/late/{prefix.rpartition('/')[2]}/labels.parquet"
    return ClusterEvent(
        points=(f"{prefix}/points.parquet",),
        candidates=(f"{prefix}/pairs.parquet",),
        point_count=2,
        output=output,
        record=f"{output}.json",
        algorithm={"type": "dbscan", "min_samples": 2},
    )
