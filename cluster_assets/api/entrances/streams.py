"""Classification of the records of Kinesis streams and SQS queues, with partial batch failures.

A record is the body of a `classify` request, with the key `pipeline` if several pipelines are served. The
results go to an SQS queue if `CLUSTER_API_RESULTS_QUEUE_URL` names one, else to the log.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cluster_assets.api.answers import ClassifyRequest
from cluster_assets.api.classification import classify_items
from cluster_assets.api.observing import LOG, embedded_metrics
from cluster_assets.api.problems import ProblemError
from cluster_assets.api.questions import decode_json, default_pipeline, open_served
from lambda_worker.serving.contract import Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.api.config import ApiConfig
    from lambda_worker.serving.contract import ServedDays

_MOST_ENTRIES = 10  # of one call
_MOST_BYTES = 2**18  # of one call; today's limit is four times that


class StreamRequest(ClassifyRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The data of a record."""

    pipeline: str | None = None


class StreamResult(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a record.

    Attributes:
        record: Id of the record: its sequence number in Kinesis, its message id in SQS.
        pipeline: Name of the pipeline.
        day: The day of the answer.
        predictions: One for each item.
    """

    record: str
    pipeline: str
    day: str
    predictions: Sequence[Prediction]


class Results(Protocol):
    """Where results go."""

    def send(self, results: Sequence[tuple[str, bytes]]) -> set[str]:
        """Send results by record; return the records whose results were not accepted."""


class LoggedResults:
    """Results as lines of the log."""

    def send(self, results: Sequence[tuple[str, bytes]]) -> set[str]:
        """Write one line for each result."""
        for _, result in results:
            LOG.info(result.decode())
        return set()


class QueuedResults:
    """Results as messages of an SQS queue.

    Args:
        sqs: The client.
        queue_url: Address of the queue.
    """

    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._sqs, self._queue_url = sqs, queue_url

    def send(self, results: Sequence[tuple[str, bytes]]) -> set[str]:
        """Send the results in calls of up to ten messages."""
        failed: set[str] = set()
        for call in _calls(results):
            entries = [
                {"Id": str(index), "MessageBody": result.decode()} for index, (_, result) in enumerate(call)
            ]
            answer = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            failed |= {call[int(one["Id"])][0] for one in answer.get("Failed", ())}
        return failed


def open_results(environ: Mapping[str, str]) -> Results:
    """Open the queue that the environment names, else the log."""
    queue_url = environ.get("CLUSTER_API_RESULTS_QUEUE_URL")
    if not queue_url:
        return LoggedResults()
    import boto3  # takes 300 ms, and only queues need it

    return QueuedResults(boto3.client("sqs", endpoint_url=environ.get("CLUSTER_AWS_ENDPOINT_URL")), queue_url)


@dataclass(frozen=True)
class _Record:
    """A record; failures of an `is_ordered` one hold back the records after it."""

    id: str
    data: bytes
    is_ordered: bool


class StreamClassifier:
    """Classifies records and reports those that failed.

    Args:
        days: The days to ask.
        config: Limits and defaults.
        results: Where results go.
    """

    def __init__(self, days: ServedDays, config: ApiConfig, results: Results) -> None:
        self._days, self._config, self._results = days, config, results

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Classify the records of an event.

        Records of Kinesis and of FIFO queues are retried from the first failure on, because their order
        matters; so the results of later ones are not sent.
        """
        started = time.perf_counter()
        read = [_read(one) for one in records]
        done: list[tuple[str, bytes]] = []
        failed: set[str] = set()
        items = 0
        for record in read:
            try:
                result = self._classify(record)
            except ProblemError as error:
                failed.add(record.id)
                _log({"record": record.id, "status": error.status, "error": error.detail}, "ERROR")
                if record.is_ordered:
                    break
            else:
                items += len(result.predictions)
                done.append((record.id, msgspec.json.encode(result)))
        failed |= self._results.send(done)
        retried = _retried(read, failed)
        ms = round((time.perf_counter() - started) * 1000, 3)
        line = {"records": len(read), "failed": len(retried), "items": items, "ms": ms, "status": 200}
        _log(line | embedded_metrics({"items": items, "status": 200}), "INFO")
        return {"batchItemFailures": [{"itemIdentifier": one} for one in retried]}

    def _classify(self, record: _Record) -> StreamResult:
        request = decode_json(record.data, StreamRequest)
        pipeline = request.pipeline or default_pipeline(self._days, self._config)
        day = open_served(self._days, pipeline, request.day)
        answer = classify_items(day, request.items)
        return StreamResult(
            record=record.id, pipeline=pipeline, day=answer.day, predictions=answer.predictions
        )


def _read(record: Mapping[str, Any]) -> _Record:
    if record["eventSource"] == "aws:kinesis":
        kinesis = record["kinesis"]
        return _Record(kinesis["sequenceNumber"], b64decode(kinesis["data"]), is_ordered=True)
    is_fifo = "MessageGroupId" in record.get("attributes", {})
    return _Record(record["messageId"], record["body"].encode(errors="surrogatepass"), is_ordered=is_fifo)


def _retried(records: Sequence[_Record], failed: set[str]) -> list[str]:
    first = next((index for index, record in enumerate(records) if record.id in failed), len(records))
    return [
        record.id
        for index, record in enumerate(records)
        if record.id in failed or (record.is_ordered and index > first)
    ]


def _calls(results: Sequence[tuple[str, bytes]]) -> list[list[tuple[str, bytes]]]:
    calls: list[list[tuple[str, bytes]]] = []
    size = 0
    for record, result in results:
        if not calls or len(calls[-1]) == _MOST_ENTRIES or size + len(result) > _MOST_BYTES:
            calls.append([])
            size = 0
        calls[-1].append((record, result))
        size += len(result)
    return calls


def _log(line: dict[str, object], level: str) -> None:
    whole = {"time": time.time(), "level": level, "operation": "stream", **line}
    LOG.log(40 if level == "ERROR" else 20, msgspec.json.encode(whole).decode())
