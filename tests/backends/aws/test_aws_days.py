"""The demo pipeline through Dagster with `target: aws`: tables as on this machine, and no work twice."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from athena_lake import BUCKET, KEY_ID, SECRET, TOKEN
from cloud import ATTACKERS, DAYS, SOURCE

from cluster_assets.backends.aws.glue_tables import glue_type
from cluster_assets.domain.costs import SMALLEST_QUERY_BYTES, AthenaPrice
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.opening import open_backend, open_storage
from cluster_assets.operations.diagnosis.aws import aws_checks
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.operations.exports import export_table
from cluster_assets.operations.runs import materialize_days
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Publish
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from athena_lake import Lake
    from cloud import Cloud

    from cluster_assets.domain.manifests import Manifest

pytestmark = pytest.mark.long

# Each is billed as 10 MB at least, and takes a second or two, however few rows it reads.
MOST_STATEMENTS = 16
TABLES = {"points": "points", "members": "points", "candidates": "candidates", "clusters": "clusters"}


@pytest.fixture
def source(cloud: Cloud, home: Path) -> Path:
    return cloud.write_source(home)


def test_three_days_are_those_of_this_machine_and_a_second_run_does_no_work(
    cloud: Cloud, source: Path, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = cloud.lake
    # Publications have tests of their own, and DynamoDB is not among these servers.
    spec = load_pipeline(ATTACKERS).model_copy(update={"publish": Publish()})
    materialize_days(spec, DAYS, load_settings(), force=False)
    here = published("local", lake, tmp_path)
    cloud.enter("days")
    caplog.set_level(logging.DEBUG)
    materialize_days(spec, DAYS, load_settings(), force=False)
    there = published("aws", lake, tmp_path)
    assert all(rows for _, rows in here.values())
    assert {table for table, _ in here} == set(TABLES)
    assert here == there
    # What the cloud charges is counted: here nothing, there every query and call.
    assert costs_of(days=3) > 0

    assert len(DAYS) < lake.wire.calls["StartQueryExecution"] <= MOST_STATEMENTS * len(DAYS)
    assert lake.scratch_tables("days_scratch") == []
    ran, objects = list(cloud.wire.ran), lake.list(f"s3://{BUCKET}/days")
    lake.wire.calls.clear()
    materialize_days(spec, DAYS, load_settings(), force=False)
    assert lake.wire.calls["StartQueryExecution"] == 0
    assert cloud.wire.ran == ran
    assert lake.list(f"s3://{BUCKET}/days") == objects

    # People query the published days by name.
    found = lake.run("SELECT day, count(*) AS n FROM days.attackers_clusters GROUP BY day ORDER BY day")
    assert found == [(day.key, str(len(there["clusters", day.key][1]))) for day in DAYS]

    # Nobody who can read logs, events or the run storage learns the credentials, at DEBUG either.
    kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    for text in (caplog.text.encode(), *kept):
        for secret in (KEY_ID, SECRET, TOKEN):
            assert secret.encode() not in text
    assert {path.suffix for path in home.rglob("*")} > {".db"}  # the run storage is among them


def test_a_day_of_a_table_in_a_storm_is_the_same(
    cloud: Cloud, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_AWS_SMALL_READ_MB", "0")  # Athena runs every statement, as on a large day
    run_first_day(ATTACKERS)
    here = exported(tmp_path / "here")
    cloud.enter("storm")
    on_table = make_table(cloud, source, tmp_path)
    for operation in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults"):
        cloud.lake.wire.refuse(operation, "ThrottlingException", 2)
    cloud.wire.throttle(2, "ReservedFunctionConcurrentInvocationLimitExceeded")
    cloud.wire.lose_answers()
    before = len(cloud.wire.ran)
    run_first_day(on_table)
    assert exported(tmp_path / "there") == here
    # Throttled calls never ran; of the one whose answer got lost, the second is answered from its record.
    records = [event["record"] for event in cloud.wire.ran[before:]]
    assert len(records) == len(set(records)) + 1
    for record in set(records):
        assert cloud.lake.list(record.rpartition("/")[0]).count(record) == 1


def costs_of(days: int) -> float:
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    summaries = [summarize_day(ledger, day) for day in DAYS[:days]]
    least = len(STAGES) * AthenaPrice().dollars(SMALLEST_QUERY_BYTES)
    assert all(summary.cost_usd > least for summary in summaries)
    for day in DAYS[:days]:
        metrics = ledger.require("clusters", day).metrics
        assert metrics["cost_usd"] == pytest.approx(metrics["athena_usd"] + metrics["lambda_usd"], abs=1e-8)
        assert metrics["lambda_usd"] > 0
        for stage in ("raw", "points", "candidates", "clusters"):
            taken = ledger.require(stage, day).metrics
            assert int(taken["billed_bytes"]) >= int(taken["queries"]) * SMALLEST_QUERY_BYTES > 0
            assert float(taken["engine_seconds"]) > 0
            assert float(taken["queue_seconds"]) >= 0
        foreseen = ledger.require("raw", day).metrics
        assert foreseen["athena_usd_foreseen"] > least
        assert foreseen["lambda_usd_foreseen"] > 0
    return sum(summary.cost_usd for summary in summaries)


def make_table(cloud: Cloud, source: Path, folder: Path) -> Path:
    """The demo pipeline over a table of the lake that holds the same rows."""
    with duckdb.connect() as connection:
        found = connection.execute("DESCRIBE SELECT * FROM read_parquet($file)", {"file": str(source)})
        columns = [{"Name": name, "Type": glue_type(kind.lower())} for name, kind, *_ in found.fetchall()]
    place = {"Columns": columns, "Location": f"{SOURCE}/"}
    cloud.lake.glue.create_table(
        DatabaseName="storm", TableInput={"Name": "honeypot", "StorageDescriptor": place}
    )
    body = yaml.safe_load(ATTACKERS.read_text())
    del body["attributes"]["raw"]["files"]
    body["attributes"]["raw"]["table"] = "storm.honeypot"
    path = folder / "attackers" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(body))
    return path


def exported(folder: Path) -> dict[str, str]:
    """All tables of the first day as text."""
    folder.mkdir()
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    for table in TABLES:
        assert export_table(ledger, table, DAYS[0], folder / f"{table}.csv", store)
    return {table: (folder / f"{table}.csv").read_text() for table in TABLES}


def run_first_day(path: Path) -> None:
    with open_backend(load_settings()) as backend:
        spec = load_pipeline(path)
        job = DayJob(spec, backend, Ledger(backend.store, backend.catalog, spec.name), DAYS[0])
        for stage in STAGES:
            run_day(stage, job)


def test_doctor_finds_all_well_and_says_what_is_not(
    cloud: Cloud, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.enter("clinic")
    findings = {finding.name: finding for finding in examine(load_settings())}
    assert [finding for finding in findings.values() if not finding.ok] == []
    assert "123456789012, region us-east-1" in findings["account"].text
    assert findings["Lambda function cluster-worker"].text == "version 3, 1769 MB, 900 s"
    assert "empty day" in findings["worker"].text
    assert "source has 3 files" in findings["pipeline attackers"].text
    assert not [uri for uri in cloud.lake.list(f"s3://{BUCKET}/clinic") if "_doctor" in uri]
    for name, value, part, says in (
        ("BUCKET", "nobodys-bucket", "bucket nobodys-bucket", "CLUSTER_AWS_BUCKET"),
        ("BUCKET", "", "bucket None", "set CLUSTER_AWS_BUCKET"),
        ("WORKGROUP", "nobody", "Athena workgroup nobody", "CLUSTER_AWS_WORKGROUP"),
        ("DATABASE", "nobodys", "Glue database nobodys", "create the database"),
        ("FUNCTION", "nobody", "Lambda function nobody", "CLUSTER_AWS_FUNCTION"),
        ("FUNCTION_QUALIFIER", "9", "Lambda function cluster-worker", "QUALIFIER"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"CLUSTER_AWS_{name}", value)
            with pytest.raises(ClusterAssetsError, match=says) as ill:
                aws_checks(load_settings())[part]()
        assert ill.value.remedy


def published(target: str, lake: Lake, folder: Path) -> dict[tuple[str, str], tuple[list[Any], list[Any]]]:
    """Rows of all tables of all days, and what the manifests say of them checked against the bytes."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    tables: dict[tuple[str, str], tuple[list[Any], list[Any]]] = {}
    for name, stage in TABLES.items():
        assert ledger.days(stage) == DAYS
        for day in DAYS:
            manifest = ledger.require(stage, day)
            files = download(manifest, name, store, folder / target)
            with duckdb.connect() as connection:
                found = connection.execute(
                    "SELECT * FROM read_parquet($files) ORDER BY ALL", {"files": files}
                )
                tables[name, day.key] = ([one[:2] for one in found.description or ()], found.fetchall())
            assert len(tables[name, day.key][1]) == manifest.tables[name].rows
    return tables


def download(manifest: Manifest, table: str, store: Any, folder: Path) -> list[str]:
    paths = []
    for file in manifest.tables[table].files:
        path = folder / file.digest
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(store.read(file.key))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.digest
        paths.append(str(path))
    return paths
