"""Runs each query in a thread, until it ends or is stopped."""

from __future__ import annotations

import csv
import io
import threading
import time
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from waiting import wait_for

from athena_wire.errors import CancelledError, StatementError
from athena_wire.statements import Run

if TYPE_CHECKING:
    import duckdb

    from athena_wire.executions import Execution
    from athena_wire.statements import Outcome, Statements


class Runner:
    """Runs executions.

    Attributes:
        hold: Cleared, queries wait in RUNNING.
        failures: How the next queries end once they have written what they write.
    """

    def __init__(self, statements: Statements, s3: Any) -> None:
        self._statements = statements
        self._s3 = s3
        self._pool = ThreadPoolExecutor(8, "athena-wire-query")
        self._lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        self.failures: deque[StatementError] = deque()

    def submit(self, execution: Execution) -> None:
        """Run an execution as soon as a thread is free."""
        self._pool.submit(self._run, execution)

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown()

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
        wait_for("a test lets its query go", lambda: self.hold.is_set() or execution.stopped.is_set())
        if not self.hold.is_set():
            raise CancelledError
        execution.outcome = self._outcome(execution)
        with self._lock:
            failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
        self._store(execution)
        if execution.stopped.is_set():
            raise CancelledError

    def _outcome(self, execution: Execution) -> Outcome:
        def connected(connection: duckdb.DuckDBPyConnection) -> None:
            execution.connection = connection

        database = execution.request.get("QueryExecutionContext", {}).get("Database", "default")
        return self._statements.run(execution.text, Run(database, execution.scanning, connected))

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
