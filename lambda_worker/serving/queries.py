"""Items as they are asked, checked and prepared as the features of the day were: scaled, limited and cut."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.serving.contract import Item, ItemError, MixedValue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_worker.arrays import Floats
    from lambda_worker.contract.profiles import Part
    from lambda_worker.serving.facts import Facts

LARGEST = 1e150
"""Largest absolute value of a number, as in the stage `points`."""

LONGEST_TEXT = 1_000
"""Maximum number of code points of a text, as in the stage `points`."""

KINDS = {
    "set": "set",
    "vector": "vector",
    "embedding": "embedding",
    "geo": "place",
    "text": "text",
    "mixed": "mixed",
}
"""The key of an item by kind of features; a place has two fields, latitude and longitude."""

_FIELDS = {"place": ("latitude", "longitude")}
_LATITUDE, _LONGITUDE, _TEXT = 50.1, 8.7, "text"  # of examples


class _FaultError(Exception):
    """A value that cannot be used.

    Attributes:
        field: The field, as a path below the item.
        problem: What is wrong and what is expected.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field, self.problem = field, problem


class Queries:
    """Prepares the items of one day.

    Args:
        facts: Kind, scales and limits.
        is_known: Whether a token occurs on the day.
    """

    def __init__(self, facts: Facts, is_known: Callable[[str], bool]) -> None:
        self._facts = facts
        self._is_known = is_known
        self.kind = KINDS[facts.space.kind]
        self._fields = _FIELDS.get(self.kind, (self.kind,))
        self._prepare = getattr(self, f"_{self.kind}")

    def prepare(self, index: int, item: Item) -> Any:
        """Return the features of an item in the units of the day's points.

        Args:
            index: Position of the item, for messages.
            item: The item.

        Returns:
            A vector of shape (dimensions,) or a place of shape (2,); sorted distinct tokens; a text; or one
            of these for each mixed feature.

        Raises:
            ItemError: The item is not of the pipeline's kind, or a value is not usable.
        """
        try:
            self._check_fields(item)
            return self._prepare(item)
        except _FaultError as fault:
            raise ItemError(index, fault.field, fault.problem) from None

    def example(self, token: str) -> Item:
        """Return an item of the day's kind and dimensions that can be classified.

        Args:
            token: The token of its sets.
        """
        facts = self._facts
        match self.kind:
            case "vector":  # the middle of the day, if it is known
                return Item(vector=tuple(facts.centers) or (0.0,) * facts.dimensions)
            case "embedding":  # zero has no direction
                return Item(embedding=(1.0, *(0.0,) * (facts.dimensions - 1)))
            case "place":
                return Item(latitude=_LATITUDE, longitude=_LONGITUDE)
            case "text":
                return Item(text=_TEXT)
            case "set":
                return Item(set=(token,))
        values: dict[str, MixedValue] = {
            "number": 0.0,
            "category": _TEXT,
            "text": _TEXT,
            "set": [token],
            "geo": {"latitude": _LATITUDE, "longitude": _LONGITUDE},
        }
        return Item(mixed={part.name: values[part.kind] for part in facts.space.parts})

    def _check_fields(self, item: Item) -> None:
        for field in Item.__struct_fields__:
            if (getattr(item, field) is not None) != (field in self._fields):
                expected = " and ".join(self._fields)
                raise _FaultError(field, f"items of this pipeline have {expected}, and nothing else")

    def _vector(self, item: Item) -> Floats:
        raw = _numbers("vector", item.vector or (), self._facts.dimensions)
        facts, values = self._facts, raw
        if facts.centers:
            scaling = zip(raw, facts.centers, facts.spreads, strict=True)
            values = [(value - center) / spread for value, center, spread in scaling]
        if facts.space.weights:
            values = [value * weight for value, weight in zip(values, facts.space.weights, strict=True)]
        for position, value in enumerate(values):
            _check_number(f"vector/{position}", value, "scaled, it is ")
        return np.array(values) + 0.0  # minus zero becomes zero, as in the points

    def _embedding(self, item: Item) -> Floats:
        return np.array(_numbers("embedding", item.embedding or (), self._facts.dimensions))

    def _place(self, item: Item) -> Floats:
        return _place(item.latitude, item.longitude, ("latitude", "longitude"))

    def _text(self, item: Item) -> str:
        return _text("text", item.text)

    def _set(self, item: Item) -> tuple[str, ...]:
        tokens = _tokens("set", item.set)
        if self._facts.space.limited_tokens:
            tokens = tuple(token for token in tokens if self._is_known(token))
            if not tokens:
                raise _FaultError("set", "all tokens are outside the day's tokens.min_df..max_df")
        return tokens

    def _mixed(self, item: Item) -> tuple[Any, ...]:
        values = item.mixed or {}
        parts = {part.name: part for part in self._facts.space.parts}
        for name in (*parts, *values):
            if (name in values) != (name in parts):
                expected = ", ".join(parts)
                raise _FaultError(f"mixed/{name}", f"the features of this pipeline are {expected}")
        return tuple(_mixed_value(part, values[name]) for name, part in parts.items())


