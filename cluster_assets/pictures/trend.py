"""Picture `trend`: entities, clusters and noise over the last published days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.dates import AutoDateLocator, date2num, num2date
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from cluster_assets.pictures.canvas import finish, new_figure, plain_axes, style
from cluster_assets.pictures.palette import BLUE, COLOURS, INK, LOSS, NOISE, blend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.facts import DayNumbers

SHOWN = 30
_GREEN = COLOURS[2]


def draw_trend(title: str, days: tuple[DayNumbers, ...]) -> Picture:
    """Three plots over one axis of days; the last day's values stand beside its dots, missing days are gaps.

    Args:
        title: What the days are of.
        days: Ascending, the last one is the day of the picture; the last 30 are drawn.
    """
    days = days[-SHOWN:]
    with style():
        figure = new_figure(4.3)
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1.5, 1, 1))
        _draw_entities(top, days)
        _draw_line(middle, days, [one.clusters for one in days], _GREEN)
        middle.set_title("clusters", color=_GREEN, fontsize=8.5)
        middle.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        shares = [one.noise / one.entities if one.entities else 0.0 for one in days]
        _draw_line(bottom, days, shares, LOSS)
        bottom.set_title("noise, share of entities", color=LOSS, fontsize=8.5)
        bottom.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        bottom.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes, values in (
            (middle, [f"{one.clusters:,}" for one in days]),
            (bottom, [f"{s:.1%}" for s in shares]),
        ):
            _say_last(axes, values)
        _frame_days(bottom, days)
        figure.suptitle(
            f"{title}, {_count(days)} to {days[-1].day}", x=0.01, ha="left", fontsize=10.5, weight="bold"
        )
        return finish(
            figure,
            "trend",
            "Day by day",
            _alt(title, days),
        )


def _count(days: tuple[DayNumbers, ...]) -> str:
    return f"{len(days)} published day{'' if len(days) == 1 else 's'}"


def _draw_entities(axes: Axes, days: tuple[DayNumbers, ...]) -> None:
    places = [date2num(one.day) for one in days]
    inside = np.array([one.entities - one.noise for one in days])
    noise = np.array([one.noise for one in days])
    # The day of the picture in full colour, those before it lighter.
    strengths = [0.6] * (len(days) - 1) + [1.0]
    axes.bar(places, inside, width=0.8, color=[blend(BLUE, strength) for strength in strengths])
    axes.bar(
        places, noise, width=0.8, bottom=inside, color=[blend(NOISE, strength) for strength in strengths]
    )
    axes.set_title("entities a day: in clusters (blue) and noise (grey)", color=INK, fontsize=8.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    plain_axes(axes, grid="y")


def _draw_line(
    axes: Axes, days: tuple[DayNumbers, ...], values: list[int] | list[float], colour: str
) -> None:
    """A line that breaks where a day is missing."""
    dates: list[float] = []
    heights: list[float] = []
    for k, (one, value) in enumerate(zip(days, values, strict=True)):
        if k and one.day - days[k - 1].day > dt.timedelta(days=1):
            dates.append(date2num(one.day) - 0.5)
            heights.append(np.nan)
        dates.append(date2num(one.day))
        heights.append(value)
    axes.plot(dates, heights, color=colour, linewidth=1.4, marker="o", markersize=2.8, clip_on=False)
    axes.plot(dates[-1:], heights[-1:], color=colour, marker="o", markersize=5.5, clip_on=False)
    axes.set_ylim(0, max(max(values, default=0) * 1.15, 0.01))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    plain_axes(axes, grid="y")


def _say_last(axes: Axes, values: list[str]) -> None:
    line = axes.lines[-1]
    axes.annotate(
        values[-1],
        (float(line.get_xdata()[-1]), float(line.get_ydata()[-1])),  # type: ignore[index,arg-type]
        textcoords="offset points",
        xytext=(7, 2),
        va="center",
        color=str(line.get_color()),
        fontsize=8.5,
        fontweight="bold",
        annotation_clip=False,
    )


def _frame_days(axes: Axes, days: tuple[DayNumbers, ...]) -> None:
    first, last = date2num(days[0].day), date2num(days[-1].day)
    # Never narrower than a week, so that the bars of the first days are no walls.
    axes.set_xlim(min(first, last - 6) - 0.6, last + 0.6 + max(last - first, 6) * 0.06)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: _day_name(place) if place <= last else ""))


def _day_name(place: float) -> str:
    moment = num2date(place)
    return f"{moment.day} {moment:%b}"


def _alt(title: str, days: tuple[DayNumbers, ...]) -> str:
    last = days[-1]
    clusters = [one.clusters for one in days]
    return (
        f"Three charts of {title} over {len(days)} published days up to {last.day}: "
        f"entities (last {last.entities:,}), clusters (last {last.clusters:,}, "
        f"between {min(clusters):,} and {max(clusters):,}), "
        f"noise (last {last.noise:,} entities)."
    )
