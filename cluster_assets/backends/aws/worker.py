"""The worker on AWS Lambda, called so that each event runs once."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.backends.aws.faults import call_aws
from cluster_assets.backends.aws.long_calls import (
    Durations,
    Handover,
    LongCalls,
    answer_address,
    wait_for_answer,
)
from cluster_assets.backends.aws.worker_errors import failure_of_call, failure_of_function
from cluster_assets.backends.bounded_invoker import BoundedInvoker
from cluster_assets.backends.patience import Patience
from cluster_assets.backends.payloads import decode_reply, encode_event
from cluster_assets.domain.costs import LAMBDA_EVENT_BYTES, LAMBDA_MAX_TIMEOUT_S
from cluster_assets.domain.errors import (
    SpecError,
    WorkerCrashedError,
    WorkerUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.aws.clients import AwsAccount

# Longer than Lambda's maximum timeout: a caller that gives up earlier leaves an invocation running.
READ_TIMEOUT_S = LAMBDA_MAX_TIMEOUT_S + 30.0


@dataclass(frozen=True, slots=True)
class AwsLambdaConfig:
    """A deployed function and the limits that callers rely on.

    Attributes:
        function: Name or ARN.
        qualifier: A version or an alias; an alias is resolved once, so that all invocations of a run use the
            same code.
        memory_mb: Minimum memory of the function in MiB, on which the plan of a day relies.
        timeout_s: Minimum timeout of the function in seconds.
        max_concurrency: Maximum number of concurrent invocations.
        read_timeout_s: Seconds to wait for a response.
        queue_timeout_s: Seconds a caller waits for a free slot before it is throttled locally.
        patience: For the lookup of the function; invocations are tried once.
        long_calls: When to call asynchronously and read the reply from a store; None makes all calls
            synchronous.

    Raises:
        SpecError: A number is out of range.
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


class AwsLambda(BoundedInvoker):
    """Calls a Lambda function; a thread-safe `Invoker`.

    By default boto3 times out after 60 s and retries, so that a slow function runs three times concurrently.
    Here each call is made once, waits longer than any function may take, and keeps its connection alive
    through firewalls that drop idle ones. Calls that would be idle for too long are asynchronous instead, and
    their reply is read from the store. The caller decides about retries by the kind of error.

    Args:
        account: Creates the client.
        config: The function.
    """

    is_billed = True

    def __init__(self, account: AwsAccount, config: AwsLambdaConfig) -> None:
        super().__init__(config.max_concurrency, config.queue_timeout_s)
        self._config = config
        self._client = account.client(
            "lambda", read_timeout_s=config.read_timeout_s, parallel=config.max_concurrency
        )
        self._lock = Lock()
        self._version: str | None = None
        self._durations = Durations()
        self._closing = Event()

    @property
    def version(self) -> str:
        """The version of the function, resolved on first use.

        Raises:
            WorkerUnavailableError: The function or version does not exist or is not accessible, or it has
                less memory or time than the configuration says.
        """
        with self._lock:
            if self._version is None:
                self._version = self._look_up()
            return self._version

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one event and return the reply.

        Args:
            event: A JSON object.

        Raises:
            WorkerPayloadError: Request or response exceeds Lambda's limit; requests are checked here.
            WorkerThrottledError: Lambda or `max_concurrency` allows no further call; it never started.
            WorkerTimeoutError: The invocation ran out of time.
            WorkerMemoryError: The invocation ran out of memory.
            WorkerCrashedError: The process died or could not start, or the invoker is closed.
            WorkerUnavailableError: The function does not exist, or this process may not call it.
            WorkerLostError: The connection broke; the invocation may have run, or still be running.
            WorkerError: The handler raised an exception; the message contains its type and text.
        """
        body = encode_event(event)
        with self._slot():
            started = time.monotonic()
            try:
                if (handed := self._handed_over(event)) is not None:
                    return handed
                return self._answered(body)
            finally:  # the duration counts even if the response was lost
                self._durations.note(event, time.monotonic() - started)

    def _answered(self, body: bytes) -> Mapping[str, Any]:
        """Call synchronously."""
        answer, said = self._call("RequestResponse", body)
        if "FunctionError" in answer:
            raise failure_of_function(said, self._where)
        return decode_reply(said)

    def _handed_over(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Make a long call asynchronously and wait for its reply; None if it is short or has no reply URI."""
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
        """Invoke once and return Lambda's response and the function's payload."""
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
        """Refuse further calls. Running invocations cannot be cancelled; Lambda finishes them."""
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
                    f"the function has {has:g}, but limits.{name} requires {needs:g}",
                    where=self._where,
                    remedy=f"deploy the function with more, or lower limits.{name} of the pipeline",
                )
        return str(found["Version"])

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise WorkerCrashedError("the invoker is closed", where=self._where)
