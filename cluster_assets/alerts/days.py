"""Send the alerts of a day to each recipient, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.alerts.channels import redact
from cluster_assets.alerts.deliveries import Deliveries, alerted_days
from cluster_assets.alerts.events import find_alerts
from cluster_assets.alerts.messages import Message, deliver, report_address, ui_address
from cluster_assets.domain.errors import NotificationError, error_text

if TYPE_CHECKING:
    import datetime as dt

    from cluster_assets.alerts.events import Alert
    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.notify import Notify, Recipient
    from cluster_assets.stages.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message.

    Attributes:
        message: With the alerts that were new for the recipient.
        error: Why it was not delivered; empty if it was, or in a dry run.
    """

    recipient: Recipient
    message: Message
    error: str = ""


class DayAlerts:
    """The alerts of a pipeline's days.

    Args:
        notify: What to report, and to whom.
        ledger: The pipeline.
        store: Holds its files, and the records of what was sent.
        settings: The addresses of the recipients.
    """

    def __init__(self, notify: Notify, ledger: Ledger, store: ObjectStore, settings: Settings) -> None:
        self._notify = notify
        self._ledger = ledger
        self._store = store
        self._settings = settings

    def find(self, day: Day) -> tuple[Sent, ...]:
        """Return the messages that `send` would send now; sends and records nothing."""
        message = self._message(day, self._alerts(day))
        found = []
        for recipient in self._notify.to:
            pending = self._deliveries(day, recipient).pending(message.alerts)
            if pending:
                found.append(Sent(recipient, replace(message, alerts=pending)))
        return tuple(found)

    def send(self, day: Day, failure: Alert | None = None) -> tuple[Sent, ...]:
        """Send each recipient the alerts that it does not have yet.

        Args:
            day: A day. If it failed, what is published of it is not reported.
            failure: The alert of the failure.

        Returns:
            A message for each recipient that something was new for, with its error if it was not delivered.

        Raises:
            ClusterAssetsError: The day cannot be read, or the record not written.
        """
        # All is read before anything is claimed: an error leaves no claim behind.
        everything = self._message(day, self._alerts(day) if failure is None else (failure,))
        done = []
        for recipient in self._notify.to:
            deliveries = self._deliveries(day, recipient)
            delivery = deliveries.claim(everything.alerts)
            if delivery is None:
                continue
            message = replace(everything, alerts=delivery.alerts)
            error = self._try_to_deliver(message, recipient)
            if error:
                deliveries.record_failure(delivery, error)
            else:
                deliveries.record_sent(delivery)
            done.append(Sent(recipient, message, error))
        return tuple(done)

    def days_to_retry(self, today: dt.date) -> tuple[Day, ...]:
        """Return the days that are not too old and have alerts that were not delivered."""
        days = [day for day in alerted_days(self._store, self._ledger.pipeline) if self.is_recent(day, today)]
        return tuple(
            day
            for day in days
            if any(self._deliveries(day, recipient).has_undelivered() for recipient in self._notify.to)
        )

    def is_recent(self, day: Day, today: dt.date) -> bool:
        """Whether runs report events of a day."""
        return (today - day.date).days <= self._notify.max_age_days

    def _alerts(self, day: Day) -> tuple[Alert, ...]:
        return find_alerts(self._notify, self._ledger, self._store, day)

    def _message(self, day: Day, alerts: tuple[Alert, ...]) -> Message:
        pipeline = self._ledger.pipeline
        report, url = report_address(self._ledger, day), ui_address(pipeline, day, self._settings)
        return Message(pipeline, day, alerts, report, url)

    def _deliveries(self, day: Day, recipient: Recipient) -> Deliveries:
        return Deliveries(self._store, self._ledger.pipeline, day, recipient)

    def _try_to_deliver(self, message: Message, recipient: Recipient) -> str:
        """Return the error, if any, in words that name no secret."""
        try:
            deliver(message, recipient, self._settings)
        except NotificationError as error:
            return error.what
        except Exception as error:  # noqa: BLE001  # whatever it is, the other recipients get theirs
            return redact(error_text(error), self._settings.environment)
        return ""
