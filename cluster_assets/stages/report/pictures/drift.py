"""Picture `drift`: the values whose shares moved most against the days before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.scales import Scale
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, printable, text_width

if TYPE_CHECKING:
    from cluster_assets.stages.report.pictures.facts import DriftFacts
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _ROW, _BAR = 44.0, 24.0, 8.0


def draw_drift(facts: DriftFacts) -> Picture:
    """Draw two bars for each value: its share today, and its mean share on the days before."""
    drawing = Drawing()
    drawing.text(0, 10, f"{printable(facts.feature, 30)}: share of values, in %", "ink bold")
    labels = [printable(move.label, 26) for move in facts.moves]
    texts = [f"{move.before:.1%} → {move.today:.1%}" for move in facts.moves]
    left = max((text_width(label) for label in labels), default=0.0) + 8
    right = WIDTH - 6 - max((text_width(text, SMALL) for text in texts), default=0.0)
    largest = max((max(move.before, move.today) for move in facts.moves), default=1.0)
    length = Scale(0.0, largest, 0.0, max(right - left - 4, 40.0))
    _draw_legend(drawing, counted(facts.days, "day"))
    for place, (move, label, text) in enumerate(zip(facts.moves, labels, texts, strict=True)):
        middle = _TOP + _ROW * (place + 0.5)
        drawing.text(left - 6, middle, label, anchor="end")
        tip = f"{printable(move.label, 80)}: {text}"
        for style, share, top in (
            ("others", move.before, middle - _BAR - 0.5),
            ("blue", move.today, middle + 0.5),
        ):
            drawing.rect((left, top), (max(length(share), 0.8), _BAR), style, tip)
        end = left + length(max(move.before, move.today)) + 4
        drawing.text(end, middle, text, size=SMALL)
    return drawing.finish("drift", "Values that drifted", _alt(facts), _TOP + _ROW * max(len(labels), 1) + 4)


def _draw_legend(drawing: Drawing, days: str) -> None:
    x = 0.0
    for style, text in (("others", f"mean of {days} before"), ("blue", "today")):
        drawing.rect((x, 23), (10, _BAR), style)
        drawing.text(x + 14, 27, text, size=SMALL)
        x += 30 + text_width(text, SMALL)


def _alt(facts: DriftFacts) -> str:
    said = ", ".join(
        f"{printable(move.label)} from {move.before:.1%} to {move.today:.1%}" for move in facts.moves[:3]
    )
    return f"Shares of the values of {printable(facts.feature)} that moved most: {said}."
