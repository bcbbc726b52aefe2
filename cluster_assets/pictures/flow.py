"""Picture `flow`: the lives of clusters, one lane an identity, and what passes between lanes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.path import Path

from cluster_assets.pictures.canvas import finish, new_figure, plain_axes, printable, style
from cluster_assets.pictures.palette import FAINT, INK, LOSS, look_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.facts import FlowFacts, Passage, Stretch

LANES = 12
_BAR = 0.13  # half the width of a day's bar, where days are 1 apart
_LANE = 0.84  # of a lane's height that its largest day takes
_THINNEST = 0.06
# Marker and size of each event that is drawn; continuing, growing and shrinking are seen as they are.
_EVENTS = {"born": ("o", 5.0), "reappeared": ("D", 4.5), "split": ("<", 6.0), "merged": (">", 6.0)}
_DIED: dict[str, Any] = {
    "linestyle": "none", "marker": "X", "markersize": 6, "color": LOSS, "markeredgewidth": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Where things lie: lane by identity from the top, column by day, thickness by entities."""

    lane: Mapping[str, int]
    column: Mapping[dt.date, int]
    largest: int

    def thickness(self, entities: int) -> float:
        return max(_LANE * float(np.sqrt(entities / self.largest)), _THINNEST)


def draw_flow(facts: FlowFacts) -> Picture:
    """Lanes of the largest identities of the last days; thickness is the square root of entities."""
    days = facts.days
    shown = _choose(facts.stretches)
    stretches = [one for one in facts.stretches if one.identity in set(shown)]
    lanes = _Lanes(
        {name: k for k, name in enumerate(shown)},
        {day: k for k, day in enumerate(days)},
        max((one.entities for one in stretches), default=1) or 1,
    )
    with style():
        figure = new_figure(1.5 + 0.3 * max(len(shown), 3))
        axes = figure.add_subplot()
        _draw_passages(axes, facts, stretches, lanes)
        _draw_stretches(axes, stretches, lanes)
        _draw_events(axes, facts, stretches, lanes)
        _frame(axes, days, lanes)
        axes.set_title(_title(len(shown), facts.identities, len(days)))
        figure.legend(
            handles=_legend(), loc="outside lower left", ncols=5, handletextpad=0.2, columnspacing=1.2
        )
        return finish(figure, "flow", "What became of the clusters", _alt(facts, shown))


def _choose(stretches: tuple[Stretch, ...]) -> tuple[str, ...]:
    """Identities with the most entities over the days, in the order of their first day."""
    entities: defaultdict[str, int] = defaultdict(int)
    first: dict[str, dt.date] = {}
    for one in sorted(stretches, key=lambda one: one.day):
        entities[one.identity] += one.entities
        first.setdefault(one.identity, one.day)
    largest = sorted(entities, key=lambda name: (-entities[name], name))[:LANES]
    return tuple(sorted(largest, key=lambda name: (first[name], -entities[name], name)))


def _draw_stretches(axes: Axes, stretches: list[Stretch], lanes: _Lanes) -> None:
    last = max(lanes.column, key=lambda day: lanes.column[day])
    bars = []
    for one in stretches:
        if one.day == last:
            place = (lanes.column[last] + _BAR + 0.12, lanes.lane[one.identity])
            axes.text(*place, f"{one.entities:,}", va="center", fontsize=8, color=INK)
        x, y, half = lanes.column[one.day], lanes.lane[one.identity], lanes.thickness(one.entities) / 2
        bars.append([(x - _BAR, y - half), (x + _BAR, y - half), (x + _BAR, y + half), (x - _BAR, y + half)])
    colours = [look_of(one.identity).colour for one in stretches]
    # Hundreds of patches take longer than all else, one collection of them next to nothing.
    axes.add_collection(PolyCollection(bars, facecolors=colours, linewidths=0, snap=True), autolim=False)


def _draw_passages(axes: Axes, facts: FlowFacts, stretches: list[Stretch], lanes: _Lanes) -> None:
    """Ribbons as thick as the shared part; those that change lanes lie above the others."""
    found = {(one.day, one.identity): one for one in stretches}
    drawn = []
    for passage in facts.passages:
        start = found.get((passage.start, passage.source))
        end = found.get((passage.day, passage.target))
        if start is not None and end is not None and passage.shared:
            drawn.append((start.identity != end.identity, start, end, passage))
    drawn.sort(key=lambda one: one[0])
    ribbons = [_ribbon(start, end, passage, lanes) for _, start, end, passage in drawn]
    colours = [
        to_rgba(look_of(start.identity).colour, 0.6 if is_change else 0.3) for is_change, start, _, _ in drawn
    ]
    axes.add_collection(PathCollection(ribbons, facecolors=colours, linewidths=0), autolim=False)


