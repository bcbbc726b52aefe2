"""The worker on AWS Lambda, called so that one event runs once."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.aws.faults import Patience, call_aws
from cluster_assets.domain.errors import (
    SpecError,
    WorkerCrashedError,
    WorkerThrottledError,
    WorkerUnavailableError,
)
from cluster_assets.domain.limits import LAMBDA_EVENT_BYTES, LAMBDA_MAX_TIMEOUT_S
from cluster_assets.invokers.aws_lambda_errors import failure_of_call, failure_of_function
from cluster_assets.invokers.long_calls import (
    Durations,
    Handover,
    LongCalls,
    answer_address,
    wait_for_answer,
)
from cluster_assets.invokers.payloads import decode_reply, encode_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.aws.clients import AwsAccount

# Beyond the longest time a function may take: whoever gives up earlier leaves an invocation behind.
READ_TIMEOUT_S = LAMBDA_MAX_TIMEOUT_S + 30.0


@dataclass(frozen=True, slots=True)
class AwsLambdaConfig:
    """A deployed function, and what the caller relies on.

    Attributes:
        function: Name or ARN.
        qualifier: A version or an alias; an alias is looked up once and its version kept, so that all
            invocations of a run are answered by the same code.
        memory_mb: Least memory of the function, in MiB: what the plan of a day reckons with.
        timeout_s: Least time the function gives an invocation.
        max_concurrency: Invocations at a time.
        read_timeout_s: How long to wait for an answer.
        queue_timeout_s: Seconds a caller waits for its turn before it is throttled here.
        patience: For looking the function up; an invocation is tried once.
        long_calls: When to hand a call over and look for its answer in a store; None waits for every answer
            on the connection.

    Raises:
        SpecError: A number makes no sense.
    """

    function: str
    qualifier: str = "$LATEST"
    memory_mb: int = 128
    timeout_s: float = 1.0
    max_concurrency: int = 1
    read_timeout_s: float = READ_TIMEOUT_S
    queue_timeout_s: float = LAMBDA_MAX_TIMEOUT_S
    patience: Patience = field(default_factory=Patience)
    long_calls: LongCalls | None = None

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise SpecError(f"max_concurrency is {self.max_concurrency}", remedy="give 1 or more")


class AwsLambda:
    """Calls a Lambda function; an `Invoker`, safe from several threads.

    boto3 as it comes gives up reading after 60 s and asks again, so that a slow function runs three times
    at once. Here a call is made once, waits longer than any function may take, and holds its connection
    alive over firewalls that forget quiet ones. What will be quiet for too long is handed over instead, and
    its answer looked for in the store. Whether to try again is decided above, by the kind of error.

    Args:
        account: Makes the client.
        config: The function.
    """

    is_billed = True

    def __init__(self, account: AwsAccount, config: AwsLambdaConfig) -> None:
        self._config = config
        self._client = account.client(
            "lambda", read_timeout_s=config.read_timeout_s, parallel=config.max_concurrency
        )
        self._slots = BoundedSemaphore(config.max_concurrency)
        self._lock = Lock()
        self._version: str | None = None
        self._durations = Durations()
        self._closing = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def version(self) -> str:
        """The version that answers; looked up at the first call.

        Raises:
            WorkerUnavailableError: There is no such function or version, it may not be looked at, or it has
                less memory or time than the configuration says.
        """
        with self._lock:
            if self._version is None:
                self._version = self._look_up()
            return self._version

    @property
    def max_concurrency(self) -> int:
        """Calls at a time; further ones wait."""
        return self._config.max_concurrency

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run one event to its reply.

        Args:
            event: A JSON object.

        Raises:
            WorkerPayloadError: Request or response is larger than Lambda carries; a request is checked here.
            WorkerThrottledError: Lambda, or `max_concurrency`, has no room; it never began.
            WorkerTimeoutError: The invocation ran out of time.
            WorkerMemoryError: It ran out of memory.
            WorkerCrashedError: The process died or could not start, or the invoker is closed.
            WorkerUnavailableError: There is no such function, or this process may not call it.
            WorkerLostError: The connection broke; the invocation may have run, or still be running.
            WorkerError: The handler raised an exception; its type and message are told.
        """
        body = encode_event(event)
        with self._slot():
            started = time.monotonic()
            try:
                if (handed := self._handed_over(event)) is not None:
                    return handed
                return self._answered(body)
            finally:  # a call whose answer got lost was as long as it was
                self._durations.note(event, time.monotonic() - started)

    def _answered(self, body: bytes) -> Mapping[str, Any]:
        """Call and wait on the connection."""
        answer, said = self._call("RequestResponse", body)
        if "FunctionError" in answer:
            raise failure_of_function(said, self._where)
        return decode_reply(said)

    def _handed_over(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Hand a long call over and wait for its answer; None where it is short or cannot be handed over."""
        calls = self._config.long_calls
        if calls is None or self._durations.foreseen(event) <= calls.from_s:
            return None
        address = answer_address(event)
        body = encode_event({**event, "answer": address})
        if address is None or len(body) > LAMBDA_EVENT_BYTES:
            return None
        until = event.get("deadline") or time.time() + self._config.timeout_s
        accepted, _ = self._call("Event", body)
        request = accepted["ResponseMetadata"].get("RequestId", "unknown")
        handover = Handover(address, until, f"{self._where}, request {request}")
        answer = wait_for_answer(calls, handover, self._closing)
        if "failure" in answer:
            raise failure_of_function(json.dumps(answer["failure"]).encode(), handover.where)
        reply: Mapping[str, Any] = answer["reply"]
        return reply

    def _call(self, kind: str, body: bytes) -> tuple[Mapping[str, Any], bytes]:
        """Invoke once; the answer of Lambda, and what the function said."""
        version = self.version
        self._check_open()
        try:
            answer = self._client.invoke(
                FunctionName=self._config.function, Qualifier=version, InvocationType=kind, Payload=body
            )
            with answer["Payload"] as stream:
                return answer, stream.read()
        except (ClientError, BotoCoreError) as error:
            raise failure_of_call(error, self._where) from error

    def close(self) -> None:
        """Allow no further call. Lambda ends what is running there; nobody can recall it."""
        self._closing.set()
        self._client.close()

    @property
    def _where(self) -> str:
        return f"Lambda function {self._config.function}, version {self._version or self._config.qualifier}"

    def _look_up(self) -> str:
        self._check_open()
        config = self._config
        found = call_aws(
            lambda: self._client.get_function_configuration(
                FunctionName=config.function, Qualifier=config.qualifier
            ),
            config.patience,
            lambda error: failure_of_call(error, self._where),
        )
        for name, has, needs in (
            ("memory_mb", found["MemorySize"], config.memory_mb),
            ("timeout_s", found["Timeout"], config.timeout_s),
        ):
            if has < needs:
                raise WorkerUnavailableError(
                    f"the function has {has:g} where limits.{name} says {needs:g}",
                    where=self._where,
                    remedy=f"deploy it with more, or lower limits.{name} of the pipeline",
                )
        return str(found["Version"])

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise WorkerCrashedError("the invoker is closed", where=self._where)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._config.queue_timeout_s):
            raise WorkerThrottledError(
                f"all {self._config.max_concurrency} slots were busy for {self._config.queue_timeout_s:g} s",
                remedy="raise limits.max_concurrency, or run fewer days at a time",
            )
        try:
            yield
        finally:
            self._slots.release()
