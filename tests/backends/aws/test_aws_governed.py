"""Keys, owners and the catalog that is meant reach every call; refusals of Lake Formation are explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from athena_lake import BUCKET
from cloud import ATTACKERS, DAYS
from fault_proxy import Fault, FaultProxy
from lambda_wire import Function, in_sandboxes

from cluster_assets.backends.aws.faults import LAKE_FORMATION_GRANTS
from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import CatalogError, EngineError
from cluster_assets.opening import open_backend, open_storage
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloud import Cloud
    from fault_proxy import Call

    from cluster_assets.domain.days import Day

KEY = "arn:aws:kms:us-east-1:123456789012:key/5f2e"
ACCOUNT = "123456789012"  # moto's, so that it finds what is named


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    with FaultProxy(cloud.lake.environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        yield proxy


def run(day: Day) -> Ledger:
    with open_backend(load_settings()) as backend:
        spec = load_pipeline(ATTACKERS)
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for stage in STAGES:
            run_day(stage, DayJob(spec, backend, ledger, day))
    return ledger


def is_manifest(call: Call) -> bool:
    return call.method == "PUT" and "/_manifests/" in call.path


def test_settings_reach_every_call(
    cloud: Cloud, proxy: FaultProxy, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.write_source(home)
    cloud.enter("governed")
    given = {
        "CLUSTER_AWS_KMS_KEY": KEY,
        "CLUSTER_AWS_BUCKET_OWNER": ACCOUNT,
        "CLUSTER_AWS_CATALOG_ID": ACCOUNT,
        "CLUSTER_AWS_DATA_CATALOG": "shared_catalog",
        "CLUSTER_AWS_RESULTS_URI": f"s3://{BUCKET}/results/",
        "CLUSTER_AWS_FUNCTION": "governed-worker",
        "AWS_ENDPOINT_URL_S3": proxy.url,
        "AWS_ENDPOINT_URL_GLUE": proxy.url,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = cloud.lake.environment | {
        name: given[name] for name in ("CLUSTER_AWS_KMS_KEY", "CLUSTER_AWS_BUCKET_OWNER")
    }
    config = LocalLambdaConfig(
        PROJECT_ROOT, "lambda_worker.handler.handler", 1769, 60, 1, environment=environment
    )
    before = len(cloud.wire.ran)
    with LocalLambda(config) as worker:
        cloud.wire.functions["governed-worker"] = Function(in_sandboxes(worker))
        run(DAYS[0])

    glue = [json.loads(call.body) for call in proxy.calls if call.target]
    assert len(glue) > 10
    assert {body.get("CatalogId") for body in glue} == {ACCOUNT}
    assert sum(is_manifest(call) for call in proxy.calls) == len(STAGES)
    puts = [call for call in proxy.calls if call.method == "PUT"]
    assert len(puts) > 2 * len(STAGES)  # small tables and copies among them
    for call in puts:
        assert call.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert call.headers["x-amz-server-side-encryption-aws-kms-key-id"] == KEY
        assert call.headers["x-amz-expected-bucket-owner"] == ACCOUNT
    queries = [body for name, body in cloud.lake.wire.requests if name == "StartQueryExecution"]
    assert len(queries) > len(STAGES)
    for query in queries:
        assert query["QueryExecutionContext"]["Catalog"] == "shared_catalog"
        assert query["ResultConfiguration"] == {
            "OutputLocation": f"s3://{BUCKET}/results/",
            "ExpectedBucketOwner": ACCOUNT,
            "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": KEY},
        }
    ran = cloud.wire.ran[before:]
    places = {event[name] for event in ran for name in ("output", "record") if name in event}
    written = places & set(cloud.lake.list(f"s3://{BUCKET}/governed"))
    assert len(written) > 1  # by the worker
    for uri in written:
        head = cloud.lake.s3.head_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY)


def test_without_settings_nothing_is_asked_for(cloud: Cloud, proxy: FaultProxy, home: Path) -> None:
    """An empty day on the way: it is a partition without files, and readers find no row."""
    cloud.write_source(home)
    cloud.enter("ungoverned")
    with pytest.MonkeyPatch.context() as patch:
        for service in ("S3", "GLUE"):
            patch.setenv(f"AWS_ENDPOINT_URL_{service}", proxy.url)
        ledger = run(parse_day("2013-03-09"))
    assert not any("CatalogId" in json.loads(call.body) for call in proxy.calls if call.target)
    (headers,) = {
        tuple(sorted(name for name in call.headers if "encryption" in name or "owner" in name))
        for call in proxy.calls
        if not call.target
    }
    assert headers == ()
    for name, body in cloud.lake.wire.requests:
        assert name != "StartQueryExecution" or "ResultConfiguration" not in body
    manifest = ledger.require("clusters", parse_day("2013-03-09"))
    assert manifest.tables["clusters"].files == ()
    count = cloud.lake.run("SELECT count(*) AS n FROM ungoverned.attackers_clusters WHERE day = '2013-03-09'")
    assert count == [("0",)]


def refused_by_lake_formation(what: str) -> str:
    return f"Insufficient Lake Formation permission(s): Required {what}"


def test_what_lake_formation_refuses_is_reported_with_the_grant(
    cloud: Cloud, proxy: FaultProxy, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.write_source(home)
    cloud.enter("ungranted")
    cloud.lake.wire.fail_queries(refused_by_lake_formation("Select on lake"), 1, category=2, retryable=False)
    with pytest.raises(EngineError, match="Required Select on lake") as query:
        run(DAYS[0])
    assert LAKE_FORMATION_GRANTS in str(query.value.remedy)

    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", proxy.url)
    told = {"__type": "AccessDeniedException", "Message": refused_by_lake_formation("Create Table")}
    proxy.faults.append(
        Fault(
            lambda call: call.target == "CreateTable" and b"attackers_raw" in call.body,
            answer=(400, json.dumps(told)),
        )
    )
    with pytest.raises(CatalogError, match="Required Create Table") as table:
        run(DAYS[0])
    assert LAKE_FORMATION_GRANTS in str(table.value.remedy)
    _, catalog = open_storage(load_settings())
    assert catalog.days("attackers", "raw") == ()
