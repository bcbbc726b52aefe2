"""Items to classify, from a file: one JSON object, a JSON list, or JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from cluster_assets.domain.errors import SpecError
from lambda_worker.serving.contract import Item, ItemError, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_worker.serving.contract import ServedDays

_FORMS = 'write {"items": [{"vector": [1.5, 2]}]}, a list of items, or one item in each line'


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions for some items, as the API returns them."""

    day: str
    predictions: list[Prediction]


def read_items(text: bytes, where: str) -> list[Item]:
    r"""Read the items of a file.

    >>> read_items(b'{"items": [{"vector": [1, 2]}]}', "a.json")
    [Item(vector=(1.0, 2.0))]
    >>> len(read_items(b'{"text": "a"}\n{"text": "b"}\n', "a.jsonl"))
    2

    Raises:
        SpecError: The text is not JSON, or an item is not one.
    """
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [
            _item(line, number, where) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    if isinstance(found, dict) and "items" in found:
        if others := set(found) - {"items"}:
            raise SpecError(
                f"unknown key beside `items`: {', '.join(sorted(others))}",
                where=where,
                remedy=f"{_FORMS}; the day is the option --day",
            )
        found = found["items"]
    return to_items(found if isinstance(found, list) else [found], where)


def to_items(values: Sequence[Any], where: str) -> list[Item]:
    """Convert plain dictionaries; items stay as they are.

    Raises:
        SpecError: One is no item; the text names its place.
    """
    items = []
    for number, value in enumerate(values):
        try:
            items.append(value if isinstance(value, Item) else msgspec.convert(value, Item))
        except msgspec.ValidationError as error:
            raise SpecError(f"items/{number}: {error}", where=where, remedy=_FORMS) from error
    return items


def classify(
    days: ServedDays, pipeline: str, items: Sequence[Any], day: str | None = None, where: str = "items"
) -> Answers:
    """Classify items against a published day, by default the newest.

    Args:
        days: The published indexes.
        pipeline: Name of the pipeline.
        items: Items, or dictionaries such as `{"vector": [1.5, 2]}`.
        day: The day, `YYYY-MM-DD`.
        where: Where the items come from, for messages.

    Raises:
        SpecError: An item cannot be classified, or there is no index of the day.
    """
    asked = to_items(items, where)
    try:
        served = days.open_day(pipeline, day)
        return Answers(day=served.day, predictions=served.classify(asked))
    except ItemError as error:
        raise SpecError(str(error), where=where, remedy=_FORMS) from error
    except LookupError as error:
        raise SpecError(
            str(error),
            where=pipeline,
            remedy=f"write `serve: {{}}` in its YAML and run a day: cluster-assets run {pipeline} --day DAY",
        ) from error


def _item(line: bytes, number: int, where: str) -> Item:
    try:
        return msgspec.json.decode(line, type=Item)
    except msgspec.DecodeError as error:
        raise SpecError(f"line {number}: {error}", where=where, remedy=_FORMS) from error
