"""Picture `flow`: the lives of clusters, one lane for each identity, and what passes between lanes."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, mark_path, printable, text_width

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import FlowFacts, Passage, Stretch
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

LANES = 12
_TOP, _FOOT, _LANE = 30.0, 62.0, 22.0
_BAR = 0.13  # half the width of a day's bar, where days are 1 apart
_WIDEST_DAY = 100.0
_FULL = 0.84  # of a lane's height that its largest day takes
_THINNEST = 1.5
_INFLOWS = 40  # ribbons from clusters without a lane at most
_FROM_BELOW = 0.75  # of a lane: where a ribbon from a cluster without a lane begins
# Continuing, growing and shrinking are visible without a mark.
_EVENTS = {"born": "circle", "reappeared": "diamond", "split": "left", "merged": "right", "died": "cross"}


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Where things are: lane by identity from the top, column by day, thickness by entities."""

    lane: Mapping[str, int]
    column: Mapping[dt.date, int]
    largest: int
    left: float
    step: float

    def x(self, column: float) -> float:
        return self.left + self.step * (column + 0.5)

    def y(self, identity: str) -> float:
        return _TOP + _LANE * (self.lane[identity] + 0.5)

    def half(self, entities: float) -> float:
        return max(_LANE * _FULL * math.sqrt(entities / self.largest), _THINNEST) / 2


def draw_flow(facts: FlowFacts, looks: Mapping[str, Look]) -> Picture:
    """Draw lanes of the largest identities of the last days; thickness is the square root of entities."""
    shown = lanes_of(facts.stretches)
    stretches = [one for one in facts.stretches if one.identity in set(shown)]
    lanes = _lay_out(facts, shown, stretches)
    drawing = Drawing()
    drawing.text(0, 10, _title(len(shown), facts.identities, len(facts.days)), "ink bold")
    bottom = _TOP + _LANE * max(len(shown), 2)
    _draw_frame(drawing, facts, lanes, bottom)
    for name in shown:
        drawing.marks(looks[name], [(5, lanes.y(name), 4)])
        drawing.text(12, lanes.y(name), printable(facts.label(name), 24), size=SMALL)
    _draw_passages(drawing, facts, stretches, lanes, looks)
    _draw_stretches(drawing, facts, stretches, lanes, looks)
    _draw_events(drawing, facts, stretches, lanes)
    _draw_legend(drawing, bottom + 50)
    return drawing.finish("flow", "What became of the clusters", _alt(facts, shown), bottom + _FOOT)


def _lay_out(facts: FlowFacts, shown: tuple[str, ...], stretches: list[Stretch]) -> _Lanes:
    left = 18 + max((text_width(printable(facts.label(name), 24), SMALL) for name in shown), default=0.0)
    lasts = (text_width(f"{one.entities:,}", SMALL) for one in stretches if one.day == facts.days[-1])
    right = WIDTH - max(lasts, default=0.0)
    return _Lanes(
        {name: k for k, name in enumerate(shown)},
        {day: k for k, day in enumerate(facts.days)},
        max((one.entities for one in stretches), default=1) or 1,
        left,
        min((right - left) / len(facts.days), _WIDEST_DAY),
    )


def lanes_of(stretches: tuple[Stretch, ...]) -> tuple[str, ...]:
    """Return the identities with the most entities over the days, in the order of their first day."""
    entities: defaultdict[str, int] = defaultdict(int)
    first: dict[str, dt.date] = {}
    for one in sorted(stretches, key=lambda one: one.day):
        entities[one.identity] += one.entities
        first.setdefault(one.identity, one.day)
    largest = sorted(entities, key=lambda name: (-entities[name], name))[:LANES]
    return tuple(sorted(largest, key=lambda name: (first[name], -entities[name], name)))


def _draw_frame(drawing: Drawing, facts: FlowFacts, lanes: _Lanes, bottom: float) -> None:
    days = facts.days
    for k, day in enumerate(days):
        x = lanes.x(k)
        drawing.line((x, _TOP - 6), (x, bottom), "line")
        drawing.text(x, bottom + 10, str(day.day), "faint", anchor="middle", size=SMALL)
        if k == 0 or day.month != days[k - 1].month:
            drawing.text(x, bottom + 22, f"{day:%b %Y}", "faint", anchor="middle", size=SMALL)
        if k and (day - days[k - 1]).days > 1:
            gap = lanes.x(k - 0.5)
            drawing.line((gap, _TOP - 6), (gap, bottom), "faint", 'stroke-dasharray="1 4"')
    drawing.text(WIDTH, bottom + 36, "thickness: square root of entities", "faint", anchor="end", size=SMALL)
    if not lanes.lane:
        drawing.text(WIDTH / 2, _TOP + _LANE, "no cluster on these days", "faint", anchor="middle")


def _draw_stretches(
    drawing: Drawing, facts: FlowFacts, stretches: list[Stretch], lanes: _Lanes, looks: Mapping[str, Look]
) -> None:
    last = max(lanes.column.values())
    width = 2 * _BAR * lanes.step
    for one in stretches:
        x, y, half = lanes.x(lanes.column[one.day] - _BAR), lanes.y(one.identity), lanes.half(one.entities)
        name = printable(facts.label(one.identity))
        tip = f"{name} on {one.day}: {counted(one.entities, 'entity')}, {one.event}"
        drawing.rect((x, y - half), (width, 2 * half), looks[one.identity].colour, tip)
        if lanes.column[one.day] == last:
            drawing.text(x + width + 4, y, f"{one.entities:,}", size=SMALL)


