"""The contract of SageMaker's containers: `/ping` and `/invocations`, also for batch transform jobs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec

from cluster_assets.api.answers import ClassifyRequest
from cluster_assets.api.classification import classify_items
from cluster_assets.api.operations import Operation, Reply
from cluster_assets.api.problems import ProblemError
from cluster_assets.api.questions import decode_json, media_type
from cluster_assets.domain.counts import counted
from lambda_worker.serving.contract import Item, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cluster_assets.api.questions import Question
    from cluster_assets.served.items import Answers
    from lambda_worker.serving.contract import ServedDay

    Reader: TypeAlias = Callable[[list[str]], Item]

JSON, CSV = "application/json", "text/csv"
LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
MEDIA = (JSON, LINES[0], CSV)


def operations(*, is_batch: bool) -> tuple[Operation, ...]:
    """Return the operations of a container.

    Args:
        is_batch: Whether a batch transform job runs the container; its requests have any number of items.
    """

    def invocations(question: Question) -> Answers | Reply:
        return _invocations(question, has_limit=not is_batch)

    return (
        Operation("ping", "GET", "/ping", "Whether the container is ready", _ping, media=("text/plain",),
                  is_public=True),
        Operation("invocations", "POST", "/invocations", "Where new items would belong", invocations,
                  media=MEDIA, problems=(404, 406, 413, 415, 422)),
    )  # fmt: skip


def _ping(question: Question) -> Reply:
    question.open_default()
    return Reply(b"", "text/plain")


def _invocations(question: Question, *, has_limit: bool) -> Answers | Reply:
    sent = question.media_type or JSON
    if sent not in {JSON, CSV, *LINES}:
        raise ProblemError(415, f"{sent} is not supported; send one of {', '.join(MEDIA)}")
    wanted = media_type(question.headers.get("accept", ""))
    if wanted in {"", "*/*"}:
        wanted = sent
    if wanted not in {JSON, CSV, *LINES}:
        raise ProblemError(406, f"answers in {wanted} are not supported; accept one of {', '.join(MEDIA)}")
    day, items = _read(question, sent)
    question.facts["items"] = len(items)
    answer = classify_items(day, items, has_limit=has_limit)
    if wanted == JSON:
        return answer
    if wanted == CSV:
        return Reply(_csv(answer.predictions), f"{CSV}; charset=utf-8")
    return Reply(b"".join(msgspec.json.encode(one) + b"\n" for one in answer.predictions), wanted)


def _read(question: Question, sent: str) -> tuple[ServedDay, list[Item]]:
    if sent == JSON:
        request = decode_json(question.body, ClassifyRequest)
        return question.open_default(request.day), list(request.items)
    if sent in LINES:
        lines = [line for line in question.body.splitlines() if line.strip()]
        items = [decode_json(line, Item, f"items/{index}") for index, line in enumerate(lines)]
    else:
        items = _csv_items(question)
    if not items:
        raise ProblemError(422, "the body has no items", field="items")
    return question.open_default(), items


def _csv_items(question: Question) -> list[Item]:
    kind = question.open_default().kind
    if kind not in _READERS:
        raise ProblemError(415, f"items of kind {kind} are not rows of numbers or texts; send JSON lines")
    try:
        rows = [row for row in csv.reader(io.StringIO(question.body.decode()), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProblemError(400, f"the body is not CSV: {error}") from error
    return [_item(kind, index, row) for index, row in enumerate(rows)]


def _item(kind: str, index: int, row: list[str]) -> Item:
    try:
        return _READERS[kind](row)
    except ValueError as error:
        at = f"items/{index}"
        raise ProblemError(422, f"{at}: {error}", field=at) from error


def _place(row: list[str]) -> Item:
    latitude, longitude = map(float, _columns(row, "latitude and longitude", 2))
    return Item(latitude=latitude, longitude=longitude)


def _columns(row: list[str], meaning: str, count: int) -> list[str]:
    if len(row) != count:
        raise ValueError(f"{counted(len(row), 'column')} instead of {count}: {meaning}")
    return row


_READERS: dict[str, Reader] = {
    "set": lambda row: Item(set=tuple(row)),
    "vector": lambda row: Item(vector=tuple(map(float, row))),
    "place": _place,
    "text": lambda row: Item(text=_columns(row, "the text", 1)[0]),
    "embedding": lambda row: Item(embedding=tuple(map(float, row))),
}


def _csv(predictions: list[Prediction]) -> bytes:
    """Return a row for each prediction: cluster, stable_id, name, role, distance, rule, changes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (one.cluster, one.stable_id, one.name, one.role, one.distance, one.rule, " ".join(one.changes))
        for one in predictions
    )
    return text.getvalue().encode()
