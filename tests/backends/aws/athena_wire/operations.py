"""The operations of the API, each a method that takes the request and gives the answer."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

import duckdb

from athena_wire.errors import RequestError
from athena_wire.executions import Execution, WorkGroup

if TYPE_CHECKING:
    from athena_wire.runner import Runner
    from athena_wire.statements import Statements

LONGEST_QUERY_BYTES = 262_144


class Operations:
    """Answers requests.

    Attributes:
        work_groups: By name.
        executions: By id; they stay.
    """

    def __init__(self, statements: Statements, runner: Runner) -> None:
        self._statements = statements
        self._runner = runner
        self._tokens: dict[str, Execution] = {}
        self._lock = threading.Lock()
        self.work_groups = {"primary": WorkGroup("primary")}
        self.executions: dict[str, Execution] = {}

    def start_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
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
        self._statements.check(text)
        with self._lock:
            self._tokens[token] = execution
            self.executions[execution.query_id] = execution
        self._runner.submit(execution)
        return {"QueryExecutionId": execution.query_id}

    def get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": self._execution(request).described}

    def batch_get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        found = [self.executions[one] for one in request["QueryExecutionIds"] if one in self.executions]
        missing = [one for one in request["QueryExecutionIds"] if one not in self.executions]
        return {
            "QueryExecutions": [execution.described for execution in found],
            "UnprocessedQueryExecutionIds": [{"QueryExecutionId": one} for one in missing],
        }

    def get_query_runtime_statistics(self, request: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        rows = {"InputBytes": execution.scanned, "OutputRows": len(execution.outcome.rows)}
        return {"QueryRuntimeStatistics": {"Timeline": {}, "Rows": rows}}

    def stop_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        execution.stopped.set()
        connection = execution.connection
        if connection is not None and not execution.ended:
            with contextlib.suppress(duckdb.ConnectionException):  # it closed this moment
                connection.interrupt()
        return {}

    def list_query_executions(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("WorkGroup", "primary")
        ids = [one.query_id for one in self.executions.values() if one.group.name == name]
        return {"QueryExecutionIds": ids[::-1][:50]}

    def get_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"WorkGroup": self._group(request["WorkGroup"]).described}

    def list_work_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"WorkGroups": [{"Name": name, "State": "ENABLED"} for name in self.work_groups]}

    def create_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        configuration = request.get("Configuration", {})
        output = configuration.get("ResultConfiguration", {}).get("OutputLocation")
        group = WorkGroup(request["Name"], output, configuration.get("BytesScannedCutoffPerQuery"))
        if group.name in self.work_groups:
            raise _invalid("WorkGroup is already created")
        self.work_groups[group.name] = group
        return {}

    def get_query_results(self, request: dict[str, Any]) -> dict[str, Any]:
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


def _invalid(message: str) -> RequestError:
    return RequestError("InvalidRequestException", message, "INVALID_INPUT")


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
