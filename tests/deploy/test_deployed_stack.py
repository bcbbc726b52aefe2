"""The stack deployed by sam to an emulator: a day of the demo on it, its queue, its settings, its end."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from athena_wire import AthenaWire
from athena_wire.executions import WorkGroup
from botocore.exceptions import ClientError
from cloud import ATTACKERS, DAYS
from waiting import wait_for

from cluster_assets.arrivals.queue import created_object
from cluster_assets.backends.aws.worker import AwsLambda, AwsLambdaConfig
from cluster_assets.opening import aws_account, open_backend
from cluster_assets.operations.diagnosis.aws import aws_checks
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES
from deploy.stack.removal import destroy
from deploy.stack.stacks import StackError, StackId, find_stack, protect, settings_of
from deploy.stack.tool_options import deploy_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Deployed

DEV = StackId("dev")
SECOND = StackId("dev", "two")
PIPELINE = {"Pipeline": "attackers"}
# Parameters of an account with rules of its own.
RULES = {
    "KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
    "AccessLogBucket": "access-logs",
    "Tracing": "Active",
    "IcebergDatabase": "analytics",
}


@pytest.fixture
def athena(deployed: Deployed, tmp_path: Path) -> Iterator[AthenaWire]:
    """The server of the tests over the S3 and Glue of the stack, with the stack's workgroup."""
    glue, s3, admin = (deployed.client(service) for service in ("glue", "s3", "athena"))
    group = admin.get_work_group(WorkGroup="cluster-assets-dev")["WorkGroup"]["Configuration"]
    assert group["EnforceWorkGroupConfiguration"] is True
    assert group["EngineVersion"]["SelectedEngineVersion"] == "Athena engine version 3"
    with AthenaWire(glue, s3, tmp_path / "wire") as wire:
        place, cutoff = group["ResultConfiguration"]["OutputLocation"], group["BytesScannedCutoffPerQuery"]
        wire.work_groups["cluster-assets-dev"] = WorkGroup("cluster-assets-dev", place, int(cutoff))
        yield wire


