"""The demo, `doctor` and `gc` behind gates that apply the template's policies: sufficient and minimal."""

from __future__ import annotations

import datetime as dt
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import sqlglot
from athena_lake import BUCKET, open_lake
from athena_wire import AthenaWire
from cloud import ATTACKERS, DAYS
from iam_gate import IamGate
from lambda_wire import Function, LambdaWire, in_sandboxes
from template_document import ACCOUNT, REGION, Stack, Statement, load_template

from cluster_assets.backends.athena.config import open_clients
from cluster_assets.backends.athena.engine import AthenaConfig, AthenaEngine
from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.ports import Statement as SqlStatement
from cluster_assets.domain.errors import EngineError
from cluster_assets.opening import aws_account, open_backend, open_storage, sweep_scratch
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.publish.days import publish_tables
from cluster_assets.publish.targets import open_target
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Publish, tables_of
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.garbage import collect
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.stage import Stage

RESULTS = "results-of-the-tests"
SOURCES = "sources-of-the-tests"
SERVING = "serving"
PUBLISHED = "published"
ICEBERG = "analytics"
# Allowed although no test needs it. Each entry must give a reason that can be checked.
ATHENA_ITSELF = (
    "Athena calls it in the caller's name, the server of the tests does not: Amazon Athena User Guide, "
    "'Control access to Amazon S3 from Athena' and 'Fine-grained access to databases and tables'"
)
DAGSTER_ITSELF = "S3ComputeLogManager of deploy/dagster/dagster.yaml, where Dagster runs on AWS"
LAMBDA_ITSELF = (
    "Lambda calls it in the worker's name; ministack runs it in tests/deploy/test_deployed_stack.py"
)
BULK_ITSELF = "no emulator has StartBulkPutItems; tests/publish/test_limits.py runs the calls on a stub"
UNUSED = {
    ("Orchestrator", "PublishedItems", "dynamodb:StartBulkPutItems"): BULK_ITSELF,
    ("Orchestrator", "PublishedInBulk", "dynamodb:DescribeBulkOperation"): BULK_ITSELF,
    ("Orchestrator", "WarehouseBucket", "s3:GetBucketLocation"): ATHENA_ITSELF,
    ("Orchestrator", "WarehouseObjects", "s3:ListMultipartUploadParts"): ATHENA_ITSELF,
    ("Orchestrator", "ResultsBucket", "s3:GetBucketLocation"): ATHENA_ITSELF,
    ("Orchestrator", "ResultsBucket", "s3:ListBucket"): ATHENA_ITSELF,
    ("Orchestrator", "ResultsBucket", "s3:ListBucketMultipartUploads"): ATHENA_ITSELF,
    ("Orchestrator", "ResultsObjects", "s3:AbortMultipartUpload"): ATHENA_ITSELF,
    ("Orchestrator", "ResultsObjects", "s3:ListMultipartUploadParts"): ATHENA_ITSELF,
    ("Orchestrator", "ComputeLogs", "s3:GetObject"): DAGSTER_ITSELF,
    ("Orchestrator", "ComputeLogs", "s3:PutObject"): DAGSTER_ITSELF,
    ("Orchestrator", "SourceBucket", "s3:GetBucketLocation"): ATHENA_ITSELF,
    ("Orchestrator", "IcebergTables", "glue:GetDatabase"): ATHENA_ITSELF,
    ("Orchestrator", "IcebergUploads", "s3:AbortMultipartUpload"): ATHENA_ITSELF,
    ("Orchestrator", "IcebergUploads", "s3:ListMultipartUploadParts"): ATHENA_ITSELF,
    ("Orchestrator", "ScratchTables", "glue:BatchGetPartition"): ATHENA_ITSELF,
    ("Orchestrator", "SourceTables", "glue:BatchGetPartition"): ATHENA_ITSELF,
    ("Orchestrator", "SourceTables", "glue:GetDatabase"): ATHENA_ITSELF,
    ("Orchestrator", "Arrivals", "sqs:DeleteMessage"): "cluster_assets/arrivals/queue.py, tested beside it",
    ("Orchestrator", "Arrivals", "sqs:ReceiveMessage"): "cluster_assets/arrivals/queue.py, tested beside it",
    ("WorkerRole", "Logs", "logs:CreateLogStream"): LAMBDA_ITSELF,
    ("WorkerRole", "Logs", "logs:PutLogEvents"): LAMBDA_ITSELF,
    ("WorkerRole", "Failures", "sqs:SendMessage"): LAMBDA_ITSELF,
}


