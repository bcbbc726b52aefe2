"""Picture `map`: the points of a day in the plane, coloured by cluster."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.coast import land_path
from cluster_assets.stages.report.pictures.facts import NOISE
from cluster_assets.stages.report.pictures.legend import LINE, NAMED, draw_legend
from cluster_assets.stages.report.pictures.palette import DOT, NOISE_LOOK, OTHERS_LOOK
from cluster_assets.stages.report.pictures.scales import Scale, tick_texts, ticks
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing, printable, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from cluster_assets.stages.report.pictures.facts import DayFacts, PointCloud
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

    Matrix = npt.NDArray[np.float64]

_TOP, _LEFT = 26.0, 50.0
_PLOT = WIDTH - _LEFT - 6
_HEIGHT = 270.0
_RATIOS = (1.1, 2.2)  # of a map, width to height
# A frame that is so much larger than the clusters need is cut, and what lies beyond is drawn at its edge.
_CUT = 1.8


@dataclass(frozen=True, slots=True)
class _Frame:
    """The part of the plane that is shown.

    Attributes:
        low: Least of both axes.
        high: Largest of both axes.
        is_globe: Whether the axes are degrees.
        height: Of the plot.
    """

    low: Matrix
    high: Matrix
    is_globe: bool = False
    height: float = _HEIGHT


def draw_map(facts: DayFacts, cloud: PointCloud, looks: Mapping[str, Look]) -> Picture:
    """Draw each sampled point; its area grows with its entities, colour and mark identify the cluster."""
    named = {one.cluster: one for one in facts.clusters[:NAMED]}
    frame = _globe_frame(cloud.positions) if cloud.is_globe else _plain_frame(cloud)
    margin = 0.0 if cloud.is_globe else np.maximum((frame.high - frame.low) * 0.04, 1e-9)
    low, high = frame.low - margin, frame.high + margin
    across = Scale(float(low[0]), float(high[0]), _LEFT, _LEFT + _PLOT)
    upwards = Scale(float(low[1]), float(high[1]), _TOP + frame.height, _TOP)
    positions = np.clip(cloud.positions, frame.low, frame.high)
    places = np.array([(across(x), upwards(y)) for x, y in positions.tolist()]).reshape(-1, 2)
    shown = len(cloud.clusters)
    what = "All" if shown == cloud.total else f"{shown:,} of"
    beyond = int((positions != cloud.positions).any(axis=1).sum())
    off = f", {beyond:,} off the frame" if beyond else ""
    drawing = Drawing()
    drawing.text(0, 10, f"{what} {counted(cloud.total, 'point')}{off}", "ink bold")
    if cloud.is_globe and (land := land_path(across, upwards)):
        drawing.path(land, "land shape")
    _draw_axes(drawing, cloud, frame, (across, upwards))
    names = {cluster: printable(one.label, 24) for cluster, one in named.items()}
    drawn = {cluster: looks[one.identity] for cluster, one in named.items()}
    _draw_points(drawing, cloud, places, drawn, names)
    _draw_names(drawing, cloud, places, names, _TOP + frame.height)
    bottom = _TOP + frame.height + 42
    rows = [(drawn[cluster], f"{names[cluster]} ({one.entities:,})") for cluster, one in named.items()]
    if facts.cluster_count > len(named):
        rows.append((OTHERS_LOOK, counted(facts.cluster_count - len(named), "other")))
    if facts.noise:
        rows.append((NOISE_LOOK, f"noise ({facts.noise:,})"))
    bottom = draw_legend(drawing, rows, bottom)
    said = ", ".join(printable(one.label) for one in named.values()) or "no cluster"
    alt = (
        f"Map of {facts.title}: {what.lower()} {counted(cloud.total, 'distinct point')}, "
        f"{printable(cloud.axes[0], 80)} across and {printable(cloud.axes[1], 80)} upwards; coloured: {said}."
    )
    return drawing.finish(cloud.name, cloud.title, alt, bottom)


def _draw_points(
    drawing: Drawing, cloud: PointCloud, places: Matrix, looks: Mapping[int, Look], names: Mapping[int, str]
) -> None:
    """Draw noise in the background, then the others; of the named, the many points are below the few."""
    layers: defaultdict[Look, list[int]] = defaultdict(list)
    for index, cluster in enumerate(cloud.clusters.tolist()):
        layers[NOISE_LOOK if cluster == NOISE else looks.get(cluster, OTHERS_LOOK)].append(index)
    tips = {NOISE_LOOK: "noise", OTHERS_LOOK: "other clusters"}
    tips |= {look: names[cluster] for cluster, look in looks.items()}
    order = sorted(
        layers, key=lambda look: (look != NOISE_LOOK, look != OTHERS_LOOK, -len(layers[look]), look.colour)
    )
    for look in order:
        chosen = np.array(layers[look])
        radii = _radii(cloud.weights[chosen]) * (0.6 if look.mark == DOT else 1.0)
        marks = zip(places[chosen, 0].tolist(), places[chosen, 1].tolist(), radii.tolist(), strict=True)
        drawing.marks(look, marks, tips[look])


def _radii(weights: npt.NDArray[np.int64]) -> Matrix:
    """Return radii of marks; the area for a thousand entities is ten times that for one."""
    radii: Matrix = 2.8 * np.sqrt(1.0 + 3.0 * np.log10(np.maximum(weights, 1)))
    return radii


def _draw_names(
    drawing: Drawing, cloud: PointCloud, places: Matrix, names: Mapping[int, str], bottom: float
) -> None:
    """Write the name of each cluster above or below its middle, further away if another name is there.

    A name without room is in the legend only.
    """
    taken: list[tuple[float, float, float]] = []
    for cluster, name in names.items():
        own = places[cloud.clusters == cluster]
        if not len(own):
            continue
        half = text_width(name, SMALL) / 2
        # At a point of the cluster: the middle of one in several parts may be another cluster's.
        x, y = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()].tolist()
        x = min(max(x, _LEFT + half), WIDTH - half)
        for place in (y - LINE, y + LINE, y - 2 * LINE, y + 2 * LINE):
            is_free = not any(
                abs(place - up) < LINE and abs(x - left) < half + width for left, up, width in taken
            )
            if is_free and _TOP + 4 < place < bottom - 4:
                taken.append((x, place, half))
                drawing.text(x, place, name, "ink halo", anchor="middle", size=SMALL)
                break


def _draw_axes(drawing: Drawing, cloud: PointCloud, frame: _Frame, scales: tuple[Scale, Scale]) -> None:
    across, upwards = scales
    bottom = _TOP + frame.height
    horizontal = ticks(across.low, across.high, 5) if cloud.has_scale else ()
    vertical = ticks(upwards.low, upwards.high, 6) if cloud.has_scale else ()
    for value, text in zip(horizontal, _texts(horizontal, "EW" if frame.is_globe else ""), strict=True):
        x = across(value)
        drawing.line((x, _TOP), (x, bottom), "line")
        drawing.text(x, bottom + 13, text, "faint", anchor="middle", size=SMALL)
    for value, text in zip(vertical, _texts(vertical, "NS" if frame.is_globe else ""), strict=True):
        y = upwards(value)
        drawing.line((_LEFT, y), (WIDTH - 6, y), "line")
        drawing.text(_LEFT - 4, y, text, "faint", anchor="end", size=min(SMALL, 80 / max(len(text), 1)))
    middle = _TOP + frame.height / 2
    drawing.text(
        _LEFT + _PLOT / 2, bottom + 26, printable(cloud.axes[0], 64), "faint", anchor="middle", size=SMALL
    )
    turn = f'transform="rotate(-90 7 {middle:.1f})"'
    title = printable(cloud.axes[1], 50)
    drawing.text(7, middle, title, "faint", anchor="middle", size=SMALL, more=turn)
    if len(cloud.positions) == 0:
        drawing.text(_LEFT + _PLOT / 2, middle, "no point on this day", "faint", anchor="middle")


def _texts(values: tuple[float, ...], sides: str) -> tuple[str, ...]:
    if not sides or not values:
        return tick_texts(values) if values else ()
    plain = tick_texts(tuple(abs(value) for value in values))
    return tuple(
        f"{text}°{'' if value == 0 else sides[value < 0]}" for value, text in zip(values, plain, strict=True)
    )


def _plain_frame(cloud: PointCloud) -> _Frame:
    """Return a frame of all points; if a few far ones would shrink the clusters to dots, of the clusters."""
    if len(cloud.positions) == 0:
        return _Frame(np.zeros(2), np.ones(2))
    low, high = cloud.positions.min(axis=0), cloud.positions.max(axis=0)
    inside = cloud.positions[cloud.clusters != NOISE]
    if len(inside):
        near, far = np.quantile(inside, (0.01, 0.99), axis=0)
        margin = np.where(far > near, (far - near) * 0.3, (high - low) * 0.02)
        near, far = np.maximum(near - margin, low), np.minimum(far + margin, high)
        is_cut = (high - low) > _CUT * (far - near)
        low, high = np.where(is_cut, near, low), np.where(is_cut, far, high)
    return _Frame(low, high)


def _globe_frame(positions: Matrix) -> _Frame:
    """Return a frame with a degree of longitude as wide as it is at the middle of the picture."""
    if len(positions) == 0:
        positions = np.array([[-180.0, -60.0], [180.0, 75.0]])
    low, high = positions.min(axis=0), positions.max(axis=0)
    centre, half = (low + high) / 2, np.maximum((high - low) * 0.56, 0.25)
    squeeze = float(np.cos(np.radians(np.clip(centre[1], -75.0, 75.0))))
    width = max(half[0], half[1] * _RATIOS[0] / squeeze)
    height = max(half[1], half[0] * squeeze / _RATIOS[1])
    west, east = _within(centre[0], width, 180.0)
    south, north = _within(centre[1], height, 90.0)
    ratio = (east - west) * squeeze / (north - south)
    units = _PLOT / max(ratio, _RATIOS[0])
    return _Frame(np.array([west, south]), np.array([east, north]), True, units)


def _within(centre: float, half: float, limit: float) -> tuple[float, float]:
    """Return an interval around a centre, moved so that it does not pass the ends of the scale."""
    half = min(half, limit)
    centre = min(max(centre, half - limit), limit - half)
    return centre - half, centre + half
