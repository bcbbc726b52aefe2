"""The pictures of an exploration: lines over the thresholds, one for each `min_samples`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.palette import COLOURS
from cluster_assets.stages.report.pictures.scales import LogScale, Scale, tick_texts, ticks
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cluster_assets.operations.explore.findings import Findings, SettingFound
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _HEIGHT, _FOOT = 50.0, 170.0, 46.0
_TICKS, _ACROSS = 5, 6
_LOG_ABOVE = 3.0  # where the steps between thresholds grow by more than this, the axis is logarithmic
_ROUND_DOT = 'stroke-width="4.5" stroke-linecap="round"'


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: its name, its CSS class, and its points (distance, value), ascending."""

    name: str
    style: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart over distances.

    Attributes:
        name: Of the picture.
        title: Of the picture.
        alt: What the lines are, for those who do not see them.
        is_share: Whether values are shares, from 0 to 1; else they are counts.
        has_dots: Whether the points of the lines are marked.
    """

    name: str
    title: str
    alt: str
    is_share: bool
    has_dots: bool = True


def draw_all(findings: Findings) -> tuple[Picture, ...]:
    """Draw clusters, entities in clusters, the largest cluster, stability and the k-distance curve."""
    settings: tuple[tuple[Chart, Callable[[SettingFound], float | None]], ...] = (
        (Chart("clusters", "Clusters", "number of clusters", False), lambda one: float(one.clusters)),
        (
            Chart("inside", "Entities in clusters, %", "share of entities in clusters", True),
            lambda one: one.share(one.in_clusters),
        ),
        (
            Chart("largest", "Entities in the largest cluster, %", "share of the largest cluster", True),
            lambda one: one.share(one.largest),
        ),
        (
            Chart("stability", "Agreement with the next smaller threshold", "adjusted Rand index", True),
            lambda one: one.agreement_threshold,
        ),
        (
            Chart("days", "Agreement with the day before", "adjusted Rand index between days", True),
            lambda one: one.agreement_days,
        ),
        (
            Chart("silhouette", "Silhouette of a sample", "mean silhouette of a sample of points", True),
            lambda one: one.silhouette,
        ),
    )
    found = [(chart, _lines(findings, value)) for chart, value in settings]
    drawn = [_draw(findings, chart, lines) for chart, lines in found if any(line.points for line in lines)]
    return (*drawn, _draw_curve(findings))


def _lines(findings: Findings, value: Callable[[SettingFound], float | None]) -> tuple[Line, ...]:
    return tuple(
        Line(
            _name(findings, samples),
            f"k{number % len(COLOURS)}",
            tuple(
                (one.threshold, float(found))
                for one in findings.settings
                if one.min_samples == samples and (found := value(one)) is not None
            ),
        )
        for number, samples in enumerate(findings.grid.min_samples)
    )


def _name(findings: Findings, samples: int) -> str:
    return f"min_samples {samples}" if findings.grid.has_min_samples else "all entities"


def _draw_curve(findings: Findings) -> Picture:
    day = findings.days[-1]
    lines = tuple(
        Line(f"k = {samples}", f"k{number % len(COLOURS)}", tuple(zip(day.curve, shares, strict=True)))
        for number, (samples, shares) in enumerate(day.curves)
    )
    title = f"k-distances of {day.day}: entities with k entities within a distance, %"
    return _draw(findings, Chart("k-distance", title, "share of core entities", True, False), lines)


def _draw(findings: Findings, chart: Chart, lines: Sequence[Line]) -> Picture:
    drawing = Drawing()
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    factor = 100.0 if chart.is_share and "%" in chart.title else 1.0
    high = 1.0 if chart.is_share else max(*ys, 1.0)
    low = min(0.0, *ys)
    marked = ticks(low * factor, high * factor, _TICKS, whole=not chart.is_share)
    labels = tick_texts(marked)
    left = max(text_width(text, SMALL) for text in labels) + 8
    upwards = Scale(low, high, _TOP + _HEIGHT, _TOP)
    across = _across(sorted(set(xs)), (left, WIDTH - 12))
    for value, text in zip(marked, labels, strict=True):
        y = upwards(value / factor)
        drawing.line((left, y), (WIDTH - 12, y), "line")
        drawing.text(left - 5, y, text, "faint", anchor="end", size=SMALL)
    _mark_settings(drawing, findings, across)
    _name_distances(drawing, findings, across)
    for line in lines:
        _draw_line(drawing, chart, line, (across, upwards))
    _draw_legend(drawing, lines)
    return drawing.finish(chart.name, chart.title, _alt(findings, chart, lines), _TOP + _HEIGHT + _FOOT)


def _across(distances: Sequence[float], ends: tuple[float, float]) -> Scale | LogScale:
    steps = [after - before for before, after in pairwise(distances)]
    if steps and max(steps) > _LOG_ABOVE * min(steps):
        return LogScale(distances[0], distances[-1], *ends)
    return Scale(distances[0], distances[-1], *ends)


def _draw_line(drawing: Drawing, chart: Chart, line: Line, scales: tuple[Scale | LogScale, Scale]) -> None:
    across, upwards = scales
    places = [(across(x), upwards(y)) for x, y in line.points]
    if not places:
        return
    data = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    drawing.path(f"M{data}", f"{line.style} stroke", more='stroke-width="1.6" stroke-linejoin="round"')
    if not chart.has_dots:
        return
    for (x, y), (distance, value) in zip(places, line.points, strict=True):
        shown = f"{value:.3f}" if chart.is_share else f"{value:,.0f}"
        tip = f"{line.name}, threshold {distance:g}: {shown}"
        drawing.path(f"M{x:.1f} {y:.1f}h0", f"{line.style} stroke", tip, _ROUND_DOT)


def _mark_settings(drawing: Drawing, findings: Findings, across: Scale | LogScale) -> None:
    """Draw a line at the configured threshold and one at the suggested threshold."""
    configured, suggested = findings.configured[0], findings.suggestion.threshold
    same = configured == suggested
    marks = [(suggested, "suggested = configured" if same else "suggested", "loss")]
    if not same:
        marks.append((configured, "configured", "faint"))
    for threshold, text, style in marks:
        if not across.low <= threshold <= across.high:
            continue
        x = across(threshold)
        drawing.line((x, _TOP), (x, _TOP + _HEIGHT), style, 'stroke-dasharray="4 3"')
        half = text_width(text, SMALL) / 2
        middle = min(max(x, half), WIDTH - half)
        # Two near texts would overlap, so the configured one is below the axis.
        y = _TOP - 11 if style == "loss" else _TOP + _HEIGHT + 36
        drawing.text(middle, y, text, style, anchor="middle", size=SMALL)


def _name_distances(drawing: Drawing, findings: Findings, across: Scale | LogScale) -> None:
    values = (
        findings.grid.thresholds if isinstance(across, LogScale) else ticks(across.low, across.high, _ACROSS)
    )
    texts = [f"{value:,.6g}" for value in values]
    end = -WIDTH
    for value, text in zip(values, texts, strict=True):
        x, half = across(value), text_width(text, SMALL) / 2
        middle = min(max(x, half), WIDTH - half)
        if middle - half > end + 6:
            drawing.text(middle, _TOP + _HEIGHT + 14, text, "faint", anchor="middle", size=SMALL)
            end = middle + half
    drawing.text(WIDTH, _TOP + _HEIGHT + 36, findings.metric, "faint", anchor="end", size=SMALL)


def _draw_legend(drawing: Drawing, lines: Sequence[Line]) -> None:
    x = 0.0
    for line in lines:
        drawing.path(f"M{x + 3:.1f} 10h12", f"{line.style} stroke", more='stroke-width="3"')
        drawing.text(x + 19, 10, line.name, size=SMALL)
        x += 30 + text_width(line.name, SMALL)


def _alt(findings: Findings, chart: Chart, lines: Sequence[Line]) -> str:
    ends = "; ".join(
        f"{line.name}: {line.points[0][1]:.4g} at {line.points[0][0]:g}, {line.points[-1][1]:.4g} at "
        f"{line.points[-1][0]:g}"
        for line in lines
        if line.points
    )
    return f"Line chart of {findings.pipeline}, {chart.alt} by distance ({findings.metric}). {ends}."
