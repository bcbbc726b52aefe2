"""Records of Kinesis and SQS: results, and exactly those failures that must be retried."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from entrances import sample

from cluster_assets.api.config import ApiConfig
from cluster_assets.api.entrances.lambda_events import create_handler
from cluster_assets.api.entrances.streams import QueuedResults, StreamClassifier

if TYPE_CHECKING:
    from few_days import FewDays

GOOD = '{"items": [{"vector": [11]}], "pipeline": "points"}'
BAD = ('{"items": [{"vector": ["x"]}], "pipeline": "points"}', "{", "", '{"items": []}',
       '{"items": [{"vector": [1]}]}', '{"items": [{"vector": [1]}], "pipeline": "absent"}')  # fmt: skip


def kinesis(*data: str) -> list[dict[str, Any]]:
    record = sample("kinesis")["Records"][0]
    return [
        {**record, "kinesis": {**record["kinesis"], "sequenceNumber": str(index),
                               "data": base64.b64encode(one.encode()).decode()}}
        for index, one in enumerate(data)
    ]  # fmt: skip


def sqs(*data: str, group: str | None = None) -> list[dict[str, Any]]:
    record = sample("sqs")["Records"][0]
    grouped = {"MessageGroupId": group} if group else {}
    return [
        {**record, "messageId": str(index), "body": one, "attributes": record["attributes"] | grouped}
        for index, one in enumerate(data)
    ]


class Kept:
    """Results that are kept; those of `refused` records are not accepted."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.results = set(refused), dict[str, Any]()

    def send(self, results: list[tuple[str, bytes]]) -> set[str]:
        self.results |= {
            record: json.loads(result) for record, result in results if record not in self.refused
        }
        return {record for record, _ in results} & self.refused


def run(days: FewDays, records: list[dict[str, Any]], results: Kept) -> list[str]:
    answer = StreamClassifier(days, ApiConfig(), results)(records)  # type: ignore[arg-type]
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_every_record_has_its_result(days: FewDays) -> None:
    results = Kept()
    assert run(days, [*kinesis(GOOD, GOOD)], results) == []
    assert results.results["0"] == {
        "record": "0", "pipeline": "points", "day": "2026-01-03",
        "predictions": [{"cluster": 1, "stable_id": "points-1", "name": None, "role": "member",
                         "distance": 1.0, "rule": "nearest_member", "changes": [], "probability": None}],
    }  # fmt: skip
    assert list(results.results) == ["0", "1"]


@pytest.mark.parametrize("bad", BAD)
def test_a_queue_retries_the_bad_messages_alone(days: FewDays, bad: str) -> None:
    results = Kept()
    assert run(days, sqs(GOOD, bad, GOOD, bad), results) == ["1", "3"]
    assert list(results.results) == ["0", "2"]


@pytest.mark.parametrize("bad", BAD)
def test_a_stream_retries_from_the_first_bad_record_on(days: FewDays, bad: str) -> None:
    results = Kept()
    assert run(days, kinesis(GOOD, bad, GOOD, GOOD), results) == ["1", "2", "3"]
    assert list(results.results) == ["0"]
    assert run(days, sqs(GOOD, bad, GOOD, group="a"), Kept()) == ["1", "2"]


def test_results_that_are_not_accepted_are_retried(days: FewDays) -> None:
    assert run(days, sqs(GOOD, GOOD, GOOD), Kept("1")) == ["1"]
    assert run(days, kinesis(GOOD, GOOD, GOOD), Kept("1")) == ["1", "2"]


def test_results_reach_a_real_queue(
    days: FewDays, athena_servers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large results take more than one call; each is received once."""
    for name, value in athena_servers.environment.items():
        monkeypatch.setenv(name, value)
    endpoint = athena_servers.environment["AWS_ENDPOINT_URL_S3"]  # moto answers for all services
    client = boto3.Session(region_name="us-east-1").client("sqs", endpoint_url=endpoint)
    url = client.create_queue(QueueName="results")["QueueUrl"]
    many = json.dumps({"items": [{"vector": [11]}] * 400, "pipeline": "points"})
    days.publish("points", "2026-01-03", {"e": 11.0}, max_items=400)
    answer = StreamClassifier(days, ApiConfig(), QueuedResults(client, url))(sqs(*[many] * 25))
    assert answer == {"batchItemFailures": []}
    received: list[str] = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [json.loads(one["Body"])["record"] for one in messages]
        for one in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    assert sorted(received, key=int) == [str(index) for index in range(25)]


def test_without_a_queue_results_are_in_the_log_with_metrics(
    days: FewDays, caplog: pytest.LogCaptureFixture
) -> None:
    handler = create_handler(days, {"CLUSTER_API_PIPELINE": "points"})
    with caplog.at_level(logging.INFO, "cluster_assets.api"):
        answer = handler({"Records": sqs(GOOD, "{")}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    failure, result, summary = (json.loads(message) for message in caplog.messages)
    assert (failure["record"], failure["level"], failure["status"]) == ("1", "ERROR", 400)
    assert (result["record"], result["predictions"][0]["cluster"]) == ("0", 1)
    assert (summary["records"], summary["failed"], summary["Items"]) == (2, 1, 1)
    assert summary["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ClusterAssets/Serving"


@pytest.mark.parametrize(
    "name", ["kinesis", "sqs", "function-url", "http-api", "rest-api", "alb", "alb-multi-value"]
)
def test_the_sample_events_are_answered(days: FewDays, name: str) -> None:
    days.publish("attackers", "2026-01-03", {"198.51.100.7": 2.0}, kind="set")
    answer = create_handler(days, {"CLUSTER_API_PIPELINE": "attackers"})(sample(name), None)
    if name in {"kinesis", "sqs"}:
        assert answer == {"batchItemFailures": []}
    else:
        assert answer["statusCode"] == 200
        assert len(json.loads(answer["body"])["predictions"]) == 2
