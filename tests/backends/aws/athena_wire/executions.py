"""Query executions: their states, what they read, and how the API describes them."""

from __future__ import annotations

import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from athena_wire.errors import SYSTEM, CancelledError, StatementError
from athena_wire.statements import Outcome

if TYPE_CHECKING:
    import duckdb


@dataclass
class WorkGroup:
    """A workgroup: its result location, the cut-off of a query in bytes, state and engine."""

    name: str
    output: str | None = None
    cutoff: int | None = None
    state: str = "ENABLED"
    engine: str = "Athena engine version 3"

    @property
    def described(self) -> dict[str, Any]:
        configuration: dict[str, Any] = {
            "EnforceWorkGroupConfiguration": False,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": self.engine},
        }
        if self.output:
            configuration["ResultConfiguration"] = {"OutputLocation": self.output}
        if self.cutoff:
            configuration["BytesScannedCutoffPerQuery"] = self.cutoff
        return {"Name": self.name, "State": self.state, "Configuration": configuration}


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