@pytest.fixture
def variables(
    deployed: Deployed, athena: AthenaWire, home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment that the outputs of the stack make."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (deployed.ministack.environment | {"AWS_ENDPOINT_URL_ATHENA": athena.url}).items():
        monkeypatch.setenv(name, value)
    stack = find_stack(aws_account(load_settings()), DEV)
    told = settings_of(stack) | {"CLUSTER_REAL_DATA": stack.outputs["SourceUri"] + "honeypot"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return told


@pytest.mark.long
def test_a_day_of_the_demo_runs_on_what_was_deployed(
    deployed: Deployed, variables: dict[str, str], home: Path
) -> None:
    s3, bucket = deployed.client("s3"), variables["CLUSTER_AWS_BUCKET"]
    report = write_sample(SampleConfig(output=home / "lake", first_day=DAYS[0], days=1, entities=200))
    for file in report.files:
        s3.upload_file(str(file), bucket, f"sources/honeypot/{file.name}")
    settings = load_settings()
    told = {name: check() for name, check in aws_checks(settings).items()}
    assert told["Lambda function cluster-worker-dev"] == "version 1, 1769 MB, 900 s"
    assert told["Athena workgroup cluster-assets-dev"].endswith("at most 10,000,000,000 bytes per query")
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, "attackers")
        job = DayJob(load_pipeline(ATTACKERS), backend, ledger, DAYS[0])
        for stage in STAGES:
            run_day(stage, job)
    assert ledger.require("clusters", DAYS[0]).tables["clusters"].rows > 1
    written = {found["Key"].split("/")[0] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert written == {"warehouse", "sources"}
    partitions = deployed.client("glue").get_partitions(
        DatabaseName="cluster_assets_dev", TableName="attackers_clusters"
    )["Partitions"]
    assert [one["Values"] for one in partitions] == [[DAYS[0].key]]


def test_the_worker_answers_an_event_in_version_one(deployed: Deployed, variables: dict[str, str]) -> None:
    # What the contract refuses comes from the handler, over the alias that `make deploy` publishes.
    config = AwsLambdaConfig(variables["CLUSTER_AWS_FUNCTION"], variables["CLUSTER_AWS_FUNCTION_QUALIFIER"])
    worker = AwsLambda(aws_account(load_settings()), config)
    assert worker.invoke({"operation": "nonsense"})["error_type"] == "ContractError"
    assert worker.version == "1"
    worker.close()


def test_a_days_marker_arrives_in_the_queue_of_its_pipeline_and_nothing_else_does(
    deployed: Deployed, variables: dict[str, str]
) -> None:
    s3, sqs, bucket = deployed.client("s3"), deployed.client("sqs"), variables["CLUSTER_AWS_BUCKET"]
    url = deployed.outputs("cluster-assets-dev-arrivals-attackers")["QueueUrl"]
    expected = variables["CLUSTER_AWS_ARRIVALS_QUEUE_URL"].replace("{pipeline}", "attackers")
    assert url.split("/")[3:] == expected.split("/")[3:]
    for key in (
        "warehouse/x/_SUCCESS",
        "sources/day=2013-03-03/rows.parquet",
        "sources/day=2013-03-03/_SUCCESS",
    ):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    messages: list[Any] = wait_for(
        "the marker's message is in the queue",
        lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"),
    )
    assert [created_object(one["Body"]) for one in messages] == [
        f"s3://{bucket}/sources/day=2013-03-03/_SUCCESS"
    ]


def test_what_only_the_services_can_say_of_the_stack(deployed: Deployed) -> None:
    outputs = deployed.outputs()
    s3, bucket = deployed.client("s3"), outputs["ClusterAwsBucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    for name in (bucket, outputs["ResultsBucket"]):
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)
        assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
        assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]
    worker = deployed.client("lambda")
    for qualifier in ("live", "1"):  # a run calls the version that the alias names
        invoked = worker.get_function_event_invoke_config(
            FunctionName="cluster-worker-dev", Qualifier=qualifier
        )
        assert invoked["MaximumRetryAttempts"] == 0
        assert invoked["DestinationConfig"]["OnFailure"]["Destination"]
    groups = deployed.client("logs").describe_log_groups(logGroupNamePrefix="/cluster-assets/dev/")
    assert {group["retentionInDays"] for group in groups["logGroups"]} == {7}


def test_a_second_deploy_changes_nothing(deployed: Deployed) -> None:
    before = deployed.outputs()
    said = deployed.sam("deploy", "--config-env", DEV.environment)
    assert "No changes to deploy" in said
    assert deployed.outputs() == before


def test_prod_is_not_deployed_with_alarms_that_reach_nobody(deployed: Deployed) -> None:
    cloudformation = deployed.client("cloudformation")
    for stack, pipeline in (("cluster-assets-dev", {}), ("cluster-assets-dev-arrivals-attackers", PIPELINE)):
        template = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
        given = {"EnvironmentName": "prod", **pipeline}
        with pytest.raises(ClientError, match=r"EnvironmentName=prod needs AlarmTopicArn, an SNS topic"):
            cloudformation.create_change_set(
                StackName="prod-without-a-topic",
                ChangeSetName="first",
                ChangeSetType="CREATE",
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                TemplateBody=template if isinstance(template, str) else json.dumps(template),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            )


def test_two_stacks_of_an_environment_live_side_by_side_until_one_is_destroyed(
    deployed: Deployed, variables: dict[str, str]
) -> None:
    given = (f"{name}={value}" for name, value in RULES.items())
    deployed.sam("deploy", "--config-env", SECOND.environment, *deploy_options(SECOND), *given)
    deployed.deploy_arrivals(SECOND, "attackers")
    account = aws_account(load_settings())
    first, second = find_stack(account, DEV).outputs, find_stack(account, SECOND).outputs
    same = {name for name in first if first[name] == second[name]}
    assert same == {
        "ClusterTarget",
        "ClusterAwsRegion",
        "ClusterAwsBucketOwner",
        "ClusterAwsPrefix",
        "ClusterAwsSourceDatabase",
        "ClusterAwsFunctionQualifier",
        "DagsterLogsPrefix",
        "SourceFolder",
    }
    follows_rules_of_the_account(deployed, second)

    bucket = second["ClusterAwsBucket"]
    assert not protect(account, SECOND)
    deployed.client("s3").put_object(Bucket=bucket, Key="warehouse/a", Body=b"")
    with pytest.raises(StackError, match="prod is removed only by name"):
        destroy(account, StackId("prod"))
    with pytest.raises(StackError, match="does not exist"):
        destroy(account, StackId("staging"))
    with pytest.raises(StackError, match="holds objects"):
        destroy(account, SECOND)
    told: list[str] = []
    destroy(account, SECOND, delete_data=True, tell=told.append)
    assert told[-1] == "cluster-assets-devtwo: deleted"
    assert "cluster-assets-devtwo-arrivals-attackers: deleted" in told
    with pytest.raises(StackError, match="does not exist"):
        find_stack(account, SECOND)
    left = [one["Name"] for one in deployed.client("s3").list_buckets()["Buckets"]]
    assert bucket not in left
    assert first["ClusterAwsBucket"] in left
    assert find_stack(account, DEV).outputs == first


def follows_rules_of_the_account(deployed: Deployed, outputs: dict[str, str]) -> None:
    """Check what the emulator keeps of `RULES`; test_stacks_of_an_account.py checks the rest."""
    worker = deployed.client("lambda").get_function_configuration(FunctionName=outputs["ClusterAwsFunction"])
    assert worker["TracingConfig"]["Mode"] == "Active"
    groups = deployed.client("logs").describe_log_groups(logGroupNamePrefix="/cluster-assets/devtwo/")
    assert [group["kmsKeyId"] for group in groups["logGroups"]] == [RULES["KmsKeyArn"]]
    sqs, name = deployed.client("sqs"), outputs["ArrivalFailuresArn"].rpartition(":")[2]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
    assert kept["Attributes"] == {"KmsMasterKeyId": RULES["KmsKeyArn"]}
