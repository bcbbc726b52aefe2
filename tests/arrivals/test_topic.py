"""The notice of a failed run through a topic, as subscribers receive it (SNS -> SQS on the emulator)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cluster_assets.components.notifications import FailedRun, notify
from cluster_assets.domain.errors import NotificationError
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from ministack_server import Ministack

RUN = FailedRun("run-1", "visits_daily", ("visits/points",), ("2026-01-01",), "points", "tok_9f8e7d is full")


@pytest.fixture
def account(home: Path, ministack: Ministack, monkeypatch: pytest.MonkeyPatch) -> Ministack:
    for name, value in ministack.environment.items():
        monkeypatch.setenv(name, value)
    return ministack


def test_a_subscriber_gets_a_message(account: Ministack, monkeypatch: pytest.MonkeyPatch) -> None:
    sns, sqs = account.client("sns"), account.client("sqs")
    topic = sns.create_topic(Name="failures")["TopicArn"]
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", topic)
    monkeypatch.setenv("SOME_API_TOKEN", "tok_9f8e7d")
    notify(RUN, load_settings())
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "visits_daily failed for 2026-01-01 in points:"
    body = json.loads(envelope["Message"])
    assert body["days"] == ["2026-01-01"]
    assert body["reason"] == "*** is full"


def test_a_topic_that_is_gone_is_an_error(account: Ministack, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "arn:aws:sns:eu-central-1:000000000000:nobody"
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", gone)
    with pytest.raises(NotificationError, match="SNS refuses it") as raised:
        notify(RUN, load_settings())
    assert "run-1" in raised.value.what
