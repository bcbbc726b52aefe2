"""The ways a message leaves: HTTP, SNS, and e-mail through SES. No error names an address that is secret."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import NotificationError
from cluster_assets.opening import aws_account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.settings import Settings

_TRIES = 3
_TIMEOUT_S = 10.0
_PAUSE_S = 1.0
_LONGEST_SUBJECT = 100  # of SNS
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|WEBHOOK|CREDENTIAL|ACCESS_KEY|API_KEY")
_SHORTEST_SECRET = 6  # shorter values could occur in ordinary words
_USER_IN_URL = re.compile(r"(\w+://)[^/\s@]+@")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: urllib would follow one without the message, and its answer would be a success."""

    def redirect_request(self, *_: object) -> None:
        """Return no request, so that the redirect is an error."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def post(settings: Settings, body: Mapping[str, Any]) -> None:
    """Post JSON to the webhook.

    Raises:
        NotificationError: There is no address, or it refused or did not answer three times.
    """
    secret = settings.notify_webhook_url
    url = "" if secret is None else secret.get_secret_value()
    failure = "it is no http address"
    for attempt in range(_TRIES if url.startswith(("http://", "https://")) else 0):
        if attempt:
            time.sleep(_PAUSE_S * 2**attempt)
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            error.close()
            failure = f"it answers {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The error text may contain the address, so only the class name is reported.
            failure = f"it cannot be reached ({type(error).__name__})"
    raise _refused("webhook", failure if url else "there is no address", "CLUSTER_NOTIFY_WEBHOOK_URL")


def publish(settings: Settings, subject: str, body: Mapping[str, Any]) -> None:
    """Publish JSON to the SNS topic.

    Raises:
        NotificationError: There is no topic, or SNS refuses the message.
    """
    topic = settings.notify_sns_topic
    if topic is None:
        raise _refused("topic", "there is no topic", "CLUSTER_NOTIFY_SNS_TOPIC")
    sns = _client(settings, "sns")
    _call(
        lambda: sns.publish(TopicArn=topic, Subject=_one_line(subject), Message=json.dumps(body)),
        lambda error: _refused("topic", f"SNS refuses it ({error})", "CLUSTER_NOTIFY_SNS_TOPIC"),
    )


def send_email(settings: Settings, subject: str, text: str) -> None:
    """Send an e-mail through SES.

    Raises:
        NotificationError: There is no sender or recipient, or SES refuses the message.
    """
    sender, recipients = settings.notify_email_from, settings.notify_email_to
    names = "CLUSTER_NOTIFY_EMAIL_FROM and CLUSTER_NOTIFY_EMAIL_TO"
    if sender is None or recipients is None:
        raise _refused("e-mail", "there is no sender or no recipient", names)
    content = {"Subject": {"Data": _one_line(subject)}, "Body": {"Text": {"Data": text}}}
    ses = _client(settings, "sesv2")
    _call(
        lambda: ses.send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": [one.strip() for one in recipients.split(",") if one.strip()]},
            Content={"Simple": content},
        ),
        lambda error: _refused("e-mail", f"SES refuses it ({error})", names),
    )


def redact(text: str, environment: Mapping[str, str]) -> str:
    """Remove the values of variables that are named like secrets, and the user part of URLs."""
    secrets = [
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) and len(value) >= _SHORTEST_SECRET
    ]
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USER_IN_URL.sub(r"\1***@", text)


def _one_line(subject: str) -> str:
    """Return the first line in ASCII, all that SNS accepts."""
    return subject.partition("\n")[0].encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]


def _refused(recipient: str, failure: str, names: str) -> NotificationError:
    return NotificationError(f"{recipient}: {failure}", remedy=f"check {names}")


def _client(settings: Settings, service: str) -> Any:
    return aws_account(settings).client(service, read_timeout_s=_TIMEOUT_S)


def _call(call: Callable[[], Any], translate: Callable[[Exception], NotificationError]) -> None:
    # Imported here, so that users without AWS do not load boto3.
    from cluster_assets.backends.aws.faults import call_aws
    from cluster_assets.backends.patience import Patience

    call_aws(call, Patience(attempts=_TRIES, seconds=20, longest_wait_s=4), translate)
