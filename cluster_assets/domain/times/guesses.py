"""Formats that can read given values: suggestions to declare, never applied silently."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re

from cluster_assets.domain.times.formats import EPOCHS, read_format

_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y/%d/%m",
    "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%m.%d.%Y", "%Y.%m.%d",
    "%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%d.%m.%y",
    "%Y%m%d", "%d%m%Y", "%m%d%Y",
    "%d-%b-%Y", "%d/%b/%Y", "%d %b %Y", "%b %d %Y", "%b %d, %Y", "%d-%b-%y", "%Y-%b-%d",
    "%d %B %Y", "%B %d %Y", "%B %d, %Y", "%d-%B-%Y", "%a %d %b %Y", "%a, %d %b %Y",
)  # fmt: skip
_TIMES = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", ":%H:%M:%S",
    " %H:%M:%S %z", ":%H:%M:%S %z", ", %H:%M", ", %H:%M:%S", ", %I:%M %p", " %I:%M%p", " %H%M", " %H%M%S",
)  # fmt: skip
_OTHERS = (
    "[%d/%b/%Y:%H:%M:%S %z]", "%a %b %d %H:%M:%S %Y", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%d%H%M",
    "%Y-%m-%d %H:%M:%S,%f", "%Y%m%dT%H%M%SZ", "%a, %d %b %Y %H:%M:%S GMT", "%d%b%Y", "%d%b%Y:%H:%M:%S",
    "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p",
    "%H:%M:%S %d/%m/%Y", "%H:%M:%S %m/%d/%Y", "%H:%M %d/%m/%Y", "%H:%M %m/%d/%Y",
)  # fmt: skip
# By number of digits: seconds from 1973 to 2286, and the same range in the other units.
EPOCH_PATTERNS = {
    "epoch_seconds": r"[0-9]{9,10}(?:\.[0-9]+)?",
    "epoch_millis": r"[0-9]{12,13}(?:\.[0-9]+)?",
    "epoch_micros": r"[0-9]{15,16}(?:\.[0-9]+)?",
    "epoch_nanos": r"[0-9]{18,19}(?:\.[0-9]+)?",
}


def formats_of(text: str) -> tuple[str, ...]:
    """Return the formats that can read a value.

    >>> formats_of("02/03/2026"), formats_of("1767225600"), formats_of("yesterday")
    (('%d/%m/%Y', '%m/%d/%Y'), ('epoch_seconds',), ())
    """
    texts = tuple(form for form in _candidates() if read_format(form).read(text) is not None)
    epochs = tuple(form for form, pattern in EPOCH_PATTERNS.items() if re.fullmatch(pattern, text))
    return texts + epochs


def shown_reading(form: str, text: str) -> str:
    """Describe how a format reads a value.

    >>> shown_reading("%m/%d/%Y", "02/03/2026"), shown_reading("epoch_seconds", "1767225600")
    ('3 February 2026 (%m/%d/%Y)', '1 January 2026 00:00:00 (epoch_seconds)')
    """
    if form in EPOCHS:
        return f"{_shown_ticks(float(text) / EPOCHS[form])} ({form})"
    read = read_format(form)
    time = read.read(text)
    if time is None:
        return form
    hour = f" {time:%H:%M:%S}" if read.has_hour else ""
    zone = f" {time:%z}" if read.has_zone else ""
    return f"{time.day} {time:%B %Y}{hour}{zone} ({form})"


def _shown_ticks(seconds: float) -> str:
    time = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{time.day} {time:%B %Y %H:%M:%S}"


@functools.cache
def _candidates() -> tuple[str, ...]:
    return (*("".join(parts) for parts in itertools.product(_DATES, _TIMES)), *_OTHERS)
