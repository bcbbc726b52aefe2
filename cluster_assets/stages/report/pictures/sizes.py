"""Picture `sizes`: the clusters of a day ranked by size, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.palette import NOISE_LOOK, OTHERS_LOOK
from cluster_assets.stages.report.pictures.scales import Scale
from cluster_assets.stages.report.pictures.svg import TEXT, WIDTH, Drawing, printable, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import DayFacts
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

SHOWN = 12
_TOP = 26.0
_ROW = 19.0
_BAR = 13.0
_MARK = 12.0  # room of the mark before a name


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    entities: int
    look: Look
    value: str


def draw_sizes(facts: DayFacts, looks: Mapping[str, Look]) -> Picture:
    """Draw one bar for each of the largest clusters, one for all others and one for noise."""
    bars = _bars(facts, looks)
    drawing = Drawing()
    drawing.text(0, 10, _title(facts), "ink bold")
    if not bars:
        drawing.text(WIDTH / 2, _TOP + _ROW, "no entity on this day", "faint", anchor="middle")
    left = _MARK + max((text_width(bar.name) for bar in bars), default=0.0) + 6
    right = WIDTH - 6 - max((text_width(bar.value) for bar in bars), default=0.0)
    length = Scale(0.0, max((bar.entities for bar in bars), default=1), 0.0, max(right - left, 40.0))
    for place, bar in enumerate(bars):
        middle = _TOP + _ROW * (place + 0.5)
        drawing.marks(bar.look, [(5, middle, 4)])
        drawing.text(_MARK, middle, bar.name)
        size = (max(length(bar.entities), 1.0), _BAR)
        drawing.rect((left, middle - _BAR / 2), size, bar.look.colour, f"{bar.name}: {bar.value}")
        drawing.text(left + size[0] + 4, middle, bar.value)
    height = _TOP + _ROW * max(len(bars), 2) + TEXT / 2
    return drawing.finish("sizes", "Clusters by size", _alt(facts, bars), height)


def _bars(facts: DayFacts, looks: Mapping[str, Look]) -> list[_Bar]:
    def bar(name: str, entities: int, look: Look) -> _Bar:
        share = entities / facts.entities if facts.entities else 0.0
        return _Bar(name, entities, look, f"{entities:,} ({share:.1%})")

    shown = facts.clusters[:SHOWN]
    bars = [bar(printable(one.label, 30), one.entities, looks[one.identity]) for one in shown]
    others = facts.cluster_count - len(shown)
    if others:
        rest = facts.entities - facts.noise - sum(one.entities for one in shown)
        bars.append(bar(counted(others, "other"), rest, OTHERS_LOOK))
    if facts.noise:
        bars.append(bar("noise", facts.noise, NOISE_LOOK))
    return bars


def _title(facts: DayFacts) -> str:
    return f"{counted(facts.cluster_count, 'cluster')} of {counted(facts.entities, 'entity')}"


def _alt(facts: DayFacts, bars: list[_Bar]) -> str:
    said = "; ".join(f"{bar.name} {bar.entities:,}" for bar in bars)
    return f"Bar chart of {facts.title}: {_title(facts)}. Entities: {said or 'none'}."
