"""Alerts through SNS and SES, as a subscriber and a reader of e-mail receive them (on the emulator)."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from eventful import Eventful, Happened

from cluster_assets.domain.days import parse_day

if TYPE_CHECKING:
    from ministack_server import Ministack

D1 = "2026-01-01"
DAY = parse_day(D1)
SENDER = "lineage@example.com"
BORN = Happened("born", "20260101-000001", 100, name="télnet")


@pytest.fixture
def account(days: Eventful, ministack: Ministack, monkeypatch: pytest.MonkeyPatch) -> Ministack:
    for name, value in ministack.environment.items():
        monkeypatch.setenv(name, value)
    days.publish(D1, [BORN])
    return ministack


def mails(account: Ministack) -> list[dict[str, Any]]:
    """E-mails of these tests; others use the emulator too."""
    with urllib.request.urlopen(f"{account.url}/_ministack/ses/messages") as answer:  # noqa: S310
        found = json.loads(answer.read())["messages"]
    return [mail for of_account in found.values() for mail in of_account if mail["Source"] == SENDER]


def test_a_subscriber_gets_the_alerts_once(
    days: Eventful, account: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sns, sqs = account.client("sns"), account.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerted")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", topic)
    alerts = days.alerts(born=True, to="sns")
    assert [sent.error for sent in alerts.send(DAY)] == [""]
    assert alerts.send(DAY) == ()
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "demo 2026-01-01: 1 alert"
    [alert] = json.loads(envelope["Message"])["alerts"]
    assert (alert["event"], alert["name"], alert["entities"]) == ("born", "télnet", 100)


def test_an_e_mail_is_sent_when_its_sender_is_verified(
    days: Eventful, account: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_NOTIFY_EMAIL_FROM", SENDER)
    monkeypatch.setenv("CLUSTER_NOTIFY_EMAIL_TO", "a@example.com, b@example.com")
    alerts = days.alerts(born=True, to="email")
    [refused] = alerts.send(DAY)
    assert "SES refuses it" in refused.error
    assert mails(account) == []
    account.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    [sent] = alerts.send(DAY)
    assert sent.error == ""
    [mail] = mails(account)
    assert "New cluster télnet (20260101-000001): 100 entities" in json.dumps(mail, ensure_ascii=False)
    for address in (SENDER, "a@example.com", "b@example.com"):
        assert address in json.dumps(mail)


def test_a_topic_that_is_gone_is_an_error(
    days: Eventful, account: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", "arn:aws:sns:eu-central-1:000000000000:nobody")
    [sent] = days.alerts(born=True, to="sns").send(DAY)
    assert "SNS refuses it" in sent.error
