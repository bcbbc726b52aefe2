"""Each alert is sent once: over versions of a day, runs at the same time, and receivers that fail."""

from __future__ import annotations

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from eventful import Eventful, Happened

from cluster_assets.alerts.deliveries import Deliveries, copy_records
from cluster_assets.alerts.events import failed_alert
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from webhook import Webhook

D1 = "2026-01-01"
DAY = parse_day(D1)
BORN = Happened("born", "20260101-000001", 100, name="telnet <!channel> & more")
OTHER = Happened("born", "20260101-000002", 50)


def ids(body: dict[str, Any]) -> list[str]:
    return [alert["stable_id"] for alert in body["alerts"]]


def test_a_webhook_gets_the_facts_once(
    days: Eventful, receiver: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_NOTIFY_BASE_URL", "http://dagster.example/")
    days.publish(D1, [BORN])
    alerts = days.alerts(born=True)
    alerts.send(DAY)
    assert alerts.send(DAY) == ()
    [body] = receiver.bodies
    [alert] = body["alerts"]
    assert {name: alert[name] for name in ("event", "stable_id", "name", "entities")} == {
        "event": "born",
        "stable_id": BORN.stable_id,
        "name": BORN.name,
        "entities": 100,
    }
    link = "http://dagster.example/assets/demo/report?view=partitions&partition=2026-01-01"
    assert (body["pipeline"], body["day"], body["url"]) == ("demo", D1, link)
    assert body["text"].splitlines() == [
        "demo 2026-01-01: 1 alert",
        f"- New cluster {BORN.name} ({BORN.stable_id}): 100 entities",
        f"Dagster: {link}",
    ]


def test_another_version_of_the_day_sends_only_what_is_new(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    alerts = days.alerts(born=True)
    alerts.send(DAY)
    days.publish(D1, [BORN, OTHER])
    alerts.send(DAY)
    # The number of a cluster that day may be that of another one in the next version.
    days.publish(D1, [Happened("born", BORN.stable_id, 70), OTHER])
    alerts.send(DAY)
    assert [ids(body) for body in receiver.bodies] == [[BORN.stable_id], [OTHER.stable_id], [BORN.stable_id]]


def test_slack_gets_its_format_and_names_cannot_mention_people(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    days.alerts(born=True, to="slack").send(DAY)
    [body] = receiver.bodies
    assert set(body) == {"text", "blocks"}
    texts = [block["text"] for block in body["blocks"]]
    assert {block["type"] for block in body["blocks"]} == {"section"}
    assert {text["type"] for text in texts} == {"mrkdwn"}
    assert texts[0]["text"] == "*demo 2026-01-01: 1 alert*"
    assert "telnet &lt;!channel&gt; &amp; more" in texts[1]["text"]


@pytest.mark.parametrize("refusals", [[403], [302], [500, 503, 429]])
def test_what_a_receiver_refused_is_sent_by_the_next_run(
    days: Eventful, receiver: Webhook, refusals: list[int]
) -> None:
    days.publish(D1, [BORN])
    receiver.refusals = list(refusals)
    alerts = days.alerts(born=True)
    [sent] = alerts.send(DAY)
    assert sent.error == f"webhook: it answers {refusals[-1]}"
    assert receiver.posts == len(refusals)
    assert alerts.days_to_retry(DAY.date) == (DAY,)
    [again] = alerts.send(DAY)
    assert (again.error, len(receiver.bodies)) == ("", 1)
    assert alerts.days_to_retry(DAY.date) == ()
    assert alerts.send(DAY) == ()


def test_a_receiver_that_does_not_answer_is_given_up(
    days: Eventful, receiver: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster_assets.alerts.channels._TIMEOUT_S", 0.1)
    days.publish(D1, [BORN])
    receiver.answers.clear()
    alerts = days.alerts(born=True)
    [sent] = alerts.send(DAY)
    assert sent.error == "webhook: it cannot be reached (TimeoutError)"
    receiver.answers.set()
    [again] = alerts.send(DAY)
    assert (again.error, len(receiver.bodies)) == ("", 1)


def test_a_recipient_without_an_address_does_not_stop_the_others(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    sns, webhook = days.alerts(born=True, to=["sns", "webhook"]).send(DAY)
    assert (sns.error, webhook.error) == ("topic: there is no topic", "")
    assert len(receiver.bodies) == 1


def test_runs_at_the_same_time_send_an_alert_once(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN, OTHER])
    begin = threading.Barrier(8)

    def run() -> int:
        alerts = days.alerts(born=True)
        begin.wait()
        return len(alerts.send(DAY))

    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(run) for _ in range(8)]
        assert sum(one.result() for one in runs) == 1
    assert [ids(body) for body in receiver.bodies] == [[BORN.stable_id, OTHER.stable_id]]


def test_the_alerts_of_a_killed_run_are_sent_after_the_lease(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    alerts = days.alerts(born=True)
    [planned] = alerts.find(DAY)
    assert Deliveries(days.store, "demo", DAY, "webhook").claim(planned.message.alerts) is not None
    assert alerts.send(DAY) == ()  # as long as the other run may still be sending
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=6)
    after = Deliveries(days.store, "demo", DAY, "webhook", clock=lambda: later)
    assert after.has_undelivered()
    assert after.pending(planned.message.alerts) == planned.message.alerts


def test_a_failure_that_was_not_delivered_comes_from_the_record(days: Eventful, receiver: Webhook) -> None:
    """The next run of the day has other errors or none."""
    failure = failed_alert(days.ledger, DAY, "points", SpecError("no column x"), {})
    receiver.refusals = [400]
    alerts = days.alerts(born=True, failed=True)
    alerts.send(DAY, failure)
    days.publish(D1, [BORN])
    alerts.send(DAY)
    [body] = receiver.bodies
    assert [alert["event"] for alert in body["alerts"]] == ["failed", "born"]
    assert alerts.send(DAY, failure) == ()


def test_a_renamed_pipeline_keeps_what_it_sent(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    alerts = days.alerts(born=True)
    [planned] = alerts.find(DAY)
    alerts.send(DAY)
    copy_records(days.store, "demo", "renamed")
    assert Deliveries(days.store, "renamed", DAY, "webhook").pending(planned.message.alerts) == ()


def test_old_days_are_quiet(days: Eventful) -> None:
    alerts = days.alerts(born=True, max_age_days=2)
    ages = [alerts.is_recent(DAY, DAY.date + dt.timedelta(days=age)) for age in range(5)]
    assert ages == [True, True, True, False, False]


def test_neither_errors_nor_records_name_the_address(days: Eventful, receiver: Webhook) -> None:
    days.publish(D1, [BORN])
    receiver.refusals = [403]
    days.alerts(born=True).send(DAY)
    records = [days.store.read(stored.key) for stored in days.store.list("demo/_alerts/")]
    assert json.loads(records[-1])["reason"] == "webhook: it answers 403"
    assert b"canary" not in b"".join(records)
