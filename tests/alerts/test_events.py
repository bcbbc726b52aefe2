"""Which events of a day are reported, and in what words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eventful import Eventful, Happened

from cluster_assets.alerts.events import Alert, failed_alert
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

D1 = "2026-01-01"
DAY = parse_day(D1)
HAPPENED = (
    Happened("born", "20260101-000001", 100, name="telnet scanners"),
    Happened("born", "20260101-000002", 9),
    Happened("split", "20260101-000003", 40, 120, "20251201-000000", name="ssh"),
    Happened("split", "20251201-000000", 80, 120, name="ssh and telnet"),
    Happened("merged", "20251202-000000", 90, 80, "20251203-000000"),
    Happened("grown", "20251204-000000", 60, 20, name="web"),
    Happened("grown", "20251205-000000", 30, 20),
    Happened("continued", "20251206-000000", 20, 20),
    Happened("shrunk", "20251207-000000", 20, 80),
    Happened("died", "20251208-000000", 0, 500),
    Happened("reappeared", "20251209-000000", 50, 10),
)


def found(days: Eventful, **notify: Any) -> Sequence[Alert]:
    messages = days.alerts(**notify).find(DAY)
    return messages[0].message.alerts if messages else ()


@pytest.mark.parametrize(
    ("notify", "texts"),
    [
        (
            {"born": True},
            [
                "New cluster telnet scanners (20260101-000001): 100 entities",
                "New cluster 20260101-000002: 9 entities",
            ],
        ),
        (
            {"born": {"min_entities": 10}},
            ["New cluster telnet scanners (20260101-000001): 100 entities"],
        ),
        (
            {"split": {"min_entities": 40}},
            [
                "ssh and telnet (20251201-000000) was split: 80 entities, 120 the day before",
                "ssh (20260101-000003) split off from 20251201-000000: 40 entities, 120 the day before",
            ],
        ),
        (
            {"merged": True},
            ["20251202-000000 absorbed 20251203-000000: 90 entities, 80 the day before"],
        ),
        ({"grown": {"factor": 3}}, ["web (20251204-000000) grew: 60 entities, 20 the day before"]),
        (
            # A cluster that absorbed another one has grown too.
            {"grown": {"factor": 1.1, "min_entities": 31}},
            [
                "20251202-000000 grew: 90 entities, 80 the day before",
                "web (20251204-000000) grew: 60 entities, 20 the day before",
            ],
        ),
        ({"born": {"min_entities": 101}}, []),
        ({"drift": True}, ["The features have drifted: psi 0.4 of bytes"]),
        ({"failed": True}, []),
    ],
)
def test_only_what_the_yaml_names_is_reported(
    days: Eventful, notify: dict[str, Any], texts: list[str]
) -> None:
    days.publish(D1, HAPPENED, drift="psi 0.4 of bytes")
    assert [alert.text for alert in found(days, **notify)] == texts


def test_the_largest_clusters_are_named_and_the_others_counted(days: Eventful) -> None:
    happened = [Happened("born", f"20260101-{number:06}", 10 + number) for number in range(30)]
    days.publish(D1, [*happened, Happened("grown", "20251204-000000", 5, 1)])
    [message] = days.alerts(born=True, grown=True, most=3).find(DAY)
    alerts = message.message.alerts
    assert [alert.facts.get("entities") for alert in alerts] == [39, 38, 37, None]
    assert alerts[-1].text == "And 28 smaller clusters: 27 born, 1 grown"
    assert message.message.title == "demo 2026-01-01: 31 alerts"


def test_a_day_without_clusters_or_lineage_has_no_events(days: Eventful) -> None:
    assert found(days, born=True, drift=True) == ()
    days.publish(D1, [])
    assert found(days, born=True, drift=True) == ()


def test_a_check_that_passed_is_no_drift(days: Eventful) -> None:
    days.publish(D1, [])
    assert found(days, drift=True) == ()


def test_a_failure_is_redacted_and_the_same_until_the_day_is_published(days: Eventful) -> None:
    environment = {"DB_PASSWORD": "hunter2!"}

    def alert(text: str) -> Alert:
        return failed_alert(days.ledger, DAY, "points", SpecError(text), environment)

    first = alert("no column x for hunter2!")
    assert first.text == "The day failed in points: no column x for ***"
    assert alert("no column y").id == first.id
    days.publish(D1, [])
    assert alert("no column x").id != first.id
