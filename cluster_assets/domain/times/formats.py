"""Time formats of texts and numbers: strptime formats such as `%d/%m/%Y %H:%M`, or an epoch.

A format reads the same texts on every engine and in Python: its pattern must match the whole text.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
from dataclasses import dataclass

EPOCHS = {"epoch_seconds": 1, "epoch_millis": 10**3, "epoch_micros": 10**6, "epoch_nanos": 10**9}
"""Ticks per second of the formats that count from 1970."""
ISO = "ISO 8601"
"""The times that can be read without a declared format."""
ISO_PATTERN = (
    "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    # DuckDB's cast takes 24:00 for the next day, Trino's refuses it.
    r"(?:[T ](?:[01]?[0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    " ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
"""Matches the whole of such a text."""
ZONE_PATTERN = r"[0-9]:[0-9]{2}.*(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)$"
"""Found in an ISO text with a time zone."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_MONTHS = "|".join(name[:3] for name in _MONTHS)
_SHORT_DAYS = "|".join(name[:3] for name in _DAYS)
# By directive: the pattern, and the letters of Joda, which Athena's parse_datetime uses.
_DIRECTIVES = {
    "Y": ("[0-9]{4}", "yyyy"),
    # 69 is 2069 in Trino and 1969 in DuckDB.
    "y": ("(?:[0-57-9][0-9]|6[0-8])", "yy"),
    "m": ("(?:0?[1-9]|1[0-2])", "MM"),
    "d": ("(?:0?[1-9]|[12][0-9]|3[01])", "dd"),
    "H": ("(?:[01]?[0-9]|2[0-3])", "HH"),
    "I": ("(?:0?[1-9]|1[0-2])", "hh"),
    "M": ("[0-5][0-9]", "mm"),
    "S": ("[0-5][0-9]", "ss"),
    "f": ("[0-9]{1,6}", "SSSSSS"),
    "b": (f"(?i:{_SHORT_MONTHS})", "MMM"),
    "B": (f"(?i:{'|'.join(_MONTHS)})", "MMMM"),
    "a": (f"(?i:{_SHORT_DAYS})", "EEE"),
    "A": (f"(?i:{'|'.join(_DAYS)})", "EEEE"),
    "p": ("(?i:am|pm)", "a"),
    "z": ("[+-][0-9]{2}:?[0-9]{2}", "Z"),
}
_DIGITS = frozenset("YymdHIMSf")
_PIECES = re.compile(r"%(.?)|([^%]+)", re.DOTALL)
_SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}])")


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A time format of texts.

    Attributes:
        text: The format as in Python's strptime and strftime.
        pattern: A regular expression for the whole text, valid in Python, RE2 and Java.
        joda: The same format in the letters of Joda.
        directives: The letters of its directives, in order.
    """

    text: str
    pattern: str
    joda: str
    directives: tuple[str, ...]

    @property
    def has_hour(self) -> bool:
        """Whether it contains more than a day."""
        return "H" in self.directives or "I" in self.directives

    @property
    def has_zone(self) -> bool:
        """Whether each text contains its offset from UTC."""
        return "z" in self.directives

    def read(self, text: str) -> dt.datetime | None:
        """Parse a text, with a timezone if the format has one; None if the text does not match.

        >>> read_format("%d/%m/%Y").read("02/03/2026"), read_format("%d/%m/%Y").read("2026-03-02")
        (datetime.datetime(2026, 3, 2, 0, 0), None)
        """
        return _time_of(_groups_of(self.text), text)

    def find_last(self, text: str) -> dt.datetime | None:
        """Parse the last match in a longer text; a match never begins or ends within a number."""
        found = None
        within = "(?!(?<=[0-9])[0-9])"  # not between two digits
        for match in re.finditer(f"(?=({within}{self.pattern}{within}))", text):
            found = self.read(match[1]) or found
        return found

    def spellings(self, date: dt.date) -> tuple[str, ...]:
        """Return the texts of a date, longest first; a number on its own may lack its leading zero.

        >>> read_format("month=%m/day=%d").spellings(dt.date(2026, 3, 12))
        ('month=03/day=12', 'month=3/day=12')
        >>> read_format("%Y-%m-%d").spellings(dt.date(2026, 3, 2))
        ('2026-03-02',)
        """
        words = {"b": _MONTHS[date.month - 1][:3], "B": _MONTHS[date.month - 1]}
        words |= {"a": _DAYS[date.weekday()][:3], "A": _DAYS[date.weekday()]}
        words |= {"Y": f"{date.year:04}", "y": f"{date.year % 100:02}"}
        numbers = {"m": date.month, "d": date.day}
        literals = ["", *(literal for _, literal, _ in _parts(self.text)), ""]
        parts: list[tuple[str, ...]] = []
        for place, (letter, literal, alone) in enumerate(_parts(self.text)):
            if letter not in numbers:
                parts.append((words.get(letter, literal),))
                continue
            whole = alone and literals[place][-1:] in ("", "/", "=") and literals[place + 2][:1] in ("", "/")
            texts = [f"{numbers[letter]:02}", *([str(numbers[letter])] if whole else [])]
            parts.append(tuple(dict.fromkeys(texts)))
        return tuple("".join(chosen) for chosen in itertools.product(*parts))


@functools.lru_cache(maxsize=2048)
def read_format(text: str) -> TimeFormat:
    """Parse a format.

    Raises:
        ValueError: It has an unknown or repeated directive, or a 12-hour clock without AM or PM.
    """
    directives: list[str] = []
    pattern, joda = "", ""
    for letter, literal, alone in _parts(text):
        if not letter:
            pattern += _SPECIAL.sub(r"\\\1", literal)
            joda += "".join(
                f"'{char}'" if char.isalpha() else "''" if char == "'" else char for char in literal
            )
            continue
        if letter not in _DIRECTIVES:
            known = " ".join(f"%{one}" for one in _DIRECTIVES)
            raise ValueError(
                f"%{letter} in {text!r} is not known; use {known}, or one of {', '.join(EPOCHS)}"
            )
        if letter in directives:
            raise ValueError(f"{text!r} has %{letter} twice")
        directives.append(letter)
        pattern += _pattern(letter, alone=alone)
        joda += _DIRECTIVES[letter][1]
    if ("I" in directives) != ("p" in directives) or {"H", "I"} <= set(directives):
        raise ValueError(f"{text!r}: %I and %p belong together; an hour of 24 is %H")
    return TimeFormat(text, pattern, joda, tuple(directives))


def read_day_format(text: str) -> TimeFormat:
    """Parse a format that contains a day.

    Raises:
        ValueError: As in `read_format`, or a year, month or day is missing.
    """
    made = read_format(text)
    for what, letters in (("year (%Y or %y)", "Yy"), ("month (%m, %b or %B)", "mbB"), ("day (%d)", "d")):
        if not set(letters) & set(made.directives):
            raise ValueError(f"{text!r} has no {what}")
    return made


def check_time_format(text: str) -> str:
    """Return a valid time format; see `EPOCHS` and `read_day_format`.

    Raises:
        ValueError: The format is invalid.
    """
    if text not in EPOCHS:
        if "%" not in text:
            raise ValueError(
                f"{text!r} is not a format; write one such as %d/%m/%Y %H:%M:%S, or one of "
                f"{', '.join(EPOCHS)}"
            )
        read_day_format(text)
    return text


def _pattern(letter: str, *, alone: bool) -> str:
    """Return the pattern of a part; a number next to another number must have all its digits."""
    pattern = _DIRECTIVES[letter][0]
    return pattern if alone else pattern.replace("0?", "0").replace("[01]?", "[01]")


def _parts(text: str) -> list[tuple[str, str, bool]]:
    """Return each directive letter or literal text, and whether no number is directly next to it."""
    found = [(match[1] or "", match[2] or "", match[0]) for match in _PIECES.finditer(text)]
    parts = [
        ("", "%", whole) if letter == "%" else (letter or "", literal, whole)
        for letter, literal, whole in found
    ]
    made = []
    for place, (letter, literal, whole) in enumerate(parts):
        if not letter and whole == "%":
            raise ValueError(f"{text!r} ends in the middle of a directive; %% is the character itself")
        beside = [parts[other][0] for other in (place - 1, place + 1) if 0 <= other < len(parts)]
        made.append((letter, literal, not any(one in _DIGITS for one in beside if one)))
    return made


@functools.lru_cache(maxsize=2048)
def _groups_of(text: str) -> re.Pattern[str]:
    made = ""
    for letter, literal, alone in _parts(text):
        made += f"(?P<{letter}>{_pattern(letter, alone=alone)})" if letter else re.escape(literal)
    return re.compile(made, re.ASCII)


def _time_of(pattern: re.Pattern[str], text: str) -> dt.datetime | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    year = int(found.get("Y") or _century(int(found["y"])))
    month = found.get("m") or _month(found.get("B") or found["b"])
    hour = int(found.get("H") or found.get("I") or 0)
    if "p" in found:
        hour = hour % 12 + 12 * (found["p"].lower() == "pm")
    zone = None
    if "z" in found:
        sign, digits = found["z"][0], found["z"][1:].replace(":", "")
        offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        zone = dt.timezone(-offset if sign == "-" else offset)
    try:
        return dt.datetime(
            year, int(month), int(found["d"]), hour, int(found.get("M") or 0), int(found.get("S") or 0),
            int((found.get("f") or "0").ljust(6, "0")), tzinfo=zone,
        )  # fmt: skip
    except ValueError:  # 30 February matches the pattern but is not a date
        return None


def _century(year: int) -> int:
    return year + (2000 if year < 69 else 1900)


def _month(name: str) -> int:
    return [one[:3] for one in _MONTHS].index(name[:3].capitalize()) + 1