def stack_of(**parameters: Any) -> Stack:
    """The template over the names of the tests."""
    values = {
        "EnvironmentName": "dev",
        "Warehouse": BUCKET,
        "WarehousePrefix": PUBLISHED,
        "Results": RESULTS,
        "PublishedDatabase": PUBLISHED,
        "ScratchDatabase": f"{PUBLISHED}_scratch",
        "WorkGroup": "primary",
        "SourceBucket": SOURCES,
        "Serving": SERVING,
    }
    arns = {
        "Warehouse": f"arn:aws:s3:::{BUCKET}",
        "Results": f"arn:aws:s3:::{RESULTS}",
        "Worker": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:cluster-worker",
        "Serving": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{SERVING}",
        "WorkerLogs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/cluster-assets/dev/worker:*",
        "WorkerFailures": f"arn:aws:sqs:{REGION}:{ACCOUNT}:failures",
    }
    return Stack(load_template(PROJECT_ROOT / "template.yaml"), values | parameters, arns)


@dataclass
class Guarded:
    """AWS behind gates: of the orchestrator, of Athena in its name, of the worker."""

    lake: Lake
    wire: AthenaWire
    gates: dict[str, IamGate]
    variables: dict[str, str]

    def used(self) -> set[tuple[str, str, str]]:
        return {use for gate in self.gates.values() for use in gate.used}