def content_of(query: Any) -> bytes:
    """Return bytes that are equal for equal features, and only for them."""
    if isinstance(query, np.ndarray):
        return (query + 0.0).astype("<f8").tobytes()  # minus zero equals zero
    if isinstance(query, str):
        return query.encode("utf-8", "surrogatepass")
    # The length of each part keeps its end.
    parts = [content_of(part) for part in query]
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def _mixed_value(part: Part, value: Any) -> Any:
    field = f"mixed/{part.name}"
    match part.kind:
        case "number":
            return np.array(_numbers(field, (value,), 1, is_list=False)) + 0.0
        case "category":
            return _whole_text(field, value)
        case "text":
            return _text(field, value)
        case "set":
            return _tokens(field, value)
        case "geo":
            if not isinstance(value, dict) or set(value) != {"latitude", "longitude"}:
                raise _FaultError(field, "expected an object with latitude and longitude")
            names = (f"{field}/latitude", f"{field}/longitude")
            return _place(value["latitude"], value["longitude"], names)


def _numbers(field: str, values: Sequence[Any], count: int, *, is_list: bool = True) -> list[float]:
    if len(values) != count:
        raise _FaultError(field, f"expected {count} numbers, found {len(values)}")
    found = []
    for position, value in enumerate(values):
        place = f"{field}/{position}" if is_list else field
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _FaultError(place, "expected a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        _check_number(place, number)
        found.append(number)
    return found


def _check_number(field: str, value: float, said: str = "it is ") -> None:
    if not -LARGEST <= value <= LARGEST:  # false for NaN too
        raise _FaultError(field, f"expected a finite number within {LARGEST:g}; {said}{value}")


def _place(latitude: Any, longitude: Any, fields: tuple[str, str]) -> Floats:
    place = [
        _numbers(field, (value,), 1, is_list=False)[0]
        for field, value in zip(fields, (latitude, longitude), strict=True)
    ]
    for field, value, most in zip(fields, place, (90, 180), strict=True):
        if abs(value) > most:
            raise _FaultError(field, f"expected degrees from -{most} to {most}; it is {value}")
    return np.array(place)


def _whole_text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _FaultError(field, "expected a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _FaultError(
                field, "the text holds half of a surrogate pair, which is no character"
            ) from None
    return value


def _text(field: str, value: Any) -> str:
    text = _whole_text(field, value)
    if len(text) > LONGEST_TEXT:
        raise _FaultError(field, f"expected at most {LONGEST_TEXT:,} characters, found {len(text):,}")
    return text


def _tokens(field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _FaultError(field, "expected a list of texts")
    tokens = {_whole_text(f"{field}/{position}", token) for position, token in enumerate(value)}
    if not tokens:
        raise _FaultError(field, "expected at least one text")
    return tuple(sorted(tokens))
