"""Picture `sizes`: the clusters of a day ranked by size, and what is in none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from cluster_assets.pictures.canvas import finish, new_figure, plain_axes, printable, style
from cluster_assets.pictures.palette import FAINT, INK, NOISE, OTHERS, PAPER, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.facts import DayFacts

SHOWN = 12
_LEAST_ROWS = 3


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    entities: int
    colour: str


def draw_sizes(facts: DayFacts) -> Picture:
    """One bar a cluster for the largest, one for all others, one for noise."""
    bars = _bars(facts)
    with style():
        figure = new_figure(1.0 + 0.24 * max(len(bars), _LEAST_ROWS))
        axes = figure.add_subplot()
        _draw(axes, bars, facts)
        axes.set_title(_title(facts))
        return finish(figure, "sizes", "Clusters by size", _alt(facts, bars))


def _bars(facts: DayFacts) -> list[_Bar]:
    shown = facts.clusters[:SHOWN]
    bars = [_Bar(printable(one.identity), one.entities, look_of(one.identity).colour) for one in shown]
    others = facts.cluster_count - len(shown)
    if others:
        rest = facts.entities - facts.noise - sum(one.entities for one in shown)
        bars.append(_Bar(f"{others:,} others" if others > 1 else "1 other", rest, OTHERS))
    if facts.noise:
        bars.append(_Bar("noise", facts.noise, NOISE))
    return bars


def _draw(axes: Axes, bars: list[_Bar], facts: DayFacts) -> None:
    if not bars:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no entity on this day", ha="center", va="center", color=FAINT, fontsize=11)
        return
    places = range(len(bars))
    end = _longest(bars)
    axes.barh(
        places, [min(bar.entities, end) for bar in bars], color=[bar.colour for bar in bars], height=0.72
    )
    for place, bar in zip(places, bars, strict=True):
        share = bar.entities / facts.entities if facts.entities else 0.0
        is_cut = bar.entities > end
        axes.text(
            min(bar.entities, end) + end * 0.012,
            place,
            f"{bar.entities:,}  ({share:.1%})",
            va="center",
            color=INK,
            fontsize=8,
        )
        if is_cut:
            axes.text(end * 0.96, place, "//", va="center", ha="center", color=PAPER, weight="bold")
    axes.set_yticks(places, [bar.name for bar in bars])
    axes.tick_params(axis="y", colors=INK)
    axes.set_ylim(max(len(bars), _LEAST_ROWS) - 0.4, -0.6)
    axes.set_xlim(0, end * 1.24)
    axes.set_xlabel("entities (share of the day)")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    plain_axes(axes, grid="x")


def _longest(bars: list[_Bar]) -> int:
    """Where bars end: what is left over, others and noise, may be cut so that the clusters stay readable."""
    clusters = [bar.entities for bar in bars if bar.colour not in (OTHERS, NOISE)]
    everything = max(bar.entities for bar in bars)
    return min(everything, max(clusters) * 2) if clusters else everything


def _title(facts: DayFacts) -> str:
    clusters = f"{facts.cluster_count:,} cluster{'' if facts.cluster_count == 1 else 's'}"
    return f"{clusters} of {facts.entities:,} entities"


def _alt(facts: DayFacts, bars: list[_Bar]) -> str:
    said = "; ".join(f"{bar.name} {bar.entities:,}" for bar in bars)
    return f"Bar chart of {facts.title}: {_title(facts)}. Entities: {said or 'none'}."
