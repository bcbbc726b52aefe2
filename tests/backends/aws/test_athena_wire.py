"""The wire server behaves like Athena for unchanged clients: boto3 and PyAthena's cursors."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from pyathena.connection import Connection
from pyathena.cursor import DictCursor
from pyathena.error import OperationalError
from pyathena.pandas.cursor import PandasCursor
from waiting import LONGEST_S, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from athena_lake import Lake

TOKEN = "t" * 32


@pytest.fixture
def athena(athena_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in athena_lake.environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("athena", config=Config(retries={"total_max_attempts": 1}))
    yield client
    client.close()


@pytest.fixture
def table(athena_lake: Lake, tmp_path: Path) -> Iterator[str]:
    folder = athena_lake.fresh()
    athena_lake.parquet(
        "SELECT i AS k, 'v' || i AS s, [i] AS l FROM range(5) AS t(i)", tmp_path, f"{folder}/a.parquet"
    )
    columns = [
        {"Name": "k", "Type": "bigint"},
        {"Name": "s", "Type": "string"},
        {"Name": "l", "Type": "array<bigint>"},
        {"Name": "missing", "Type": "double"},
    ]
    athena_lake.glue.create_table(
        DatabaseName="default",
        TableInput={"Name": "five", "StorageDescriptor": {"Columns": columns, "Location": folder}},
    )
    yield "five"
    athena_lake.glue.delete_table(DatabaseName="default", Name="five")


def finish(athena: Any, query_id: str) -> Any:
    def ended() -> Any:
        execution = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

    return wait_for(f"query {query_id} ends", ended)


def run(athena: Any, text: str, **request: Any) -> Any:
    return finish(athena, athena.start_query_execution(QueryString=text, **request)["QueryExecutionId"])


@pytest.mark.usefixtures("athena")
def test_cursors_of_pyathena(table: str) -> None:
    connection: Connection[Any] = Connection(work_group="primary", s3_staging_dir="", poll_interval=0.02)
    query = f"SELECT k, s, l, missing FROM {table} WHERE k >= 3 ORDER BY k"
    rows = connection.cursor().execute(query).fetchall()
    assert rows == [(3, "v3", [3], None), (4, "v4", [4], None)]
    first = connection.cursor(DictCursor).execute(query).fetchone()
    assert first == {"k": 3, "s": "v3", "l": [3], "missing": None}
    assert connection.cursor(PandasCursor).execute(query).as_pandas()["s"].tolist() == ["v3", "v4"]
    with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
        connection.cursor().execute("SELECT 1 FROM nowhere")
    connection.close()


def test_tokens(athena: Any) -> None:
    request = {"QueryString": "SELECT 1 AS one", "ClientRequestToken": TOKEN}
    first, second = (athena.start_query_execution(**request)["QueryExecutionId"] for _ in range(2))
    assert first == second
    with pytest.raises(ClientError, match="Idempotent parameters do not match") as caught:
        athena.start_query_execution(QueryString="SELECT 2 AS two", ClientRequestToken=TOKEN)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"QueryString": "SELECT '" + "x" * 262_144 + "'"}, "maximum query length"),
        ({"QueryString": "SELECT FROM WHERE"}, "line 1:1"),
        ({"QueryString": "SELECT 1; SELECT 2"}, "not one query"),
        ({"QueryString": "SELECT 1", "WorkGroup": "none"}, "WorkGroup none is not found"),
        ({"QueryString": "SELECT 1", "WorkGroup": "bare"}, "No output location"),
    ],
)
def test_refused_starts(athena: Any, athena_lake: Lake, request_: dict[str, str], told: str) -> None:
    if request_.get("WorkGroup") == "bare" and "bare" not in athena_lake.wire.work_groups:
        athena.create_work_group(Name="bare")
    with pytest.raises(ClientError, match=told):
        athena.start_query_execution(**request_)


def test_states_and_errors(athena: Any, athena_lake: Lake, table: str) -> None:
    done = run(athena, f"SELECT count(k) AS n FROM {table}")
    assert done["Status"]["State"] == "SUCCEEDED"
    assert 0 < done["Statistics"]["DataScannedInBytes"] < 200
    text = athena_lake.get(done["ResultConfiguration"]["OutputLocation"])
    assert text == b'"n"\n"5"\n'
    for query, code in (
        ("SELECT x FROM five", "COLUMN_NOT_FOUND"),
        ("SELECT no_such_function(k) FROM five", "FUNCTION_NOT_FOUND"),
        ("SELECT CAST(s AS BIGINT) FROM five", "INVALID_CAST_ARGUMENT: Cannot cast"),
    ):
        status = run(athena, query)["Status"]
        assert status["State"] == "FAILED"
        assert code in status["StateChangeReason"]
        assert status["AthenaError"]["ErrorCategory"] == 2
        assert not status["AthenaError"]["Retryable"]
    failed = run(athena, "SELECT x FROM five")["QueryExecutionId"]
    with pytest.raises(ClientError, match="Current state: FAILED"):
        athena.get_query_results(QueryExecutionId=failed)


def test_the_cut_off_counts_what_is_read(athena: Any, athena_lake: Lake, table: str) -> None:
    read = run(athena, f"SELECT sum(k) AS n FROM {table}")["Statistics"]["DataScannedInBytes"]
    for cutoff, state in ((read, "SUCCEEDED"), (read - 1, "CANCELLED")):
        athena_lake.wire.work_groups["primary"].cutoff = cutoff
        done = run(athena, f"SELECT sum(k) AS n FROM {table}")
        assert done["Status"]["State"] == state
    assert done["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"
    group = athena.get_work_group(WorkGroup="primary")["WorkGroup"]
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == read - 1


def test_pages_and_batches(athena: Any, table: str) -> None:
    done = run(athena, f"SELECT k FROM {table} ORDER BY k")
    pages = athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=done["QueryExecutionId"], PaginationConfig={"PageSize": 2}
    )
    rows = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert rows == ["k", "0", "1", "2", "3", "4"]
    both = athena.batch_get_query_execution(QueryExecutionIds=[done["QueryExecutionId"], "no-such-id"])
    assert len(both["QueryExecutions"]) == len(both["UnprocessedQueryExecutionIds"]) == 1
    assert done["QueryExecutionId"] in athena.list_query_executions()["QueryExecutionIds"]
    assert athena.get_query_runtime_statistics(QueryExecutionId=done["QueryExecutionId"])


def test_stopping(athena: Any, athena_lake: Lake) -> None:
    athena_lake.wire.hold.clear()
    query_id = athena.start_query_execution(QueryString="SELECT 1 AS one")["QueryExecutionId"]
    athena.stop_query_execution(QueryExecutionId=query_id)
    assert finish(athena, query_id)["Status"]["State"] == "CANCELLED"


def test_ddl(athena: Any, athena_lake: Lake) -> None:
    assert run(athena, "CREATE DATABASE IF NOT EXISTS made")["Status"]["State"] == "SUCCEEDED"
    assert run(athena, "CREATE DATABASE made")["Status"]["State"] == "FAILED"
    athena_lake.glue.create_table(DatabaseName="made", TableInput={"Name": "t"})
    assert run(athena, "DROP TABLE made.t")["Status"]["State"] == "SUCCEEDED"
    assert run(athena, "DROP TABLE IF EXISTS made.t")["Status"]["State"] == "SUCCEEDED"
    assert run(athena, "DROP TABLE made.t")["Status"]["State"] == "FAILED"


def test_requests_must_be_signed(athena_lake: Lake) -> None:
    host, _, port = athena_lake.wire.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=LONGEST_S)
    connection.request("POST", "/", "{}", {"X-Amz-Target": "AmazonAthena.ListWorkGroups"})
    assert connection.getresponse().status == 403
    connection.close()
