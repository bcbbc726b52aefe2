"""Announcements through S3 -> EventBridge -> SQS."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster_assets.arrivals.announcements import Announced
from cluster_assets.backends.aws.faults import Cause, call_aws, cause_of_call
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import QueueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cluster_assets.arrivals.announcements import Cursor, Marker
    from cluster_assets.domain.days import Day

LOG = logging.getLogger(__name__)
_BATCH = 10  # messages of one call, the maximum of SQS
_MOST = 200  # messages of one poll; the rest waits for the next
# A message whose day was not recorded reappears after this time, which is longer than a poll with its pauses.
_INVISIBLE_S = 300
_PATIENCE = Patience(attempts=4, seconds=20, longest_wait_s=4)
_MISSING = ("NonExistentQueue", "QueueDoesNotExist")


class MarkerQueue:
    """Events `Object Created` of markers, in a queue that no other pipeline reads.

    A message is removed one poll after it was received, because the cursor that holds its day is saved only
    then. If the daemon dies earlier, the message stays in the queue and is delivered again.

    Messages about other objects are removed too. A message that is no such event stays for the queue's own
    redrive policy, so that somebody can inspect it.

    Args:
        sqs: A boto3 client that tries each call once.
        url: The queue.
        marker: An `s3://` address with `{day}`.
        patience: How long to retry after throttling and transient faults.
    """

    def __init__(self, sqs: Any, url: str, marker: Marker, patience: Patience = _PATIENCE) -> None:
        self._sqs = sqs
        self._url = url
        self._marker = marker
        self._patience = patience

    def since(self, cursor: Cursor) -> Announced:
        """Remove the messages that the cursor has recorded, and receive new ones.

        Raises:
            QueueError: There is no such queue, or AWS refuses it.
        """
        self._remove(cursor.receipts)
        days: set[Day] = set()
        receipts: list[str] = []
        ignored = 0
        for message in self._receive():
            try:
                address = created_object(str(message["Body"]))
            except ValueError as error:
                LOG.warning(
                    "message %s of the arrivals queue is no S3 event: %s", message["MessageId"], error
                )
                continue
            receipts.append(str(message["ReceiptHandle"]))
            day = self._marker.day_of(address) if address is not None else None
            if day is None:
                ignored += 1
            else:
                days.add(day)
        return Announced(frozenset(days), receipts=tuple(receipts), ignored=ignored)

    def preview(self, cursor: Cursor) -> Announced:
        """Return no new days, because a received message is hidden from the daemon for some minutes."""
        note = "a preview receives no messages of the queue; the next tick of the daemon does"
        return Announced(frozenset(), receipts=cursor.receipts, note=note)

    def _receive(self) -> Iterator[Any]:
        receive = partial(
            self._sqs.receive_message,
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=0,
            VisibilityTimeout=_INVISIBLE_S,
        )
        for _ in range(_MOST // _BATCH):
            messages = self._call(receive).get("Messages", ())
            yield from messages
            if not messages:
                return

    def _remove(self, receipts: Sequence[str]) -> None:
        for start in range(0, len(receipts), _BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[start : start + _BATCH])
            ]
            remove = partial(self._sqs.delete_message_batch, QueueUrl=self._url, Entries=entries)
            if refused := len(self._call(remove).get("Failed", ())):
                # They reappear, their day is already requested, and they are removed then.
                LOG.info("%d messages of the arrivals queue could not be removed yet", refused)

    def _call(self, call: Callable[[], Any]) -> Any:
        return call_aws(call, self._patience, self._translate)

    def _translate(self, error: Exception) -> QueueError:
        missing = cause_of_call(error) is Cause.MISSING or any(code in str(error) for code in _MISSING)
        return QueueError(
            "there is no such queue" if missing else f"SQS refuses the arrivals queue: {error}",
            where=self._url,
            remedy="check CLUSTER_AWS_ARRIVALS_QUEUE_URL or arrivals.queue_url"
            if missing
            else "allow sqs:ReceiveMessage and sqs:DeleteMessage on it, and check the region",
        )


def created_object(body: str) -> str | None:
    """Return the address of the object created according to an EventBridge event; None for other S3 events.

    EventBridge does not encode keys; only S3's own notifications do.

    Raises:
        ValueError: The text is no such event.
    """
    event = json.loads(body)
    if not isinstance(event, dict) or event.get("source") != "aws.s3":
        raise ValueError("its source is not aws.s3")
    if event.get("detail-type") != "Object Created":
        return None
    try:
        return f"s3://{event['detail']['bucket']['name']}/{event['detail']['object']['key']}"
    except (KeyError, TypeError) as error:
        raise ValueError(f"its detail names no object: {error}") from error
