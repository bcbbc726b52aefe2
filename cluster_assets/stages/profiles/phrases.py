"""Phrases about a cluster, such as `TCP/445`, `few rows` or `50.1 N 8.7 E ± 12 km`.

A phrase is chosen by a strict rule and stays true by a weaker one, so that a name does not change from day to
day with a value at the limit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDOID = "medoid"
"""Kind of the phrase that names the entity in the middle of a cluster."""

_EXACT = "exact"
_MOST = 0.5  # share of the entities, and deviations of a mean, at which a phrase is chosen
_STILL = 0.5  # part of the value at which it was chosen, at which a phrase is still true
_SLIGHTLY = 0.25
_VERY = 2.0
_PLACE = 0.6  # strength of a place of 0 km among mixed features
_WIDEST_KM = 5_000.0
_SAME_KM = 1.0
_EARTH_KM = 6371.0088
_VALUE_LENGTH, _TEXT_LENGTH, _STORED_LENGTH = 28, 44, 100
_DIMENSION = re.compile(r"embedding\[\d+\]")
_NESTED = r"(?:[^()]|\([^()]*\))+"
_COUNT = re.compile(rf"count\s*\(\s*(?:\*|distinct\s+(?P<what>{_NESTED}?))\s*\)", re.IGNORECASE)
_CALL = re.compile(rf"(?P<function>\w+)\s*\((?P<inside>{_NESTED})\)")
_COLUMN = re.compile(r"\"[^\"]+\"|\b[A-Za-z_]\w*\b(?!\s*\()")


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of `cluster_features`; its docs describe the fields."""

    kind: str
    feature: str
    value: str | None = None
    share: float | None = None
    day_share: float | None = None
    zscore: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_m: float | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """A statement about a cluster.

    Attributes:
        kind: `token`, `category`, `text`, `number`, `place` or `MEDOID`.
        feature: Name of the feature, or its expression in the YAML.
        value: Token, category or text, shortened; of numbers and places, `exact` if `text` is.
        numbers: The share of a value, the z-score of a number, or latitude, longitude and radius in metres of
            a place, when the phrase was chosen.
        text: The words.
        exact: Words with a number, for clusters that otherwise have the same name.
        strength: How far the cluster differs from the day, 0 to 1.
    """

    kind: str
    feature: str
    value: str
    numbers: tuple[float, ...]
    text: str
    exact: str
    strength: float = 0.0

    @property
    def as_exact(self) -> Phrase:
        """The phrase with its number, which must then stay true."""
        return replace(
            self, text=self.exact, value=_EXACT if self.kind in ("number", "place") else self.value
        )


def phrases_of(facts: Sequence[Fact]) -> tuple[Phrase, ...]:
    """Return the phrases of a cluster's facts, those that distinguish it most first."""
    found = [phrase for fact in facts if (phrase := _phrase(fact)) is not None]
    return tuple(sorted(found, key=lambda phrase: -phrase.strength))


def medoid_phrase(entity: str) -> Phrase:
    """Return the phrase that names the entity in the middle."""
    text = f"like {shorten(entity, _TEXT_LENGTH)}"
    return Phrase(MEDOID, "", "", (), text, text)


def is_still_true(phrase: Phrase, facts: Sequence[Fact], *, has_medoid: bool) -> bool:
    """Return whether a phrase of an earlier day is true of the cluster today.

    Args:
        phrase: Chosen on an earlier day.
        facts: Of the cluster today.
        has_medoid: Whether no other cluster has the entity that a phrase of kind `MEDOID` names.
    """
    if phrase.kind == MEDOID:
        return has_medoid
    same = (fact for fact in facts if (fact.kind, fact.feature) == (phrase.kind, phrase.feature))
    return any(_holds(phrase, fact) for fact in same)


def shorten(text: str, length: int) -> str:
    r"""Return a text on one line without control characters, at most `length` characters long.

    >>> shorten("a\nlong text", 7)
    'a long…'
    """
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split()) or '""'
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _phrase(fact: Fact) -> Phrase | None:
    if fact.kind == "number":
        return None if fact.zscore is None or _DIMENSION.fullmatch(fact.feature) else _number(fact)
    return _place(fact) if fact.kind == "place" else _value(fact)


def _value(fact: Fact) -> Phrase | None:
    """Phrase a value of at least half of the entities; that of fewer is `some`."""
    share, day_share = fact.share or 0.0, fact.day_share or 0.0
    is_text = fact.kind == "text"
    value = shorten(fact.value or "", _TEXT_LENGTH if is_text else _VALUE_LENGTH)
    named = value if fact.feature == fact.kind else f"{fact.feature} {value}"
    if not is_text and share < _MOST:
        named = f"some {named}"
    # A rare value ranks last, whatever the day has.
    strength = max(share - day_share, 0.0) if is_text or share >= _MOST else 0.1 * share
    stored = (fact.value or "")[:_STORED_LENGTH]
    return Phrase(fact.kind, fact.feature, stored, (share,), named, named, strength)


