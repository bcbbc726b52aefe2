"""Report a failed run to a webhook or an SNS topic; logs and messages contain no addresses or secrets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.alerts.channels import post, publish, redact
from cluster_assets.domain.errors import NotificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.settings import Settings

_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class FailedRun:
    """The facts of a failed run for a notification.

    Attributes:
        days: The partition, or first and last of a range.
        step: The asset that failed; None when the run failed outside of all assets.
    """

    run_id: str
    job: str
    assets: tuple[str, ...]
    days: tuple[str, ...]
    step: str | None
    reason: str


def message(run: FailedRun, url: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the message as JSON; chat services show only `text`.

    Args:
        run: The run.
        url: Of the run in the UI.
        environment: Variables whose secret values are redacted.
    """
    reason = redact(run.reason.strip()[:_LONGEST_REASON], environment)
    days = " to ".join(run.days) or "no partition"
    text = f"{run.job} failed for {days}" + (f" in {run.step}" if run.step else "") + f":\n{reason}"
    return asdict(run) | {"reason": reason, "text": text + (f"\n{url}" if url else ""), "url": url}


def notify(run: FailedRun, settings: Settings) -> None:
    """Notify every recipient that the settings name.

    Raises:
        NotificationError: A recipient could not be reached in three tries; the others were notified.
    """
    body = message(run, settings.run_url(run.run_id), settings.environment)
    failures = []
    try:
        if settings.notify_webhook_url is not None:
            post(settings, body)
    except NotificationError as error:
        failures.append(error.what)
    try:
        if settings.notify_sns_topic is not None:
            publish(settings, str(body["text"]), body)
    except NotificationError as error:
        failures.append(error.what)
    if failures:
        raise NotificationError(
            f"no notice of the failed run {run.run_id} was delivered: {'; '.join(failures)}",
            remedy="check CLUSTER_NOTIFY_WEBHOOK_URL and CLUSTER_NOTIFY_SNS_TOPIC",
        )
