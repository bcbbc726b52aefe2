"""Alerts behind a gate that applies the template's policy: sufficient and minimal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iam_gate import IamGate
from template_document import REGION
from test_least_privilege import stack_of

from cluster_assets.alerts.channels import publish, send_email
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from ministack_server import Ministack

SENDER = "alerts@example.com"
NEEDED = {
    ("Orchestrator", "Notifications", "sns:Publish"),
    ("Orchestrator", "AlertMails", "ses:SendEmail"),
}


def test_messages_need_all_that_the_role_allows(
    home: Path, ministack: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ministack.environment, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    topic = ministack.client("sns", REGION).create_topic(Name="alarms")["TopicArn"]
    ministack.client("sesv2", REGION).create_email_identity(EmailIdentity=SENDER)
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", topic)
    monkeypatch.setenv("CLUSTER_NOTIFY_EMAIL_FROM", SENDER)
    monkeypatch.setenv("CLUSTER_NOTIFY_EMAIL_TO", "a@example.com")
    policy = stack_of(AlarmTopicArn=topic, AlertIdentity=SENDER).policy("Orchestrator")
    with IamGate(ministack.url, policy=policy) as gate:
        monkeypatch.setenv("AWS_ENDPOINT_URL", gate.url)
        publish(load_settings(), "subject", {"text": "text"})
        send_email(load_settings(), "subject", "text")
        assert (set(gate.used), gate.refused) == (NEEDED, [])
    added = [one for one in policy if one not in stack_of().policy("Orchestrator")]
    assert {(*one.where, action) for one in added for action in one.actions} == NEEDED