def _draw_passages(
    drawing: Drawing, facts: FlowFacts, stretches: list[Stretch], lanes: _Lanes, looks: Mapping[str, Look]
) -> None:
    """Draw ribbons as thick as the shared part; those that change lanes are above the others."""
    found = {(one.day, one.identity): one for one in stretches}
    drawn, inflows = [], []
    for passage in facts.passages:
        start = found.get((passage.start, passage.source))
        end = found.get((passage.day, passage.target))
        if start is not None and end is not None and passage.shared:
            drawn.append((start.identity != end.identity, start, end, passage))
        elif end is not None and passage.shared and passage.source not in lanes.lane:
            inflows.append((passage, end))
    for passage, end in sorted(inflows, key=lambda one: -one[0].shared)[:_INFLOWS]:
        _draw_inflow(drawing, end, passage, lanes)
    for is_change, start, end, passage in sorted(drawn, key=lambda one: one[0]):
        names = f"from {printable(facts.label(start.identity))} to {printable(facts.label(end.identity))}"
        tip = f"{counted(passage.shared, 'entity')} {names}"
        more = f'fill-opacity="{0.65 if is_change else 0.35}"'
        style = f"{looks[start.identity].colour} fill"
        drawing.path(_ribbon(start, end, passage, lanes), style, tip, more)


def _draw_inflow(drawing: Drawing, end: Stretch, passage: Passage, lanes: _Lanes) -> None:
    """Draw what came from a cluster without a lane: a ribbon that rises into the lane from below."""
    right, y = lanes.x(lanes.column[end.day] - _BAR), lanes.y(end.identity)
    left = right - (1 - 2 * _BAR) * lanes.step / 2
    data = f"M{left:.1f} {y + _LANE * _FROM_BELOW:.1f}Q{left:.1f} {y:.1f} {right:.1f} {y:.1f}"
    tip = f"{counted(passage.shared, 'entity')} from {printable(passage.source)}, which has no lane"
    width = f'stroke-width="{2 * _part(end, passage, lanes):.1f}" stroke-opacity="0.7"'
    drawing.path(data, "others stroke", tip, width)


def _part(one: Stretch, passage: Passage, lanes: _Lanes) -> float:
    """Return half the thickness of the entities of a passage at one of its ends."""
    return max(lanes.half(one.entities) * min(passage.shared / max(one.entities, 1), 1.0), 0.6)


def _ribbon(start: Stretch, end: Stretch, passage: Passage, lanes: _Lanes) -> str:
    left, right = lanes.x(lanes.column[start.day] + _BAR), lanes.x(lanes.column[end.day] - _BAR)
    y0, y1 = lanes.y(start.identity), lanes.y(end.identity)
    h0, h1 = (_part(one, passage, lanes) for one in (start, end))
    middle = (left + right) / 2
    return (
        f"M{left:.1f} {y0 - h0:.1f}"
        f"C{middle:.1f} {y0 - h0:.1f} {middle:.1f} {y1 - h1:.1f} {right:.1f} {y1 - h1:.1f}"
        f"V{y1 + h1:.1f}C{middle:.1f} {y1 + h1:.1f} {middle:.1f} {y0 + h0:.1f} {left:.1f} {y0 + h0:.1f}z"
    )


def _draw_events(drawing: Drawing, facts: FlowFacts, stretches: list[Stretch], lanes: _Lanes) -> None:
    """Mark births, splits, merges and deaths; what lived on the first day was not born there."""
    for one in stretches:
        column = lanes.column[one.day]
        if one.event in _EVENTS and not (one.event == "born" and column == 0):
            _draw_event(drawing, one.event, lanes.x(column - _BAR) - 5, lanes.y(one.identity))
    for day, name in facts.deaths:
        if name in lanes.lane and day in lanes.column:
            _draw_event(drawing, "died", lanes.x(lanes.column[day] - 1 + _BAR) + 6, lanes.y(name))


def _draw_event(drawing: Drawing, event: str, x: float, y: float) -> None:
    shape = _EVENTS[event]
    if shape == "cross":
        data = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
        drawing.path(data, "loss stroke", event, 'stroke-width="2.4"')
    elif shape in ("left", "right"):
        side = -3.5 if shape == "left" else 3.5
        data = f"M{x + side:.1f} {y:.1f}L{x - side:.1f} {y - 4:.1f}V{y + 4:.1f}z"
        drawing.path(data, "ink open", event)
    else:
        drawing.path(mark_path(shape, x, y, 3.2), "ink open", event)


def _draw_legend(drawing: Drawing, y: float) -> None:
    x = 6.0
    for event in _EVENTS:
        _draw_event(drawing, event, x, y)
        drawing.text(x + 8, y, event, size=SMALL)
        x += 22 + text_width(event, SMALL)


def _title(shown: int, identities: int, days: int) -> str:
    which = (
        f"The {shown} largest of {identities:,} clusters" if shown < identities else counted(shown, "cluster")
    )
    return f"{which} over {counted(days, 'published day')}"


def _alt(facts: FlowFacts, shown: tuple[str, ...]) -> str:
    counts: defaultdict[str, int] = defaultdict(int)
    for one in facts.stretches:
        counts[one.event] += one.event != "born" or one.day != facts.days[0]
    counts["died"] = len(facts.deaths)
    said = ", ".join(f"{count:,} {event}" for event, count in sorted(counts.items()) if count)
    return (
        f"Lanes of {len(shown)} of {counted(facts.identities, 'cluster')} of {facts.title}, "
        f"{counted(len(facts.days), 'day')} "
        f"up to {facts.days[-1]}; thickness is the square root of entities. Events: {said or 'none'}."
    )
