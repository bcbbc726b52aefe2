"""A failed run, told to a webhook or an SNS topic; addresses and secrets stay out of logs and messages."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.composition import aws_account
from cluster_assets.domain.errors import NotificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.settings import Settings

_TRIES = 3
_TIMEOUT_S = 10.0
_PAUSE_S = 1.0
_LONGEST_REASON = 2000
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|WEBHOOK|CREDENTIAL|ACCESS_KEY|API_KEY")
_SHORTEST_SECRET = 6  # shorter values would blot out words
_USER_IN_URL = re.compile(r"(\w+://)[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class FailedRun:
    """What is told of a failed run.

    Attributes:
        days: The partition, or first and last of a range.
        step: The asset that failed; None when the run failed outside of any.
    """

    run_id: str
    job: str
    assets: tuple[str, ...]
    days: tuple[str, ...]
    step: str | None
    reason: str


def message(run: FailedRun, base_url: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """The message as JSON; `text` alone is what chat services show.

    Args:
        run: The run.
        base_url: Address of the UI, for a link.
        environment: Its secret values are blotted out.
    """
    reason = redact(run.reason.strip()[:_LONGEST_REASON], environment)
    days = " to ".join(run.days) or "no partition"
    link = f"{base_url.rstrip('/')}/runs/{run.run_id}" if base_url else None
    text = f"{run.job} failed for {days}" + (f" in {run.step}" if run.step else "") + f":\n{reason}"
    return asdict(run) | {"reason": reason, "text": text + (f"\n{link}" if link else ""), "url": link}


def redact(text: str, environment: Mapping[str, str]) -> str:
    """The text without the values of variables that are named like secrets, and without users in URLs."""
    secrets = [
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) and len(value) >= _SHORTEST_SECRET
    ]
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USER_IN_URL.sub(r"\1***@", text)


def notify(run: FailedRun, settings: Settings) -> None:
    """Tell everybody the settings name.

    Raises:
        NotificationError: One of them was not reached in three tries; the others were told.
    """
    environment = {**settings.source_variables, **os.environ}
    body = message(run, settings.notify_base_url, environment)
    failures = []
    if settings.notify_webhook_url is not None:
        failures += _try_webhook(settings.notify_webhook_url.get_secret_value(), body)
    if settings.notify_sns_topic is not None:
        failures += _try_topic(settings, settings.notify_sns_topic, body)
    if failures:
        raise NotificationError(
            f"nobody was told that run {run.run_id} failed: {'; '.join(failures)}",
            remedy="check CLUSTER_NOTIFY_WEBHOOK_URL and CLUSTER_NOTIFY_SNS_TOPIC",
        )


def _try_webhook(url: str, body: Mapping[str, Any]) -> list[str]:
    """Post the message; what failed, in words that do not hold the address."""
    failure = "it is no http address"
    if not url.startswith(("http://", "https://")):
        return [f"webhook: {failure}"]
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S * 2**attempt)
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
                return []
        except urllib.error.HTTPError as error:
            error.close()
            failure = f"it answers {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Their texts may hold the address: only the kind is told.
            failure = f"it cannot be reached ({type(error).__name__})"
    return [f"webhook: {failure}"]


def _try_topic(settings: Settings, topic: str, body: Mapping[str, Any]) -> list[str]:
    # Here, so that those without AWS do not load boto3.
    from cluster_assets.aws.faults import Patience, call_aws

    def translate(error: Exception) -> NotificationError:
        return NotificationError(f"SNS refuses it ({error})")

    sns = aws_account(settings).client("sns", read_timeout_s=_TIMEOUT_S)
    subject = str(body["text"]).splitlines()[0][:100]
    try:
        call_aws(
            lambda: sns.publish(TopicArn=topic, Subject=subject, Message=json.dumps(body)),
            Patience(attempts=_TRIES, seconds=20, longest_wait_s=4),
            translate,
        )
    except NotificationError as error:
        return [f"topic: {error.what}"]
    return []
