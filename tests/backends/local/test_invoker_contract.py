"""The contract of all invokers, with real worker processes; a new invoker is a new parameter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from lambda_wire import Function, LambdaWire, in_sandboxes

from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.backends.aws.worker import AwsLambda, AwsLambdaConfig
from cluster_assets.domain.costs import LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox_clock import SandboxClock

    from cluster_assets.backends.local.worker import LocalLambda
    from cluster_assets.backends.ports import Invoker


@pytest.fixture(params=["local", "aws"])
def make_invoker(
    request: pytest.FixtureRequest,
    make_lambda: Callable[..., LocalLambda],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Invoker]]:
    """Makes an invoker over the handlers of this folder."""
    if request.param == "local":
        yield make_lambda
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-the-test")
    with LambdaWire() as wire:
        made: list[AwsLambda] = []

        def make(**limits: Any) -> Invoker:
            wire.functions["worker"] = Function(in_sandboxes(make_lambda(**limits)))
            config = AwsLambdaConfig("worker", max_concurrency=limits.get("max_concurrency", 1))
            made.append(AwsLambda(AwsAccount("us-east-1", wire.url), config))
            return made[-1]

        yield make
        for invoker in made:
            invoker.close()


def test_an_event_travels_and_the_worker_stays_warm(make_invoker: Callable[..., Invoker]) -> None:
    worker = make_invoker()
    event = {"do": "describe", "text": "ü€ \u0000", "deep": [{"x": [1.5, None, True]}]}
    answers = [worker.invoke(event) for _ in range(3)]
    assert [answer["event"] for answer in answers] == [event] * 3
    assert len({answer["pid"] for answer in answers}) == 1


def test_calls_meet_and_are_never_too_many(make_invoker: Callable[..., Invoker], tmp_path: Path) -> None:
    worker = make_invoker(max_concurrency=2)
    calls = [{"do": "meet", "folder": str(tmp_path), "name": n, "company": 2} for n in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(worker.invoke, calls))
    assert max(answer["most"] for answer in answers) == 2


@pytest.mark.parametrize(
    ("event", "limits", "error"),
    [
        ({"do": "fail", "message": "no such thing"}, {}, WorkerError),
        ({"do": "wait"}, {}, WorkerTimeoutError),
        ({"do": "take_memory", "mb": 300}, {"memory_mb": 128}, WorkerMemoryError),
        ({"do": "leave", "status": 3}, {}, WorkerCrashedError),
        ({"do": "answer", "length": LAMBDA_PAYLOAD_BYTES}, {}, WorkerPayloadError),
        ({"do": "describe", "text": "x" * LAMBDA_PAYLOAD_BYTES}, {}, WorkerPayloadError),
        ({"do": "describe", "text": float("nan")}, {}, WorkerPayloadError),
        ({"do": "answer_list"}, {}, WorkerError),
    ],
)
def test_each_failure_has_its_error_and_the_next_call_works(
    make_invoker: Callable[..., Invoker],
    clock: SandboxClock,
    tmp_path: Path,
    event: dict[str, Any],
    limits: dict[str, Any],
    error: type[WorkerError],
) -> None:
    worker = make_invoker(**limits)
    if event["do"] == "wait":
        begun = tmp_path / "begun"
        event = event | {"begun": str(begun), "until": str(tmp_path / "never")}
        clock.expire_after("the handler begins", begun.exists)
    with pytest.raises(error) as failure:
        worker.invoke(event)
    assert type(failure.value) is error
    if event["do"] == "fail":
        assert "LookupError: no such thing" in str(failure.value)
        assert "behaviours.py" in str(failure.value)
    assert worker.invoke({"do": "answer", "length": 1}) == {"text": "x"}


def test_a_closed_invoker_calls_no_more(make_invoker: Callable[..., Invoker]) -> None:
    worker = make_invoker()
    worker.invoke({"do": "describe"})
    worker.close()
    with pytest.raises(WorkerCrashedError, match="closed"):
        worker.invoke({"do": "describe"})