def _ribbon(start: Stretch, end: Stretch, passage: Passage, lanes: _Lanes) -> Path:
    left, right = lanes.column[start.day] + _BAR, lanes.column[end.day] - _BAR
    y0, y1 = lanes.lane[start.identity], lanes.lane[end.identity]
    h0 = lanes.thickness(start.entities) * min(passage.shared / max(start.entities, 1), 1.0) / 2
    h1 = lanes.thickness(end.entities) * min(passage.shared / max(end.entities, 1), 1.0) / 2
    h0, h1 = max(h0, 0.02), max(h1, 0.02)
    middle = (left + right) / 2
    return Path(
        [
            (left, y0 - h0),
            (middle, y0 - h0),
            (middle, y1 - h1),
            (right, y1 - h1),
            (right, y1 + h1),
            (middle, y1 + h1),
            (middle, y0 + h0),
            (left, y0 + h0),
            (left, y0 - h0),
        ],
        [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY],
    )


def _draw_events(axes: Axes, facts: FlowFacts, stretches: list[Stretch], lanes: _Lanes) -> None:
    for event, (mark, size) in _EVENTS.items():
        marked = [one for one in stretches if one.event == event]
        axes.plot(
            [lanes.column[one.day] - _BAR - 0.14 for one in marked],
            [lanes.lane[one.identity] for one in marked],
            **_mark(mark, size),
        )
    died = [(day, name) for day, name in facts.deaths if name in lanes.lane and day in lanes.column]
    axes.plot(
        [lanes.column[day] - 1 + _BAR + 0.16 for day, _ in died],
        [lanes.lane[name] for _, name in died],
        **_DIED,
    )


def _mark(mark: str, size: float) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": mark,
        "markersize": size,
        "markerfacecolor": "white",
        "markeredgecolor": INK,
        "markeredgewidth": 1.1,
    }


def _frame(axes: Axes, days: tuple[dt.date, ...], lanes: _Lanes) -> None:
    axes.set_ylim(max(len(lanes.lane), 1) - 0.4, -0.6)
    axes.set_xlim(-0.5, max(len(days), 2) - 0.1)
    axes.set_yticks(list(lanes.lane.values()), [printable(name, 18) for name in lanes.lane])
    axes.tick_params(axis="y", colors=INK)
    axes.set_xlabel("published day; thickness is the square root of entities")
    axes.set_xticks(range(len(days)), [_day_name(k, days) for k in range(len(days))])
    plain_axes(axes, grid="x")
    axes.spines["left"].set_visible(False)
    for k in range(1, len(days)):
        if (days[k] - days[k - 1]).days > 1:
            axes.axvline(k - 0.5, color=FAINT, linewidth=1.0, linestyle=(0, (1, 3)))
    if not lanes.lane:
        axes.text(0.5, 0.5, "no cluster on these days", transform=axes.transAxes, ha="center", color=FAINT)


def _day_name(k: int, days: tuple[dt.date, ...]) -> str:
    """The day of the month; the month too where it begins."""
    is_new = k == 0 or days[k].month != days[k - 1].month
    return f"{days[k].day}\n{days[k]:%b %Y}" if is_new else str(days[k].day)


def _title(shown: int, identities: int, days: int) -> str:
    which = f"The {shown} largest of {identities:,} clusters" if shown < identities else f"{shown} clusters"
    return f"{which} over {days} published day{'' if days == 1 else 's'}"


def _legend() -> list[Line2D]:
    marks = [Line2D([], [], label=name, **_mark(mark, size)) for name, (mark, size) in _EVENTS.items()]
    return [*marks, Line2D([], [], label="died", **_DIED)]


def _alt(facts: FlowFacts, shown: tuple[str, ...]) -> str:
    counts: defaultdict[str, int] = defaultdict(int)
    for one in facts.stretches:
        counts[one.event] += 1
    counts["died"] = len(facts.deaths)
    said = ", ".join(f"{count:,} {event}" for event, count in sorted(counts.items()) if count)
    return (
        f"Lanes of {len(shown)} of {facts.identities:,} clusters of {facts.title}, {len(facts.days)} days "
        f"up to {facts.days[-1]}; thickness is the square root of entities. Events: {said or 'none'}."
    )
