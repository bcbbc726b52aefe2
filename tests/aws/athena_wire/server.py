"""The server: JSON 1.1 over HTTP in threads, executions with states, faults on demand."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import re
import threading
import time
import traceback
import uuid
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import duckdb

from athena_wire.errors import SYSTEM, CancelledError, RequestError, StatementError
from athena_wire.statements import Outcome, Run, Statements
from athena_wire.tables import Tables

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_QUERY_BYTES = 262_144
_SERVICE = "AmazonAthena."
_LONGEST_HOLD_S = 60


@dataclass
class WorkGroup:
    """A workgroup: its result location and the cut-off of a query in bytes."""

    name: str
    output: str | None = None
    cutoff: int | None = None

    @property
    def described(self) -> dict[str, Any]:
        configuration: dict[str, Any] = {"EnforceWorkGroupConfiguration": False}
        if self.output:
            configuration["ResultConfiguration"] = {"OutputLocation": self.output}
        if self.cutoff:
            configuration["BytesScannedCutoffPerQuery"] = self.cutoff
        return {"Name": self.name, "State": "ENABLED", "Configuration": configuration}


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


@dataclass
class Execution:
    """A query execution."""

    request: dict[str, Any]
    group: WorkGroup
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str | None = None
    error: StatementError | None = None
    outcome: Outcome = field(default_factory=Outcome)
    scanned: int = 0
    submitted: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    connection: duckdb.DuckDBPyConnection | None = None

    @property
    def text(self) -> str:
        return str(self.request["QueryString"])

    @property
    def folder(self) -> str:
        given = self.request.get("ResultConfiguration", {}).get("OutputLocation")
        return str(given or self.group.output).rstrip("/")

    @property
    def output(self) -> str:
        ending = "" if re.match(r"\s*unload\b", self.text, re.IGNORECASE) else ".csv"
        return f"{self.folder}/{self.query_id}{ending}"

    @property
    def manifest(self) -> str:
        return f"{self.folder}/{self.query_id}-manifest.csv"

    def scanning(self, size: int) -> None:
        """Count bytes; the workgroup's cut-off stops the query once it has read more."""
        cutoff = self.group.cutoff
        self.scanned = size if cutoff is None else min(size, cutoff + 1)
        if cutoff is not None and size > cutoff:
            self.reason = "Bytes scanned limit was exceeded"
            raise CancelledError
        if self.stopped.is_set():
            raise CancelledError

    @property
    def described(self) -> dict[str, Any]:
        """`QueryExecution` of the API."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.ended:
            status["CompletionDateTime"] = self.ended
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.error is not None:
            status["AthenaError"] = {
                "ErrorCategory": self.error.category,
                "ErrorType": 9999 if self.error.category == SYSTEM else 1006,
                "Retryable": self.error.retryable,
                "ErrorMessage": self.error.reason,
            }
        statistics: dict[str, Any] = {
            "DataScannedInBytes": self.scanned,
            "QueryQueueTimeInMillis": int(1000 * ((self.started or time.time()) - self.submitted)),
            "EngineExecutionTimeInMillis": int(1000 * (self.ended - self.started)) if self.ended else 0,
            "TotalExecutionTimeInMillis": int(1000 * (self.ended - self.submitted)) if self.ended else 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
        if self.state == "SUCCEEDED" and self.outcome.files is not None:
            statistics["DataManifestLocation"] = self.manifest
        return {
            "QueryExecutionId": self.query_id,
            "Query": self.text,
            "StatementType": self.outcome.kind,
            "QueryExecutionContext": self.request.get("QueryExecutionContext", {}),
            "ResultConfiguration": {"OutputLocation": self.output},
            "WorkGroup": self.group.name,
            "Status": status,
            "Statistics": statistics,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }


class AthenaWire:
    """Athena on 127.0.0.1 and a free port.

    Args:
        glue: A boto3 client; holds the tables.
        s3: A boto3 client; holds files and results.
        folder: For the mirror of objects.
    """

    def __init__(self, glue: Any, s3: Any, folder: Path) -> None:
        (folder / "mirror").mkdir(parents=True)
        (folder / "scratch").mkdir()
        self._s3 = s3
        self.statements = Statements(Tables(glue, s3, folder / "mirror"), glue, s3, folder / "scratch")
        self.work_groups = {"primary": WorkGroup("primary")}
        self.executions: dict[str, Execution] = {}
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.hold = threading.Event()  # cleared, queries wait in RUNNING
        self.hold.set()
        self.pauses: dict[str, threading.Event] = {}  # by operation: its answers wait for the event
        self._tokens: dict[str, Execution] = {}
        self._faults: deque[Fault] = deque()
        self._failures: deque[StatementError] = deque()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(8, "athena-wire-query")
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        for execution in self.executions.values():
            execution.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._pool.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """Forget faults, counts and limits; executions stay."""
        with self._lock:
            self._faults.clear()
            self._failures.clear()
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
        self._failures.extend(
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
        handler = getattr(self, f"_{_snake(operation)}", None)
        if handler is None:
            raise RequestError("UnknownOperationException", f"{operation} is not part of this server")
        found: dict[str, Any] = handler(request)
        if operation in self.pauses:
            self.pauses[operation].wait(30)
        return None if fault is not None else found

    def _start_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        text = request["QueryString"]
        if len(text.encode()) > LONGEST_QUERY_BYTES:
            raise _invalid("Your query has exceeded the maximum query length of 262144 bytes.")
        token = request.get("ClientRequestToken") or str(uuid.uuid4())
        if not 32 <= len(token) <= 128:
            raise _invalid("ClientRequestToken must have 32 to 128 characters")
        group = self._group(request.get("WorkGroup", "primary"))
        execution = Execution(request, group)
        if not request.get("ResultConfiguration", {}).get("OutputLocation") and not group.output:
            raise _invalid("No output location provided.")
        with self._lock:
            if (earlier := self._tokens.get(token)) is not None:
                if earlier.request != request:
                    raise _invalid("Idempotent parameters do not match")
                return {"QueryExecutionId": earlier.query_id}
        self.statements.check(text)
        with self._lock:
            self._tokens[token] = execution
            self.executions[execution.query_id] = execution
        self._pool.submit(self._run, execution)
        return {"QueryExecutionId": execution.query_id}

    def _get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": self._execution(request).described}

    def _batch_get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        found = [self.executions[one] for one in request["QueryExecutionIds"] if one in self.executions]
        missing = [one for one in request["QueryExecutionIds"] if one not in self.executions]
        return {
            "QueryExecutions": [execution.described for execution in found],
            "UnprocessedQueryExecutionIds": [{"QueryExecutionId": one} for one in missing],
        }

    def _get_query_runtime_statistics(self, request: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        rows = {"InputBytes": execution.scanned, "OutputRows": len(execution.outcome.rows)}
        return {"QueryRuntimeStatistics": {"Timeline": {}, "Rows": rows}}

    def _stop_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        execution.stopped.set()
        connection = execution.connection
        if connection is not None and not execution.ended:
            with contextlib.suppress(duckdb.ConnectionException):  # it closed this moment
                connection.interrupt()
        return {}

    def _list_query_executions(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("WorkGroup", "primary")
        ids = [one.query_id for one in self.executions.values() if one.group.name == name]
        return {"QueryExecutionIds": ids[::-1][:50]}

    def _get_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"WorkGroup": self._group(request["WorkGroup"]).described}

    def _list_work_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"WorkGroups": [{"Name": name, "State": "ENABLED"} for name in self.work_groups]}

    def _create_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        configuration = request.get("Configuration", {})
        output = configuration.get("ResultConfiguration", {}).get("OutputLocation")
        group = WorkGroup(request["Name"], output, configuration.get("BytesScannedCutoffPerQuery"))
        if group.name in self.work_groups:
            raise _invalid("WorkGroup is already created")
        self.work_groups[group.name] = group
        return {}

    def _get_query_results(self, request: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        if execution.state != "SUCCEEDED":
            raise _invalid(f"Query has not yet finished or failed. Current state: {execution.state}")
        size = request.get("MaxResults", 1000)
        if not 1 <= size <= 1000:
            raise _invalid("MaxResults must be between 1 and 1000")
        outcome = execution.outcome
        names = tuple(name for name, _ in outcome.columns)
        rows = [names, *outcome.rows] if outcome.columns else []
        start = int(request.get("NextToken", "0"))
        page = rows[start : start + size]
        answer: dict[str, Any] = {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [{"Data": [_datum(value) for value in row]} for row in page],
                "ResultSetMetadata": {"ColumnInfo": [_column(name, kind) for name, kind in outcome.columns]},
            },
        }
        if start + size < len(rows):
            answer["NextToken"] = str(start + size)
        return answer

    def _group(self, name: str) -> WorkGroup:
        if name not in self.work_groups:
            raise _invalid(f"WorkGroup {name} is not found.")
        return self.work_groups[name]

    def _execution(self, request: dict[str, Any]) -> Execution:
        found = self.executions.get(request["QueryExecutionId"])
        if found is None:
            raise _invalid(f"QueryExecution {request['QueryExecutionId']} was not found")
        return found

    def _run(self, execution: Execution) -> None:
        execution.started, execution.state = time.time(), "RUNNING"
        state = "SUCCEEDED"
        try:
            self._work(execution)
        except CancelledError:
            state, execution.reason = "CANCELLED", execution.reason or "Query cancelled by user"
        except StatementError as error:
            state = "CANCELLED" if execution.stopped.is_set() else "FAILED"
            execution.error, execution.reason = error, error.reason
        except Exception as error:  # noqa: BLE001  # a fault of this server must not look like a slow query
            traceback.print_exc()
            state, execution.reason = "FAILED", f"GENERIC_USER_ERROR: the test server broke: {error!r}"
        execution.connection = None
        execution.ended, execution.state = time.time(), state

    def _work(self, execution: Execution) -> None:
        deadline = time.monotonic() + _LONGEST_HOLD_S
        while not self.hold.wait(0.01):
            if execution.stopped.is_set():
                raise CancelledError
            if time.monotonic() > deadline:
                raise StatementError("GENERIC_USER_ERROR: a test held its queries and forgot them")
        execution.outcome = self._outcome(execution)
        with self._lock:
            failure = self._failures.popleft() if self._failures else None
        if failure is not None:
            raise failure
        self._store(execution)
        if execution.stopped.is_set():
            raise CancelledError

    def _outcome(self, execution: Execution) -> Outcome:
        def connected(connection: duckdb.DuckDBPyConnection) -> None:
            execution.connection = connection

        database = execution.request.get("QueryExecutionContext", {}).get("Database", "default")
        return self.statements.run(execution.text, Run(database, execution.scanning, connected))

    def _store(self, execution: Execution) -> None:
        outcome = execution.outcome
        if outcome.files is not None:
            self._put(execution.manifest, "".join(f"{uri}\n" for uri in outcome.files))
            return
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([name for name, _ in outcome.columns])
        writer.writerows(outcome.rows)
        self._put(execution.output, text.getvalue())

    def _put(self, uri: str, text: str) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=text.encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wire: AthenaWire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = 200, self._answered(body)
        except RequestError as error:
            status, answer = error.status, {"__type": error.code, "message": error.message}
            if error.athena_code:
                answer["AthenaErrorCode"] = error.athena_code
        if answer is None:
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("Date", dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"))
        self.end_headers()
        self.wfile.write(data)

    def _answered(self, body: bytes) -> dict[str, Any] | None:
        target = self.headers.get("X-Amz-Target", "")
        if "/athena/aws4_request" not in self.headers.get("Authorization", ""):
            raise RequestError("UnrecognizedClientException", "The request is not signed", status=403)
        if not target.startswith(_SERVICE):
            raise RequestError("UnknownOperationException", f"{target} is not Athena")
        return self.server.wire.answer(target.removeprefix(_SERVICE), json.loads(body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _invalid(message: str) -> RequestError:
    return RequestError("InvalidRequestException", message, "INVALID_INPUT")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}


def _column(name: str, kind: str) -> dict[str, Any]:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": 0,
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": False,
    }
