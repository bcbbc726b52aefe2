"""`cluster-assets doctor` on AWS: it finds each possible fault and reports it with its fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from athena_lake import BUCKET
from cloud import ATTACKERS, DAYS
from fault_proxy import Fault, FaultProxy
from lambda_wire import Function, WireFailure
from lambda_wire.server import RefusedError

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.opening import open_backend
from cluster_assets.operations.diagnosis.aws import aws_checks
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloud import Cloud
    from fault_proxy import Call

DENIED_BY_S3 = (403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
DENIED = (400, '{"__type": "AccessDeniedException", "Message": "not authorized"}')


@pytest.fixture
def proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """Before S3, Glue and STS."""
    cloud.enter("ward")
    with FaultProxy(cloud.lake.environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        for service in ("S3", "GLUE", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", proxy.url)
        yield proxy


def problem(part: str) -> ClusterAssetsError:
    """What a check of one part finds wrong."""
    with pytest.raises(ClusterAssetsError) as ill:
        aws_checks(load_settings())[part]()
    assert ill.value.remedy
    return ill.value


def finding(part: str) -> str:
    """What the examination of everything says of a part that is wrong."""
    found = next(one for one in examine(load_settings()) if one.name == part)  # the rest is not examined
    assert not found.ok, found.text
    assert "remedy: " in found.text
    return found.text


BUCKET_PART = f"bucket {BUCKET}"
S3_PARTS = [
    (lambda call: call.method == "PUT", "to list, get, put and delete"),
    (lambda call: call.method == "GET" and "list-type" not in call.path, "to list, get, put and delete"),
    (lambda call: call.method == "GET" and "list-type" in call.path, "to list, get, put and delete"),
    (lambda call: call.method == "POST" and "delete" in call.path, "to list, get, put and delete"),
]


@pytest.mark.parametrize(("matches", "remedy"), S3_PARTS)
def test_a_permission_of_the_bucket(proxy: FaultProxy, matches: Callable[[Call], bool], remedy: str) -> None:
    proxy.faults.append(Fault(matches, times=100, answer=DENIED_BY_S3))
    assert remedy in str(problem(BUCKET_PART).remedy)


def test_a_store_that_ignores_conditions_and_one_that_changes_bytes(proxy: FaultProxy) -> None:
    numbers = iter(range(100))
    second = Fault(lambda call: call.method == "PUT" and next(numbers) == 1, answer=(200, ""))
    proxy.faults.append(second)
    assert "If-None-Match" in str(problem(BUCKET_PART).remedy)
    proxy.reset()
    proxy.faults.append(
        Fault(lambda call: call.method == "GET" and "list-type" not in call.path, answer=(200, "other"))
    )
    assert "other bytes than were stored" in str(problem(BUCKET_PART))


def test_a_bucket_elsewhere(proxy: FaultProxy) -> None:
    proxy.faults.append(
        Fault(
            lambda call: call.method == "HEAD" and call.path.rstrip("/").endswith(BUCKET),
            answer=(200, ""),
            headers=(("x-amz-bucket-region", "eu-north-1"),),
        )
    )
    assert "set CLUSTER_AWS_REGION=eu-north-1" in str(problem(BUCKET_PART).remedy)


def test_nobody_knows_the_credentials(proxy: FaultProxy) -> None:
    told = (
        "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>"
    )
    proxy.faults.append(Fault(lambda call: b"GetCallerIdentity" in call.body, answer=(403, told)))
    assert "AWS_PROFILE" in str(problem("account").remedy)


def test_the_workgroup(proxy: FaultProxy, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    group = cloud.lake.wire.work_groups["primary"]
    part = "Athena workgroup primary"
    for name, value, says in (
        ("state", "DISABLED", "enable it"),
        ("engine", "Athena engine version 2", "select Athena engine version 3"),
        ("output", None, "CLUSTER_AWS_RESULTS_URI"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(group, name, value)
            assert says in str(problem(part).remedy)
    cloud.lake.wire.refuse("GetWorkGroup", "AccessDeniedException")
    assert "athena:GetWorkGroup" in str(problem(part).remedy)
    assert "no limit of bytes" in aws_checks(load_settings())[part]()
    cloud.lake.wire.refuse("StartQueryExecution", "AccessDeniedException")
    assert "permissions of its role" in finding("SQL engine athena")


@pytest.mark.parametrize(
    ("operation", "remedy"), [("GetDatabase", "glue:GetDatabase"), ("GetTables", "grant DESCRIBE")]
)
def test_a_permission_of_the_catalog(proxy: FaultProxy, operation: str, remedy: str) -> None:
    proxy.faults.append(Fault(lambda call: call.target == operation, answer=DENIED))
    told = str(problem("Glue database ward").remedy)
    assert remedy in told
    assert "check the permissions" in told


def test_the_published_tables(proxy: FaultProxy, cloud: Cloud, home: Path) -> None:
    cloud.write_source(home)
    with open_backend(load_settings()) as backend:
        spec = load_pipeline(ATTACKERS)
        for stage in STAGES[:2]:
            run_day(stage, DayJob(spec, backend, Ledger(backend.store, backend.catalog, spec.name), DAYS[0]))
    assert "columns of their latest days" in aws_checks(load_settings())["published tables"]()
    place = {"DatabaseName": "ward"}
    table = cloud.lake.glue.get_table(**place, Name="attackers_points")["Table"]
    columns = table["StorageDescriptor"]["Columns"]
    changed = {"Name": "attackers_points", "PartitionKeys": table["PartitionKeys"]}
    for wrong, says in (
        (columns[:-1], "is missing"),
        ([{**columns[0], "Type": "string"}, *columns[1:]], "is string"),
    ):
        described = {**table["StorageDescriptor"], "Columns": wrong}
        cloud.lake.glue.update_table(**place, TableInput={**changed, "StorageDescriptor": described})
        ill = problem("published tables")
        assert says in str(ill)
        assert "ward.attackers_points" in str(ill.where)
    described = {**table["StorageDescriptor"], "Columns": columns}
    cloud.lake.glue.update_table(**place, TableInput={**changed, "StorageDescriptor": described})
    proxy.faults.append(Fault(lambda call: call.target == "GetTable", answer=DENIED))
    assert "glue:GetTable" in str(problem("published tables").remedy)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"memory_mb": 512}, "deploy it with more"),
        ({"timeout_s": 60}, "deploy it with more"),
        ({"state": ("Failed", "the layer does not fit")}, "deploy it again"),
        ({"versions": {"$LATEST": "$LATEST"}}, "CLUSTER_AWS_FUNCTION_QUALIFIER"),
    ],
)
def test_the_function(
    proxy: FaultProxy, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], remedy: str
) -> None:
    monkeypatch.setenv("CLUSTER_AWS_FUNCTION", "ill-worker")
    cloud.wire.functions["ill-worker"] = Function(lambda body: body, **wrong)  # type: ignore[arg-type]
    assert remedy in str(problem("Lambda function ill-worker").remedy)


def failing(kind: str, message: str) -> Function:
    def run(_: bytes) -> bytes:
        raise WireFailure({"errorType": kind, "errorMessage": message})

    return Function(run)


def of_another_version(_: bytes) -> bytes:
    told = {"ok": False, "error_type": "ContractError", "error": "event version 2; this worker speaks 1"}
    return json.dumps({**told, "version": 1}).encode()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (Function(of_another_version), "deploy the worker"),
        (failing("Runtime.ImportModuleError", "No module named sklearn"), "layer and code do not match"),
        (failing("ClientError", "AccessDenied on PutObject"), "AccessDenied on PutObject"),
    ],
)
def test_the_worker_that_is_deployed(
    proxy: FaultProxy, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, function: Function, says: str
) -> None:
    monkeypatch.setenv("CLUSTER_AWS_FUNCTION", "ill-worker")
    cloud.wire.functions["ill-worker"] = function
    assert says in finding("worker")


def test_the_worker_that_may_not_be_called(proxy: FaultProxy, cloud: Cloud) -> None:
    cloud.wire.refuse(RefusedError(403, "AccessDeniedException", "not authorized"))
    assert "lambda:InvokeFunction" in finding("worker")


def test_a_source_of_another_schema(proxy: FaultProxy, cloud: Cloud, home: Path, defs_folder: Path) -> None:
    cloud.write_source(home)
    body = yaml.safe_load(ATTACKERS.read_text())
    body["attributes"] |= {"name": "misled"}
    body["attributes"]["raw"]["columns"] = {"src_ip": "varchar", "colour": "varchar"}
    path = defs_folder / "misled" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(body))
    assert "colour" in finding("pipeline misled")
