"""The API behind gates that apply the policy of deploy/serving.yaml: sufficient and minimal."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import boto3
from asking import Client
from athena_lake import BUCKET, open_lake
from entrances import OnLambda, sample
from iam_gate import IamGate
from served_day import DAY, NAMES, PIPELINE, compute_day, publish_day
from template_document import ACCOUNT, REGION, Stack, load_template

from cluster_assets.api.entrances.lambda_events import create_handler
from cluster_assets.api.tokens import PageToken, write_token
from cluster_assets.opening import open_storage
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.served.days import open_indexes
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DATABASE = "published"
RESULTS = "results-of-the-api"
LAMBDA_ITSELF = "Lambda calls it in the function's name; ministack runs it in test_deployed_serving.py"
# Allowed although this test does not need it; the reasons as in test_least_privilege.py.
UNUSED = {
    ("ApiRole", "Logs", "logs:CreateLogStream"): LAMBDA_ITSELF,
    ("ApiRole", "Logs", "logs:PutLogEvents"): LAMBDA_ITSELF,
    ("ApiRole", "Items", "sqs:DeleteMessage"): LAMBDA_ITSELF,
    ("ApiRole", "Items", "sqs:GetQueueAttributes"): LAMBDA_ITSELF,
    ("ApiRole", "Items", "sqs:ReceiveMessage"): LAMBDA_ITSELF,
    ("ApiRole", "Records", "kinesis:DescribeStream"): LAMBDA_ITSELF,
    ("ApiRole", "Records", "kinesis:DescribeStreamSummary"): LAMBDA_ITSELF,
    ("ApiRole", "Records", "kinesis:GetRecords"): LAMBDA_ITSELF,
    ("ApiRole", "Records", "kinesis:GetShardIterator"): LAMBDA_ITSELF,
    ("ApiRole", "Records", "kinesis:ListShards"): LAMBDA_ITSELF,
}


def stack_of(**parameters: Any) -> Stack:
    """The template over the names of the tests."""
    values = {
        "EnvironmentName": "dev",
        "WarehousePrefix": "warehouse",
        "cluster-assets-dev-Warehouse": BUCKET,
        "cluster-assets-dev-PublishedDatabase": DATABASE,
    }
    sqs = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
    arns = {
        "Logs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/cluster-assets/dev/api:*",
        "Results": sqs + RESULTS,
        "DeadLetters": sqs + "dead-letters",
        "Items": sqs + "items",
    }
    return Stack(load_template(PROJECT_ROOT / "deploy/serving.yaml"), values | parameters, arns)


def everything() -> Stack:
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/items"
    return stack_of(ItemQueue="true", KinesisStreamArn=stream)


def test_the_api_needs_all_that_its_role_allows_and_nothing_else(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = compute_day(tmp_path)
    with ExitStack() as parts:
        lake = parts.enter_context(open_lake(tmp_path))
        lake.glue.create_database(DatabaseInput={"Name": DATABASE})
        moto = lake.environment["AWS_ENDPOINT_URL_S3"]
        variables = lake.environment | {
            "CLUSTER_TARGET": "aws",
            "CLUSTER_AWS_BUCKET": BUCKET,
            "CLUSTER_AWS_DATABASE": DATABASE,
        }
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        publish_day(warehouse, *open_storage(load_settings()))
        queue = boto3.client("sqs", endpoint_url=moto).create_queue(QueueName=RESULTS)["QueueUrl"]

        gate = parts.enter_context(IamGate(moto, policy=everything().policy("ApiRole")))
        for service in ("S3", "GLUE", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", gate.url)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        handler = create_handler(open_indexes(load_settings()), {"CLUSTER_API_RESULTS_QUEUE_URL": queue})
        ask(Client(OnLambda(handler, "http-api")))
        event = sample("sqs")
        event["Records"] = event["Records"][:1]
        event["Records"][0]["body"] = json.dumps({"items": [{"vector": [0.02]}]})
        assert handler(event, None) == {"batchItemFailures": []}
        # The raw data, points and pairs of the same lake are not for the API.
        store, _ = open_storage(load_settings())
        assert refuses(lambda: store.read(f"{PIPELINE}/points/_manifests/day={DAY}/00000001.json"))
    assert {action for action, _ in gate.refused} == {"s3:GetObject"}
    allowed = {
        (*statement.where, action)
        for statement in everything().policy("ApiRole")
        for action in statement.actions
    }
    assert allowed - set(gate.used) == set(UNUSED)


def ask(client: Client) -> None:
    assert client.get("/health").json()["days"] == {PIPELINE: DAY}
    assert client.get(f"/v1/{PIPELINE}/entities/{NAMES[0]}").json()["day"] == DAY
    assert client.get(f"/v1/{PIPELINE}/pictures").json()["pictures"][0]["name"] == "sizes"
    removed = write_token(PageToken("clusters", PIPELINE, DAY, 99, 0))
    assert client.get(f"/v1/{PIPELINE}/clusters", after=removed).status == 410


def refuses(call: Any) -> bool:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the store makes of it
        return "AccessDenied" in str(error) or "403" in str(error)
    return False


def test_parts_that_are_left_out_allow_nothing() -> None:
    plain = {one.where[1] for one in stack_of().policy("ApiRole")}
    assert plain == {"Indexes", "MissingIsNotForbidden", "Pointers", "Logs"}
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    keyed = [one for one in stack_of(KmsKeyArn=key).policy("ApiRole") if one.where[1] not in plain]
    assert [(one.actions, one.resources) for one in keyed] == [(("kms:Decrypt",), (key,))]
    # CloudWatch uses the key of the logs in its own name; the function uses that of its queues.
    assert {one.where[1] for one in stack_of(LocalKmsKeyArn=key).policy("ApiRole")} == plain
    queued = [
        one
        for one in stack_of(LocalKmsKeyArn=key, ItemQueue="true").policy("ApiRole")
        if key in one.resources
    ]
    assert [one.actions for one in queued] == [("kms:Decrypt", "kms:GenerateDataKey")]
    for sid, parameter in (
        ("Traces", {"Tracing": "Active"}),
        ("NetworkInterfaces", {"FunctionSubnetIds": ["a"]}),
    ):
        assert {one.where[1] for one in stack_of(**parameter).policy("ApiRole")} - plain == {sid}


def test_a_lake_in_another_region_is_read_there() -> None:
    far = stack_of(LakeRegion="eu-west-1", WarehouseBucket="far", PublishedDatabase="days").policy("ApiRole")
    resources = {
        resource for one in far if one.where[1] in {"Indexes", "Pointers"} for resource in one.resources
    }
    glue = f"arn:aws:glue:eu-west-1:{ACCOUNT}:"
    assert resources == {
        "arn:aws:s3:::far/warehouse/*/index/*",
        "arn:aws:s3:::far/warehouse/*/report/*",
        f"{glue}catalog",
        f"{glue}database/days",
        f"{glue}table/days/*",
    }
