"""The server: the requests it received, the faults it should cause, and the parts that do the work."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_server import LocalServer
from waiting import LONGEST_S

from athena_wire.errors import SYSTEM, RequestError, StatementError
from athena_wire.listener import Listener
from athena_wire.operations import Operations
from athena_wire.runner import Runner
from athena_wire.statements import Statements
from athena_wire.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Fault:
    """What a call meets instead of its answer.

    Attributes:
        code: `__type` of the refusal; empty to do the work and then break the connection.
    """

    operation: str
    code: str
    status: int
    times: int


class AthenaWire(LocalServer):
    """Athena on 127.0.0.1 and a free port.

    Args:
        glue: A boto3 client; holds the tables.
        s3: A boto3 client; holds files and results.
        folder: For the mirror of objects.
        make_statements: Makes what runs the statements; by default on DuckDB.
    """

    def __init__(
        self, glue: Any, s3: Any, folder: Path, make_statements: Callable[..., Statements] = Statements
    ) -> None:
        (folder / "mirror").mkdir(parents=True)
        (folder / "scratch").mkdir()
        tables = Tables(glue, s3, folder / "mirror")
        self.statements = make_statements(tables, glue, s3, folder / "scratch")
        self._runner = Runner(self.statements, s3)
        self._operations = Operations(self.statements, self._runner)
        self.work_groups = self._operations.work_groups
        self.executions = self._operations.executions
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.hold = self._runner.hold  # cleared, queries wait in RUNNING
        self.pauses: dict[str, threading.Event] = {}  # by operation: its answers wait for the event
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self.serve(Listener(self.answer))

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        for execution in self.executions.values():
            execution.stopped.set()
        super().__exit__()
        self._runner.close()

    def reset(self) -> None:
        """Forget faults, counts and limits; executions stay."""
        with self._lock:
            self._faults.clear()
            self._runner.failures.clear()
            self.calls.clear()
            self.requests.clear()
            self.pauses.clear()
        self.hold.set()
        self.statements.files_per_write = 2
        for group in self.work_groups.values():
            group.cutoff = None

    def refuse(self, operation: str, code: str, times: int = 1, status: int = 400) -> None:
        """Answer the next calls of an operation with an error."""
        self._faults.append(Fault(operation, code, status, times))

    def lose_answers(self, operation: str, times: int = 1) -> None:
        """Do what the next calls ask, then break the connection instead of answering."""
        self._faults.append(Fault(operation, "", 0, times))

    def fail_queries(
        self, reason: str, times: int = 1, *, category: int = SYSTEM, retryable: bool = True
    ) -> None:
        """Let the next queries end as FAILED once they have written what they write."""
        self._runner.failures.extend(
            StatementError(reason, category=category, retryable=retryable) for _ in range(times)
        )

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer of a call; None where it shall be lost.

        Raises:
            RequestError: The call is refused.
        """
        with self._lock:
            self.calls[operation] += 1
            self.requests.append((operation, request))
            fault = next((one for one in self._faults if one.operation == operation and one.times), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None and fault.code:
            raise RequestError(fault.code, "Rate exceeded", status=fault.status)
        handler = getattr(self._operations, _snake(operation), None)
        if handler is None:
            raise RequestError("UnknownOperationException", f"{operation} is not part of this server")
        found: dict[str, Any] = handler(request)
        if operation in self.pauses:
            self.pauses[operation].wait(LONGEST_S)
        return None if fault is not None else found


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