def _number(fact: Fact) -> Phrase:
    zscore = fact.zscore or 0.0
    size = abs(zscore)
    what, (high, low) = _words(fact.feature)
    degree = "very " if size >= _VERY else "" if size >= _MOST else "slightly "
    text = f"{what} as usual" if size < _SLIGHTLY else f"{degree}{high if zscore > 0 else low} {what}"
    exact = f"{what} {zscore:+.1f} sd"
    return Phrase("number", fact.feature, "", (zscore,), text, exact, size / (1 + size))


def _words(expression: str) -> tuple[str, tuple[str, str]]:
    """Return what an expression measures, and the words for high and low."""
    if found := _COUNT.fullmatch(expression.strip()):
        counted = plural(found["what"].strip('"')) if found["what"] else "rows"
        return shorten(counted, _VALUE_LENGTH), ("many", "few")
    if found := _CALL.fullmatch(expression.strip()):
        columns = set(_COLUMN.findall(found["inside"]))
        if len(columns) == 1:
            name = f"{found['function']} {columns.pop()}".replace('"', "")
            return shorten(name, _VALUE_LENGTH), ("high", "low")
    return shorten(expression, _VALUE_LENGTH), ("high", "low")


def _place(fact: Fact) -> Phrase:
    latitude, longitude, radius_m = fact.latitude or 0.0, fact.longitude or 0.0, fact.radius_m or 0.0
    name = "" if fact.feature == "place" else f"{fact.feature} "
    reach = _reach(radius_m)
    text, exact = (
        f"{name}{abs(latitude):.{digits}f} {'N' if latitude >= 0 else 'S'} "
        f"{abs(longitude):.{digits}f} {'E' if longitude >= 0 else 'W'} ± {reach}"
        for digits in ((1, 2) if radius_m >= 5_000 else (2, 3))  # a tenth of a degree is 11 km
    )
    strength = _PLACE * max(0.0, 1 - radius_m / 1000 / _WIDEST_KM)
    return Phrase("place", fact.feature, "", (latitude, longitude, radius_m), text, exact, strength)


def _reach(radius_m: float) -> str:
    """Format a radius with two digits.

    >>> _reach(12_345), _reach(87.2)
    ('12 km', '87 m')
    """
    unit, value = ("km", radius_m / 1000) if radius_m >= 1000 else ("m", radius_m)
    digits = 1 - math.floor(math.log10(value)) if value >= 1 else 0
    return f"{round(value, digits):,.{max(digits, 0)}f} {unit}"


def _holds(phrase: Phrase, fact: Fact) -> bool:
    is_exact = phrase.value == _EXACT
    if phrase.kind == "place":
        return _is_same_place(phrase.numbers, fact, is_exact=is_exact)
    if phrase.kind == "number":
        return _is_same_size(phrase.numbers[0], fact.zscore or 0.0, is_exact=is_exact)
    share = fact.share or 0.0
    is_distinct = share >= (fact.day_share or 0.0)
    is_same = (fact.value or "")[:_STORED_LENGTH] == phrase.value
    return is_same and is_distinct and share >= _STILL * min(phrase.numbers[0], 1.0)


def _is_same_size(chosen: float, zscore: float, *, is_exact: bool) -> bool:
    if is_exact:
        return abs(zscore - chosen) <= _SLIGHTLY * max(1.0, abs(chosen))
    if abs(chosen) < _SLIGHTLY:
        return abs(zscore) < 2 * _SLIGHTLY
    least = next(limit for limit in (_VERY, _MOST, _SLIGHTLY) if abs(chosen) >= limit)
    # "slightly" ends where "very" begins; the other words have no end.
    most = math.inf if abs(chosen) >= _MOST else _VERY
    return chosen * zscore > 0 and _STILL * least <= abs(zscore) < most


def _is_same_place(chosen: Sequence[float], fact: Fact, *, is_exact: bool) -> bool:
    latitude, longitude, radius_m = chosen
    radius, now = radius_m / 1000, (fact.radius_m or 0.0) / 1000
    if not radius / 2 - _SAME_KM <= now <= 2 * radius + _SAME_KM:
        return False
    north, other = math.radians(latitude), math.radians(fact.latitude or 0.0)
    half_east = math.radians((fact.longitude or 0.0) - longitude) / 2
    chord = math.sin((other - north) / 2) ** 2 + math.cos(north) * math.cos(other) * math.sin(half_east) ** 2
    distance = 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))
    return distance <= (_SAME_KM if is_exact else max(radius / 2, _SAME_KM))
