"""Which alerts of a day were sent to a recipient: records in the store, put if absent.

<pipeline>/_alerts/day=D/<recipient>/0001/claim.json    the alerts of a message that a run began to send
<pipeline>/_alerts/day=D/<recipient>/0001/sent.json     it was delivered
<pipeline>/_alerts/day=D/<recipient>/0001/failed.json   it was not, and why; the next run sends them again

A run claims the alerts that no other message holds, sends them, and records the result. So two runs at the
same time send each alert once. The alerts of a run that was killed in between are sent again after a lease.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.alerts.events import FAILED, Alert
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day

_FOLDER = "_alerts"
_TRIES = 20
_LEASE = dt.timedelta(minutes=5)
"""Longer than any recipient takes: three tries of 10 seconds."""
_CLAIM, _SENT, _FAILED = "claim.json", "sent.json", "failed.json"


def utc_now() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


def alerted_days(store: ObjectStore, pipeline: str) -> tuple[Day, ...]:
    """Return the days of a pipeline with records of messages, ascending."""
    folder = f"{pipeline}/{_FOLDER}/"
    keys = (stored.key.removeprefix(folder) for stored in store.list(folder))
    return tuple(sorted({parse_day(key.partition("/")[0].removeprefix("day=")) for key in keys}))


def copy_records(store: ObjectStore, old: str, new: str) -> None:
    """Copy the records of a pipeline to another name, so that its alerts are not sent again."""
    for stored in list(store.list(f"{old}/{_FOLDER}/")):
        store.copy(stored.key, f"{new}/{stored.key.removeprefix(f'{old}/')}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was claimed.

    Attributes:
        number: Position among the messages of the day to the recipient, from 1.
        is_undelivered: Whether it failed, or its run died.
    """

    number: int
    alerts: tuple[Alert, ...]
    is_sent: bool = False
    is_undelivered: bool = False


class Deliveries:
    """The messages about one day to one recipient.

    Args:
        store: The warehouse.
        pipeline: Name of the pipeline.
        day: The day.
        recipient: Kind of the recipient.
        clock: Returns the current time, from which the age of a claim follows.
    """

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        day: Day,
        recipient: str,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._store = store
        self._folder = f"{pipeline}/{_FOLDER}/{day.prefix}/{recipient}/"
        self._clock = clock

    def has_undelivered(self) -> bool:
        """Whether an alert was claimed and no message delivered it."""
        found = self._found()
        sent = {alert.id for one in found if one.is_sent for alert in one.alerts}
        return any(alert.id not in sent for one in found if one.is_undelivered for alert in one.alerts)

    def pending(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        """Return the alerts that no message holds, with undelivered ones of failed days."""
        return _pending(self._found(), alerts)

    def claim(self, alerts: Sequence[Alert]) -> Delivery | None:
        """Claim the pending alerts for one message; None if there are none.

        Raises:
            ConflictError: Other runs claimed messages of the day each time.
        """
        for _ in range(_TRIES):
            found = self._found()
            pending = _pending(found, alerts)
            if not pending:
                return None
            number = max((one.number for one in found), default=0) + 1
            body = {"at": self._time(), "alerts": [_to_record(alert) for alert in pending]}
            if self._put(number, _CLAIM, body):
                return Delivery(number, pending)
        raise ConflictError(
            f"other runs claimed alerts {_TRIES} times",
            where=self._store.uri(self._folder),
            remedy="let one run of a day finish before the next one starts",
        )

    def record_sent(self, delivery: Delivery) -> None:
        """Record that a message was delivered."""
        self._put(delivery.number, _SENT, {"at": self._time()})

    def record_failure(self, delivery: Delivery, reason: str) -> None:
        """Record that a message was not delivered; its alerts are pending again."""
        self._put(delivery.number, _FAILED, {"at": self._time(), "reason": reason})

    def _found(self) -> list[Delivery]:
        objects = {stored.key: stored for stored in self._store.list(self._folder)}
        found = []
        for key, stored in objects.items():
            head, _, name = key.rpartition("/")
            if name != _CLAIM:
                continue
            is_sent = f"{head}/{_SENT}" in objects
            is_old = f"{head}/{_FAILED}" in objects or self._clock() - stored.modified >= _LEASE
            body: dict[str, Any] = json.loads(self._store.read(key))
            alerts = tuple(_from_record(one) for one in body["alerts"])
            number = int(head.rpartition("/")[2])
            found.append(Delivery(number, alerts, is_sent, is_undelivered=is_old and not is_sent))
        return found

    def _put(self, number: int, name: str, body: dict[str, Any]) -> bool:
        return self._store.put_if_absent(f"{self._folder}{number:04d}/{name}", canonical_json(body).encode())

    def _time(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def _pending(found: Sequence[Delivery], alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    held = {alert.id for one in found if not one.is_undelivered for alert in one.alerts}
    # What failed cannot be found in the tables, so it comes from the record.
    failures = (alert for one in found if one.is_undelivered for alert in one.alerts if alert.event == FAILED)
    wanted = {alert.id: alert for alert in (*failures, *alerts)}
    return tuple(alert for alert in wanted.values() if alert.id not in held)


def _to_record(alert: Alert) -> dict[str, Any]:
    return {"id": alert.id, "event": alert.event, "text": alert.text, "facts": dict(alert.facts)}


def _from_record(body: dict[str, Any]) -> Alert:
    return Alert(body["id"], body["event"], body["text"], body["facts"])