@pytest.fixture
def guarded(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    stack = stack_of(IcebergDatabase=ICEBERG)
    orchestrator, worker = stack.policy("Orchestrator"), stack.policy("WorkerRole")
    with ExitStack() as parts:
        lake = parts.enter_context(open_lake(tmp_path))
        for bucket in (RESULTS, SOURCES):
            lake.s3.create_bucket(Bucket=bucket)
        for database in (PUBLISHED, f"{PUBLISHED}_scratch", ICEBERG):
            lake.glue.create_database(DatabaseInput={"Name": database})
        moto = lake.environment["AWS_ENDPOINT_URL_S3"]
        with lake.environment_set():
            boto3.client("dynamodb", endpoint_url=moto).create_table(
                TableName=SERVING,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            )

        def gate(behind: str, policy: tuple[Statement, ...]) -> IamGate:
            return parts.enter_context(IamGate(behind, policy=policy))

        gates = {"storage": gate(moto, orchestrator), "athena's own": gate(moto, orchestrator)}
        with lake.environment_set():
            own = [boto3.client(name, endpoint_url=gates["athena's own"].url) for name in ("glue", "s3")]
        wire = parts.enter_context(AthenaWire(*own, tmp_path / "guarded"))
        wire.work_groups["primary"].output = f"s3://{RESULTS}/athena/"
        gates["worker"] = gate(moto, worker)
        inside = lake.environment | {"AWS_ENDPOINT_URL_S3": gates["worker"].url}
        config = LocalLambdaConfig(
            PROJECT_ROOT, "lambda_worker.handler.handler", 1769, 60, 2, environment=inside
        )
        functions = parts.enter_context(LambdaWire())
        functions.functions["cluster-worker"] = Function(
            in_sandboxes(parts.enter_context(LocalLambda(config)))
        )
        gates |= {"query": gate(wire.url, orchestrator), "invoke": gate(functions.url, orchestrator)}
        variables = lake.environment | {
            "AWS_ENDPOINT_URL_S3": gates["storage"].url,
            "AWS_ENDPOINT_URL_GLUE": gates["storage"].url,
            "AWS_ENDPOINT_URL_DYNAMODB": gates["storage"].url,
            "AWS_ENDPOINT_URL_STS": gates["storage"].url,
            "AWS_ENDPOINT_URL_ATHENA": gates["query"].url,
            "AWS_ENDPOINT_URL_LAMBDA": gates["invoke"].url,
            "CLUSTER_TARGET": "aws",
            "CLUSTER_AWS_BUCKET": BUCKET,
            "CLUSTER_AWS_PREFIX": PUBLISHED,
            "CLUSTER_AWS_DATABASE": PUBLISHED,
            "CLUSTER_AWS_SCRATCH_DATABASE": f"{PUBLISHED}_scratch",
            "CLUSTER_AWS_SERVING_TABLE": SERVING,
            "CLUSTER_AWS_FUNCTION_QUALIFIER": "live",
            "CLUSTER_REAL_DATA": f"s3://{SOURCES}/sources/honeypot",
        }
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        report = write_sample(SampleConfig(output=home / "lake", first_day=DAYS[0], days=1, entities=200))
        for file in report.files:
            lake.put(f"s3://{SOURCES}/sources/honeypot/{file.name}", file.read_bytes())
        yield Guarded(lake, wire, gates, variables)


def test_what_runs_needs_all_that_the_roles_allow_and_nothing_else(guarded: Guarded, tmp_path: Path) -> None:
    settings, spec = load_settings(), load_pipeline(ATTACKERS)
    assert [finding for finding in examine(settings) if not finding.ok] == []
    run_stages(spec, STAGES)
    narrow(guarded.lake, f"attackers_{STAGES[-1].name}")
    run_stages(spec, STAGES[-1:], force=True)
    publish_everywhere(spec)
    look_at_a_table(guarded, tmp_path)
    stop_a_query(guarded)
    clean_up(guarded)
    assert {name: gate.refused for name, gate in guarded.gates.items() if gate.refused} == {}
    stack = stack_of(IcebergDatabase=ICEBERG)
    allowed = {
        (*statement.where, action)
        for role in ("Orchestrator", "WorkerRole")
        for statement in stack.policy(role)
        for action in statement.actions
    }
    assert allowed - guarded.used() == set(UNUSED)


def run_stages(spec: PipelineSpec, stages: Sequence[Stage], *, force: bool = False) -> None:
    with open_backend(load_settings()) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        job = DayJob(spec, backend, ledger, DAYS[0], force=force)
        for stage in stages:
            run_day(stage, job)
        assert ledger.days(stages[-1].name) == DAYS[:1]


def publish_everywhere(spec: PipelineSpec) -> None:
    settings = load_settings()
    store, catalog = open_storage(settings)
    ledger = Ledger(store, catalog, spec.name)
    everywhere = {"json": {}, "dynamodb": {}, "delta": {}, "iceberg": {"database": ICEBERG}}
    for publish in (everywhere, {"delta": {"copy": True}}):
        for options in Publish.model_validate(publish).targets.values():
            target = open_target(options, settings)
            done = publish_tables(target, ledger, store, tables_of(options), DAYS[0])
            assert [(receipt.outcome, target.count(table)) for table, receipt in done] == [
                ("written", table.rows) for table, _ in done
            ]


def test_parts_that_are_left_out_allow_nothing() -> None:
    added = {
        "IcebergTables": {"IcebergDatabase": ICEBERG},
        "Traces": {"Tracing": "Active"},
        "NetworkInterfaces": {"SubnetIds": ["subnet-1"]},
    }
    plain = {one.where[1] for role in ("Orchestrator", "WorkerRole") for one in stack_of().policy(role)}
    assert not plain & {*added, "IcebergUploads", "Notifications", "AlertMails", "Key"}
    for sid, parameters in added.items():
        role = "Orchestrator" if sid.startswith("Iceberg") else "WorkerRole"
        assert sid in {one.where[1] for one in stack_of(**parameters).policy(role)}


def test_a_key_is_all_that_a_key_adds_and_the_policy_fits() -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    for role in ("Orchestrator", "WorkerRole"):
        more = {"IcebergDatabase": "x" * 30, "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"}
        plain, keyed = stack_of(**more).policy(role), stack_of(KmsKeyArn=key, **more).policy(role)
        added = [one for one in keyed if one not in plain]
        assert [(one.actions, one.resources) for one in added] == [
            (("kms:Decrypt", "kms:GenerateDataKey"), (key,))
        ]
        # A managed policy holds at most 6,144 characters, spaces not counted; names are longer in an account.
        written = sum(
            len(f'"{text}",') for one in keyed for text in (*one.actions, *one.resources, *one.where)
        )
        assert written < 5_000


def narrow(lake: Lake, name: str) -> None:
    """As if the contract had gained a column since."""
    found = lake.glue.get_table(DatabaseName=PUBLISHED, Name=name)["Table"]
    described = found["StorageDescriptor"]
    kept = {key: found[key] for key in ("Name", "PartitionKeys", "TableType", "Parameters")}
    lake.glue.update_table(
        DatabaseName=PUBLISHED,
        TableInput=kept | {"StorageDescriptor": described | {"Columns": described["Columns"][:-1]}},
    )


def look_at_a_table(guarded: Guarded, folder: Path) -> None:
    """A source that is a table of the lake, with a partition."""
    uris: list[str] = []
    columns = [{"Name": "entity", "Type": "string"}]
    place = {"Columns": columns, "Location": f"s3://{SOURCES}/sources/table/"}
    keys = [{"Name": "day", "Type": "string"}]
    guarded.lake.glue.create_table(
        DatabaseName="default",
        TableInput={"Name": "events", "StorageDescriptor": place, "PartitionKeys": keys},
    )
    part = place | {"Location": f"s3://{SOURCES}/sources/table/day=2013-03-03/"}
    guarded.lake.glue.create_partition(
        DatabaseName="default",
        TableName="events",
        PartitionInput={"Values": ["2013-03-03"], "StorageDescriptor": part},
    )
    for day in ("2013-03-03", "2013-03-04"):
        uri = f"s3://{SOURCES}/sources/table/day={day}/rows.parquet"
        guarded.lake.parquet(f"SELECT '{day}' AS entity", folder, uri)
        uris.append(uri)
    with engine() as athena:
        assert athena.table_state("events")
        counted = SqlStatement("count", sqlglot.parse_one("SELECT count(entity) AS n FROM rows"))
        assert athena.fetch(counted, {"rows": FileRelation(tuple(uris))}).rows == ({"n": 2},)


def engine(**config: Any) -> AthenaEngine:
    given = AthenaConfig(
        work_group="primary", database="default", scratch_database=f"{PUBLISHED}_scratch", **config
    )
    return AthenaEngine(given, open_clients("primary", parallel=2, account=aws_account(load_settings())))


def stop_a_query(guarded: Guarded) -> None:
    guarded.wire.hold.clear()
    with engine(query_seconds=0.0) as athena, pytest.raises(EngineError, match="was stopped"):
        athena.fetch(SqlStatement("slow", sqlglot.parse_one("SELECT 1 AS one")), {})
    guarded.wire.hold.set()


def clean_up(guarded: Guarded) -> None:
    """What gc does long after: an upload and a scratch table that somebody left behind."""
    lake = guarded.lake
    lake.s3.create_multipart_upload(Bucket=BUCKET, Key=f"{PUBLISHED}/attackers/left/behind")
    lake.glue.create_table(DatabaseName=f"{PUBLISHED}_scratch", TableInput={"Name": "s_left_behind"})
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    settings = load_settings()
    report = collect(*open_storage(settings), retention=dt.timedelta(days=7), now=later, dry_run=False)
    assert report.objects
    assert sweep_scratch(settings, later) == 1
