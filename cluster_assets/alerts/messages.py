"""The message about a day, in the format of each recipient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.alerts.channels import post, publish, send_email
from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.page import PAGE
from cluster_assets.stages.report.stage import ReportStage, console_url

if TYPE_CHECKING:
    from cluster_assets.alerts.events import Alert
    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.notify import Recipient
    from cluster_assets.stages.ledger.ledger import Ledger

_LONGEST_SECTION = 3000  # of Slack


@dataclass(frozen=True, slots=True)
class Message:
    """Alerts of a day in one message.

    Attributes:
        report: Address of the report of the day, a URL on AWS and a path elsewhere; None if there is none.
        url: The day in the Dagster UI, if the settings name its URL.
    """

    pipeline: str
    day: Day
    alerts: tuple[Alert, ...]
    report: str | None
    url: str | None

    @property
    def title(self) -> str:
        """What the message is about."""
        number = sum(alert.count for alert in self.alerts)
        return f"{self.pipeline} {self.day}: {counted(number, 'alert')}"

    @property
    def text(self) -> str:
        """The whole message as lines of text."""
        links = (("Report", self.report), ("Dagster", self.url))
        lines = [self.title, *(f"- {alert.text}" for alert in self.alerts)]
        return "\n".join([*lines, *(f"{name}: {address}" for name, address in links if address)])

    def body(self, recipient: Recipient) -> dict[str, Any]:
        """Return the JSON that a recipient gets; an e-mail has only the text of it."""
        if recipient == "slack":
            return {"text": _escape(self.title), "blocks": _blocks(self)}
        return {
            "pipeline": self.pipeline,
            "day": self.day.key,
            "alerts": [alert.to_json() for alert in self.alerts],
            "report": self.report,
            "url": self.url,
            "text": self.text,
        }


def deliver(message: Message, recipient: Recipient, settings: Settings) -> None:
    """Send a message to a recipient.

    Raises:
        NotificationError: The recipient refuses it, does not answer, or has no address.
        SpecError: A setting that AWS needs is missing.
    """
    match recipient:
        case "webhook" | "slack":
            post(settings, message.body(recipient))
        case "sns":
            publish(settings, message.title, message.body(recipient))
        case "email":
            send_email(settings, message.title, message.text)


def report_address(ledger: Ledger, day: Day) -> str | None:
    """Return where the report of a day is; None if it was never drawn.

    Raises:
        IntegrityError: The report is damaged.
    """
    manifest = ledger.current(ReportStage.name, day)
    if manifest is None:
        return None
    uri = ledger.document_uri(manifest, PAGE)
    return console_url(uri) if uri.startswith("s3://") else uri


def ui_address(pipeline: str, day: Day, settings: Settings) -> str | None:
    """Return the URL of the day's report in the Dagster UI; None if the settings do not name the UI."""
    base = settings.notify_base_url
    if base is None:
        return None
    return f"{base.rstrip('/')}/assets/{pipeline}/{ReportStage.name}?view=partitions&partition={day}"


def _blocks(message: Message) -> list[dict[str, Any]]:
    """Return the message as blocks of Slack."""
    texts = [f"*{_escape(message.title)}*", *(_escape(alert.text) for alert in message.alerts)]
    links = (("Report", message.report), ("Dagster", message.url))
    shown = [_link(name, address) for name, address in links if address]
    return [_section(text) for text in (*texts, *([" | ".join(shown)] if shown else []))]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST_SECTION]}}


def _link(name: str, address: str) -> str:
    is_url = address.startswith(("http://", "https://"))
    return f"<{address}|{name}>" if is_url else f"{name}: `{_escape(address)}`"


def _escape(text: str) -> str:
    """Escape the control characters of Slack's mrkdwn, so that a name cannot mention people."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
