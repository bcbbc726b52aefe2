"""Picture `trend`: entities, clusters and noise over the last published days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.scales import Scale, tick_texts, ticks
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.stages.report.pictures.facts import DayNumbers
    from cluster_assets.stages.report.pictures.svg import Picture

SHOWN = 30
_TOP, _GAP, _FOOT = 26.0, 32.0, 22.0
_HEIGHTS = (90.0, 60.0, 60.0)
_WIDEST_DAY = 100.0  # so that the bars of the first days are not walls
_TICKS = 5
_DAY_TEXT = 46.0  # room for the name of a day


@dataclass(frozen=True, slots=True)
class _Panel:
    """One of the plots: its days across and its values upwards."""

    drawing: Drawing
    days: tuple[DayNumbers, ...]
    across: Scale
    upwards: Scale

    def x(self, day: dt.date) -> float:
        return self.across(day.toordinal())


def draw_trend(title: str, days: tuple[DayNumbers, ...]) -> Picture:
    """Draw three plots over one axis of days, with labels for the last day and gaps for missing days.

    Args:
        title: What the days are of.
        days: Ascending, the last one is the day of the picture; the last 30 are drawn.
    """
    days = days[-SHOWN:]
    drawing = Drawing()
    drawing.text(0, 10, f"{title}, {counted(len(days), 'published day')} to {days[-1].day}", "ink bold")
    shares = [one.noise / one.entities if one.entities else 0.0 for one in days]
    rows: tuple[tuple[str, str, list[float], bool], ...] = (
        ("entities: in clusters (blue) and noise (grey)", "ink", [one.entities for one in days], True),
        ("clusters", "k2", [one.clusters for one in days], True),
        ("noise, % of entities", "loss", [share * 100 for share in shares], False),
    )
    labels = [tick_texts(_ticks(values, whole=whole)) for _, _, values, whole in rows]
    left = max(text_width(text, SMALL) for texts in labels for text in texts) + 8
    lasts = (f"{days[-1].entities:,}", f"{days[-1].clusters:,}", f"{shares[-1]:.1%}")
    across = _across(days, left, WIDTH - 10 - max(text_width(text) * 1.1 for text in lasts))
    top = _TOP
    for k, ((name, style, values, whole), height, last) in enumerate(zip(rows, _HEIGHTS, lasts, strict=True)):
        drawing.text(0, top + 4, name, style, size=SMALL)
        upwards = Scale(0.0, max(*values, 1.0 if whole else 0.01), top + 18 + height, top + 18)
        panel = _Panel(drawing, days, across, upwards)
        _draw_grid(panel, values, whole=whole)
        if k == 0:
            _draw_bars(panel)
        else:
            _draw_line(panel, values, style)
        drawing.text(
            panel.x(days[-1].day) + _bar_width(across) / 2 + 5, upwards(values[-1]), last, f"{style} bold"
        )
        top += height + _GAP
    bottom = top - _GAP + 18
    _name_days(drawing, days, across, bottom + 11)
    return drawing.finish("trend", "Day by day", _alt(title, days), bottom + _FOOT)


def _across(days: tuple[DayNumbers, ...], left: float, right: float) -> Scale:
    """Return the scale of the days: half a day before the first to half a day after the last."""
    first, last = days[0].day.toordinal() - 0.5, days[-1].day.toordinal() + 0.5
    return Scale(first, last, left, min(right, left + (last - first) * _WIDEST_DAY))


def _bar_width(across: Scale) -> float:
    return 0.8 * (across(across.low + 1) - across.start)


def _ticks(values: Sequence[float], *, whole: bool) -> tuple[float, ...]:
    return ticks(0.0, max(*values, 1.0 if whole else 0.01), _TICKS, whole=whole)


def _draw_grid(panel: _Panel, values: Sequence[float], *, whole: bool) -> None:
    marked = _ticks(values, whole=whole)
    for value, text in zip(marked, tick_texts(marked), strict=True):
        y = panel.upwards(value)
        panel.drawing.line((panel.across.start, y), (panel.across.end, y), "line")
        panel.drawing.text(panel.across.start - 5, y, text, "faint", anchor="end", size=SMALL)


def _draw_bars(panel: _Panel) -> None:
    width, zero = _bar_width(panel.across), panel.upwards(0)
    for one in panel.days:
        left, inside, whole = (
            panel.x(one.day) - width / 2,
            panel.upwards(one.entities - one.noise),
            panel.upwards(one.entities),
        )
        tip = f"{one.day}: {counted(one.entities, 'entity')}, {one.noise:,} noise"
        panel.drawing.rect((left, inside), (width, zero - inside), "blue", tip)
        panel.drawing.rect((left, whole), (width, inside - whole), "noise", tip)


def _draw_line(panel: _Panel, values: Sequence[float], style: str) -> None:
    """Draw a line that breaks where a day is missing, and a dot for each day."""
    data = ""
    for k, (one, value) in enumerate(zip(panel.days, values, strict=True)):
        is_next = k > 0 and one.day - panel.days[k - 1].day == dt.timedelta(days=1)
        data += f"{'L' if is_next else 'M'}{panel.x(one.day):.1f} {panel.upwards(value):.1f}"
    panel.drawing.path(data, f"{style} stroke", more='stroke-width="1.6"')
    # A line of no length with round ends is a dot.
    dots = "".join(
        f"M{panel.x(one.day):.1f} {panel.upwards(value):.1f}h0"
        for one, value in zip(panel.days, values, strict=True)
    )
    panel.drawing.path(dots, f"{style} stroke", more='stroke-width="5" stroke-linecap="round"')


def _name_days(drawing: Drawing, days: tuple[DayNumbers, ...], across: Scale, y: float) -> None:
    """Name the last day, and days before it at equal distances; none twice and none without data before."""
    last = days[-1].day
    span = (last - days[0].day).days
    room = across(across.low + 1) - across.start
    step = max(1, -(-int(_DAY_TEXT) // max(int(room), 1)))
    for back in range(0, span + 1, step):
        day = last - dt.timedelta(days=back)
        drawing.text(across(day.toordinal()), y, f"{day.day} {day:%b}", "faint", anchor="middle", size=SMALL)


def _alt(title: str, days: tuple[DayNumbers, ...]) -> str:
    last = days[-1]
    clusters = [one.clusters for one in days]
    return (
        f"Three charts of {title} over {counted(len(days), 'published day')} up to {last.day}: "
        f"entities (last {last.entities:,}), clusters (last {last.clusters:,}, "
        f"between {min(clusters):,} and {max(clusters):,}), "
        f"noise (last {counted(last.noise, 'entity')})."
    )
