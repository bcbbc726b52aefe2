"""Transient faults are retried within bounds, permanent ones are reported at once, and nothing runs twice."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from athena_lake import BUCKET, KEY_ID, PATIENCE, SECRET, TOKEN
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.athena.errors import Cause, cause_of, persistently
from cluster_assets.backends.patience import Patience, StoppedError
from cluster_assets.backends.ports import FileRelation, Statement
from cluster_assets.domain.errors import EngineError, ScanLimitError
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.backends.athena.engine import AthenaEngine

ONE = TableContract("one", (Column("k", "bigint"),), sort_by=("k",))
EMPTY = {"t": FileRelation((), columns=ONE.columns)}
COUNT = Statement("test", sqlglot.parse_one("SELECT count(*) AS n FROM t", read="athena"))
COPY = Statement("test", sqlglot.parse_one("SELECT CAST(k AS BIGINT) AS k FROM t", read="athena"))


@pytest.fixture
def rows(athena_lake: Lake, tmp_path: Path) -> dict[str, FileRelation]:
    return {"t": athena_lake.parquet("SELECT i AS k FROM range(1000) AS t(i)", tmp_path)}


def started(lake: Lake) -> list[dict[str, Any]]:
    return [request for name, request in lake.wire.requests if name == "StartQueryExecution"]


def test_a_lost_answer_is_one_execution(
    athena_lake: Lake, engine: AthenaEngine, rows: dict[str, FileRelation]
) -> None:
    before = set(athena_lake.wire.executions)
    athena_lake.wire.lose_answers("StartQueryExecution", 3)
    prefix = athena_lake.fresh()
    done = engine.unload(COPY, rows, ONE, prefix)
    assert sum(file.rows for file in done.files) == 1000
    assert athena_lake.wire.calls["StartQueryExecution"] == 4
    assert len({str(request) for request in started(athena_lake)}) == 1
    assert len(set(athena_lake.wire.executions) - before) == 1


def test_the_same_attempt_in_another_process_finds_its_execution(
    athena_lake: Lake, rows: dict[str, FileRelation]
) -> None:
    prefix = athena_lake.fresh()
    with athena_lake.engine() as one, athena_lake.engine() as other:
        first, second = (engine.unload(COPY, rows, ONE, prefix) for engine in (one, other))
    assert first.files == second.files
    assert len({request["ClientRequestToken"] for request in started(athena_lake)}) == 1


def test_the_same_read_is_run_again(athena_lake: Lake, engine: AthenaEngine) -> None:
    for _ in range(2):
        engine.fetch(COUNT, EMPTY)
    assert len({request["ClientRequestToken"] for request in started(athena_lake)}) == 2


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("TooManyRequestsException", 400), ("InternalServerException", 500)],
)
def test_a_storm_passes(athena_lake: Lake, engine: AthenaEngine, code: str, status: int) -> None:
    for operation, times in (("StartQueryExecution", 5), ("GetQueryExecution", 6), ("GetQueryResults", 4)):
        athena_lake.wire.refuse(operation, code, times, status)
    assert engine.fetch(COUNT, EMPTY).rows == ({"n": 0},)
    assert athena_lake.wire.calls["StartQueryExecution"] == 6
    assert athena_lake.wire.calls["GetQueryResults"] == 5


@pytest.mark.parametrize("operation", ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"])
def test_a_storm_that_stays_ends_after_bounded_attempts(
    athena_lake: Lake, engine: AthenaEngine, operation: str
) -> None:
    code = "InternalServerException" if operation == "StartQueryExecution" else "ThrottlingException"
    athena_lake.wire.refuse(operation, code, 1000, 500 if code.startswith("Internal") else 400)
    with pytest.raises(EngineError, match=rf"over 10 attempts.*{code}") as caught:
        engine.fetch(COUNT, EMPTY)
    assert caught.value.remedy
    assert athena_lake.wire.calls[operation] == PATIENCE.attempts
    if operation == "GetQueryExecution":  # nobody waits for it any more
        assert athena_lake.wire.calls["StopQueryExecution"] == 1
    athena_lake.wire.reset()
    assert engine.fetch(COUNT, EMPTY).rows == ({"n": 0},)


def test_a_query_waits_for_the_quota_of_running_queries(athena_lake: Lake) -> None:
    refused = 3 * PATIENCE.attempts + 2
    athena_lake.wire.refuse("StartQueryExecution", "TooManyRequestsException", refused)
    with athena_lake.engine() as engine:
        assert engine.fetch(COUNT, EMPTY).rows == ({"n": 0},)
    assert athena_lake.wire.calls["StartQueryExecution"] == refused + 1
    athena_lake.wire.reset()
    athena_lake.wire.refuse("StartQueryExecution", "TooManyRequestsException", 1000)
    with (
        athena_lake.engine(quota_seconds=0) as engine,
        pytest.raises(EngineError, match="TooManyRequestsException"),
    ):
        engine.fetch(COUNT, EMPTY)
    assert athena_lake.wire.calls["StartQueryExecution"] == PATIENCE.attempts


@pytest.mark.parametrize(
    ("reason", "told", "remedy"),
    [
        ("EXCEEDED_MEMORY_LIMIT: Query exceeded per-node memory limit", "more memory", "raw.where"),
        ("Query exhausted resources at this scale factor", "more memory", "provisioned capacity"),
        ("EXCEEDED_TIME_LIMIT: Query timeout", "time limit", "CLUSTER_AWS_QUERY_SECONDS"),
        ("HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100", "so many partitions", "report a bug"),
        ("DIVISION_BY_ZERO: / by zero", "failed in Athena", "check the expressions"),
    ],
)
def test_a_failed_query_has_a_remedy_that_can_help(
    athena_lake: Lake, engine: AthenaEngine, reason: str, told: str, remedy: str
) -> None:
    athena_lake.wire.fail_queries(reason, 1000, category=2, retryable=False)
    with pytest.raises(EngineError, match=told) as caught:
        engine.fetch(COUNT, EMPTY)
    assert reason in str(caught.value)
    assert remedy in str(caught.value.remedy)


def test_a_write_that_failed_halfway_is_written_elsewhere(
    athena_lake: Lake, engine: AthenaEngine, rows: dict[str, FileRelation]
) -> None:
    athena_lake.wire.fail_queries("GENERIC_INTERNAL_ERROR: a node went away", 2)
    prefix = athena_lake.fresh()
    done = engine.unload(COPY, rows, ONE, prefix)
    assert sum(file.rows for file in done.files) == 1000
    assert all(file.uri.startswith(f"{prefix}/retry-2/") for file in done.files)
    assert len(athena_lake.list(prefix)) == 3 * len(done.files)  # the leftovers are gc's
    assert len({request["ClientRequestToken"] for request in started(athena_lake)}) == 3


@pytest.mark.parametrize(
    ("reason", "category", "retryable", "starts"),
    [
        ("HIVE_CURSOR_ERROR: Please reduce your request rate (SlowDown)", 2, False, 10),
        ("Query exhausted resources on this cluster", 1, False, 10),
        ("something of ours", 3, True, 10),
        ("DIVISION_BY_ZERO: / by zero", 2, False, 1),
        ("EXCEEDED_MEMORY_LIMIT: Query exceeded per-node memory limit", 2, False, 1),
    ],
)
def test_only_what_passes_is_run_again(
    athena_lake: Lake, engine: AthenaEngine, reason: str, category: int, retryable: bool, starts: int
) -> None:
    athena_lake.wire.fail_queries(reason, 1000, category=category, retryable=retryable)
    with pytest.raises(EngineError, match=r"(?s).") as caught:
        engine.fetch(COUNT, EMPTY)
    assert reason in str(caught.value)
    assert str(caught.value.where).startswith("test")
    assert athena_lake.wire.calls["StartQueryExecution"] == starts


def test_the_cut_off_of_the_workgroup_is_named(
    athena_lake: Lake, engine: AthenaEngine, rows: dict[str, FileRelation]
) -> None:
    athena_lake.wire.work_groups["primary"].cutoff = 100
    query = Statement("points/points.sql", sqlglot.parse_one("SELECT sum(k) AS n FROM t", read="athena"))
    with pytest.raises(ScanLimitError, match=r"workgroup primary .*BytesScannedCutoffPerQuery") as caught:
        engine.fetch(query, rows)
    assert "points/points.sql" in str(caught.value.where)
    assert athena_lake.wire.calls["StartQueryExecution"] == 1
    assert engine.fetch(COUNT, rows).rows == ({"n": 1000},)  # a count reads no column


def test_a_query_that_takes_too_long_is_stopped(athena_lake: Lake) -> None:
    athena_lake.wire.hold.clear()
    with (
        athena_lake.engine(query_seconds=0.3) as engine,
        pytest.raises(EngineError, match="longer than 0 s and was stopped"),
    ):
        engine.fetch(COUNT, EMPTY)
    assert athena_lake.wire.calls["StopQueryExecution"] == 1


def test_a_query_that_somebody_stops_is_not_run_again(athena_lake: Lake, engine: AthenaEngine) -> None:
    athena_lake.wire.hold.clear()

    known = set(athena_lake.wire.executions)

    def stop() -> None:
        new = wait_for("the query starts", lambda: set(athena_lake.wire.executions) - known)
        athena_lake.wire.executions[new.pop()].stopped.set()

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        with pytest.raises(EngineError, match="was cancelled: Query cancelled by user"):
            engine.fetch(COUNT, EMPTY)
        stopped.result(LONGEST_S)
    assert athena_lake.wire.calls["StartQueryExecution"] == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("AccessDeniedException", "permissions of its role"),
        ("InvalidRequestException", "refused the request"),
    ],
)
def test_refusals_are_said_at_once(athena_lake: Lake, engine: AthenaEngine, code: str, told: str) -> None:
    athena_lake.wire.refuse("StartQueryExecution", code, 1000)
    with pytest.raises(EngineError, match=told):
        engine.fetch(COUNT, EMPTY)
    assert athena_lake.wire.calls["StartQueryExecution"] == 1


def answer(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (answer("SlowDown", 503), Cause.THROTTLED),
        (answer("Unheard", 429), Cause.THROTTLED),
        (answer("Unheard", 502), Cause.TRANSIENT),
        (answer("Unheard", 400), Cause.USER),
        (answer("ExpiredTokenException", 400), Cause.FORBIDDEN),
        (answer("NoSuchBucket", 404), Cause.MISSING),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), Cause.TRANSIENT),
        (NoCredentialsError(), Cause.FORBIDDEN),
        (ValueError("x"), Cause.USER),
    ],
)
def test_causes(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause


def test_patience_ends_with_its_time_and_with_a_stop() -> None:
    calls = []

    def fail(attempt: int) -> None:
        calls.append(attempt)
        raise answer("SlowDown", 503)

    with pytest.raises(EngineError, match="over 1 attempts"):
        persistently(fail, Patience(100, seconds=-1), threading.Event(), place="test")
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        persistently(fail, Patience(), stop, place="test")
    assert calls == [0]


def test_no_credentials_in_logs(
    athena_lake: Lake, rows: dict[str, FileRelation], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with athena_lake.engine() as engine:
        engine.describe(rows["t"])
        engine.unload(COPY, rows, ONE, athena_lake.fresh())
        athena_lake.wire.refuse("StartQueryExecution", "ThrottlingException", 2)
        athena_lake.wire.fail_queries("DIVISION_BY_ZERO", category=2, retryable=False)
        with pytest.raises(EngineError) as caught:
            engine.fetch(COUNT, rows)
    said = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records) + str(caught.value)
    assert "botocore" in said  # the SDK did log at this level
    for canary in (KEY_ID, SECRET, TOKEN, "Signature="):
        assert canary not in said
    for uri in athena_lake.list(f"s3://{BUCKET}/results"):
        assert KEY_ID.encode() not in athena_lake.get(uri)
