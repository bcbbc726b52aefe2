"""Picture `distances`: how far the points of a sample are from each other, and where the threshold is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.scales import LogScale, Scale, tick_texts, ticks
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, text_width

if TYPE_CHECKING:
    from cluster_assets.stages.report.pictures.facts import Sampled
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _LEFT, _HEIGHT = 40.0, 46.0, 130.0
_BOTTOM = _TOP + _HEIGHT
_RIGHT = WIDTH - 8
_LONG = 1e8  # longer numbers have an exponent
_HALF_A_PAIR = 0.5  # where the axis of pairs begins, so that a single pair has a bar


def draw_distances(sample: Sampled) -> Picture:
    """Draw a histogram with a logarithmic axis of pairs; pairs within the threshold have their own colour."""
    bins = sample.histogram
    drawing = Drawing()
    pairs = sum(one.pairs for one in bins)
    drawing.text(0, 10, f"{counted(pairs, 'pair')} of {sample.described}", "ink bold")
    if not pairs:
        drawing.text(WIDTH / 2, _TOP + 20, "fewer than two points on this day", "faint", anchor="middle")
        return drawing.finish("distances", "How far apart points are", _alt(sample, pairs), _BOTTOM / 2)
    across = distance_axis(sample, _LEFT, _RIGHT)
    upwards = LogScale(_HALF_A_PAIR, max(one.pairs for one in bins), _BOTTOM, _TOP)
    for value in upwards.ticks:
        drawing.line((_LEFT, upwards(value)), (_RIGHT, upwards(value)), "line")
        drawing.text(_LEFT - 5, upwards(value), f"{value:,.0f}", "faint", anchor="end", size=SMALL)
    for one in bins:
        if one.pairs:
            left, right = across(one.low), across(one.high)
            is_near = one.high <= sample.threshold * (1 + 1e-9)
            tip = f"{one.low:.3g} to {one.high:.3g}: {counted(one.pairs, 'pair')}"
            size = (max(right - left - 0.6, 0.6), _BOTTOM - upwards(one.pairs))
            drawing.rect((left + 0.3, upwards(one.pairs)), size, "blue" if is_near else "others", tip)
    _draw_threshold(drawing, sample, across, pairs)
    name_distances(drawing, across, _BOTTOM + 13)
    drawing.text((_LEFT + _RIGHT) / 2, _BOTTOM + 28, sample.distance, "faint", anchor="middle", size=SMALL)
    middle = (_TOP + _BOTTOM) / 2
    turn = f'transform="rotate(-90 7 {middle:.1f})"'
    drawing.text(7, middle, "pairs", "faint", anchor="middle", size=SMALL, more=turn)
    return drawing.finish("distances", "How far apart points are", _alt(sample, pairs), _BOTTOM + 36)


def distance_axis(sample: Sampled, start: float, end: float) -> Scale | LogScale:
    """Return the axis of the histogram: logarithmic if its bins are."""
    low, high = sample.histogram[0].low, sample.histogram[-1].high
    return LogScale(low, high, start, end) if low > 0.0 else Scale(0.0, high, start, end)


def distance_ticks(axis: Scale | LogScale) -> tuple[tuple[float, str], ...]:
    """Return values and texts of the ticks of an axis of distances."""
    if isinstance(axis, LogScale):
        return tuple((value, f"{value:,.0f}" if 1 <= value < _LONG else f"{value:g}") for value in axis.ticks)
    values = ticks(axis.low, axis.high, 6)
    return tuple(zip(values, tick_texts(values), strict=True))


def name_distances(drawing: Drawing, axis: Scale | LogScale, y: float) -> None:
    """Write the ticks below an axis that runs across."""
    for value, text in distance_ticks(axis):
        drawing.text(axis(value), y, text, "faint", anchor="middle", size=SMALL)


def draw_distances_upwards(
    drawing: Drawing, axis: Scale | LogScale, sides: tuple[float, float], title: str
) -> None:
    """Draw the grid and the title of an axis of distances that runs upwards.

    Args:
        drawing: The picture.
        axis: From the bottom to the top.
        sides: The left and the right end of the grid.
        title: Name of the distance.
    """
    left, right = sides
    for value, text in distance_ticks(axis):
        y = axis(value)
        drawing.line((left, y), (right, y), "line")
        drawing.text(left - 5, y, text, "faint", anchor="end", size=min(SMALL, 70 / max(len(text), 1)))
    middle = (axis.start + axis.end) / 2
    turn = f'transform="rotate(-90 7 {middle:.1f})"'
    drawing.text(7, middle, title, "faint", anchor="middle", size=SMALL, more=turn)


def _draw_threshold(drawing: Drawing, sample: Sampled, across: Scale | LogScale, pairs: int) -> None:
    if not sample.threshold:
        return
    near = sum(one.pairs for one in sample.histogram if one.high <= sample.threshold * (1 + 1e-9))
    text = f"threshold {sample.threshold:g}: {near / pairs:.2%} within"
    x, half = across(sample.threshold), text_width(text, SMALL) / 2
    drawing.line((x, _TOP - 6), (x, _BOTTOM), "loss", 'stroke-width="1.6"')
    place = min(max(x, half), WIDTH - half)
    drawing.text(place, _TOP - 13, text, "loss", anchor="middle", size=SMALL)


def _alt(sample: Sampled, pairs: int) -> str:
    near = sum(one.pairs for one in sample.histogram if one.high <= sample.threshold * (1 + 1e-9))
    within = f"; {near:,} within the threshold {sample.threshold:g}" if sample.threshold else ""
    return f"Histogram of the distances of {counted(pairs, 'pair')} of {sample.described}{within}."
