"""Days in addresses: `data/{day}/_SUCCESS`, or `data/year={day:%Y}/month={day:%m}/day={day:%d}/_SUCCESS`."""

from __future__ import annotations

import re

from cluster_assets.domain.days import Day
from cluster_assets.domain.times.formats import TimeFormat, read_day_format, read_format

_PLACE = re.compile(r"\{day(?::([^{}]*))?\}")
_ISO = "%Y-%m-%d"


def check_template(text: str) -> str:
    """Return a template that identifies a day.

    Raises:
        ValueError: The template does not identify a day.
    """
    forms = {read_format(place[1] or _ISO) for place in _PLACE.finditer(text)}
    if not forms:
        raise ValueError(
            f"{text!r} contains no day; write {{day}} in its place, as in data/{{day}}/_SUCCESS, or "
            "{day:%Y%m%d} for another format"
        )
    read_day_format("\n".join(form.text for form in _first_ones(text)))
    return text


def placed(template: str, day: Day) -> str:
    """Return the address of a day.

    >>> import datetime as dt
    >>> placed("dt={day:%Y%m%d}/_SUCCESS", Day(dt.date(2026, 3, 2)))
    'dt=20260302/_SUCCESS'
    """
    return _PLACE.sub(lambda place: read_format(place[1] or _ISO).spellings(day.date)[0], template)


def literal_parts(template: str) -> list[str]:
    """Return the fixed text before, between and after the placeholders of the day."""
    return _PLACE.split(template)[::2]


def day_in(template: str, address: str) -> Day | None:
    """Return the day to which an address belongs, or None."""
    forms, pattern, end = _first_ones(template), "", 0
    waiting = list(forms)
    for place in _PLACE.finditer(template):
        form = read_format(place[1] or _ISO)
        pattern += re.escape(template[end : place.start()])
        end = place.end()
        if form in waiting:
            waiting.remove(form)
            pattern += f"({form.pattern})"
        else:
            pattern += form.pattern
    found = re.fullmatch(pattern + re.escape(template[end:]), address, re.ASCII)
    if found is None:
        return None
    time = read_day_format("\n".join(form.text for form in forms)).read("\n".join(found.groups()))
    if time is None or placed(template, Day(time.date())) != address:
        return None
    return Day(time.date())


def _first_ones(template: str) -> tuple[TimeFormat, ...]:
    """Drop the formats that add nothing to those before them."""
    known: set[str] = set()
    kept = []
    for place in _PLACE.finditer(template):
        form = read_format(place[1] or _ISO)
        if known.isdisjoint(form.directives):
            known |= set(form.directives)
            kept.append(form)
    return tuple(kept)
