"""Picture `map`: the points of a day in the plane, coloured by cluster."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cluster_assets.pictures.canvas import LARGE_BYTES, finish, new_figure, plain_axes, printable, style
from cluster_assets.pictures.facts import NOISE
from cluster_assets.pictures.palette import FAINT, OTHERS, PAPER, Look, look_of
from cluster_assets.pictures.palette import NOISE as NOISE_COLOUR

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.facts import DayFacts, PointCloud

    Matrix = npt.NDArray[np.float64]

NAMED = 9
_HEIGHT = 4.3
_PLOT_WIDTH = 4.5  # inches that legend and labels leave, about
_MARGINS = 0.8
_RATIOS = (1.1, 2.2)  # of a map, width to height
# A frame that is so much larger than the clusters need is cut, and what lies beyond is drawn at its edge.
_CUT = 1.8
_NOISE_LOOK, _OTHERS_LOOK = Look(NOISE_COLOUR, "."), Look(OTHERS, ".")
# Marks of one diameter look of different size; these look alike.
_AREA = {".": 0.9, "s": 0.8, "D": 0.7, "P": 1.1, "^": 1.05, "v": 1.05}


@dataclass(frozen=True, slots=True)
class _Frame:
    """What part of the plane is seen.

    Attributes:
        aspect: Length of a step upwards to one across, None where the axes have nothing in common.
        height: Of the picture, inches.
    """

    low: Matrix
    high: Matrix
    aspect: float | None = None
    height: float = _HEIGHT


def draw_map(facts: DayFacts, cloud: PointCloud) -> Picture:
    """Each sampled point at its place: its area grows with its entities, colour and mark tell the cluster."""
    named = facts.clusters[:NAMED]
    looks = {one.cluster: look_of(one.identity) for one in named}
    with style():
        frame = _globe_frame(cloud.positions) if cloud.is_globe else _plain_frame(cloud)
        figure = new_figure(frame.height)
        axes = figure.add_subplot()
        positions = np.clip(cloud.positions, frame.low, frame.high)
        _draw_points(axes, replace(cloud, positions=positions), looks)
        _draw_frame(axes, cloud, frame)
        handles = [_handle(looks[one.cluster], printable(one.identity, 20)) for one in named]
        if facts.cluster_count > len(named):
            handles.append(_handle(_OTHERS_LOOK, f"{facts.cluster_count - len(named):,} others"))
        if facts.noise:
            handles.append(_handle(_NOISE_LOOK, "noise"))
        figure.legend(handles=handles, loc="outside right upper", handletextpad=0.3, labelspacing=0.6)
        shown = len(cloud.clusters)
        what = "All" if shown == cloud.total else f"{shown:,} of"
        beyond = int((positions != cloud.positions).any(axis=1).sum())
        off = f", {beyond:,} off the frame" if beyond else ""
        axes.set_title(f"{what} {cloud.total:,} points{off}")
        names = ", ".join(printable(one.identity) for one in named) or "no cluster"
        alt = (
            f"Map of {facts.title}: {what.lower()} {cloud.total:,} distinct points, {cloud.axes[0]} across "
            f"and {cloud.axes[1]} upwards; coloured: {names}."
        )
        return finish(figure, "map", "Where the clusters lie", alt, most=LARGE_BYTES)


def _draw_points(axes: Axes, cloud: PointCloud, looks: dict[int, Look]) -> None:
    layers: defaultdict[Look, list[int]] = defaultdict(list)
    for index, cluster in enumerate(cloud.clusters.tolist()):
        layers[_NOISE_LOOK if cluster == NOISE else looks.get(cluster, _OTHERS_LOOK)].append(index)
    # Noise lies at the bottom, then the others; among the named the many points lie below the few.
    order = sorted(
        layers, key=lambda look: (look != _NOISE_LOOK, look != _OTHERS_LOOK, -len(layers[look]), look.colour)
    )
    for look in order:
        chosen = np.array(layers[look])
        is_named = look not in (_NOISE_LOOK, _OTHERS_LOOK)
        axes.scatter(
            cloud.positions[chosen, 0],
            cloud.positions[chosen, 1],
            s=_areas(cloud.weights[chosen]) * _AREA.get(look.mark, 1.0),
            c=look.colour,
            marker=look.mark,
            antialiased=False,  # half the bytes; the screen smoothes a picture that is sharper than it
            linewidths=0.5 if is_named else 0.0,
            edgecolors=PAPER if is_named else "none",
        )


def _areas(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Square points of a mark; one of a thousand entities is ten times as large as one of one."""
    areas: npt.NDArray[np.float64] = 16.0 * (1.0 + 3.0 * np.log10(np.maximum(weights, 1)))
    return areas


def _plain_frame(cloud: PointCloud) -> _Frame:
    """All points; but where a few would make the clusters dots, what holds nearly all of the clusters."""
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
    """A degree of longitude as wide as it is at the middle of the picture."""
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
    inches = _PLOT_WIDTH / max(ratio, _RATIOS[0]) + _MARGINS
    return _Frame(np.array([west, south]), np.array([east, north]), 1.0 / squeeze, inches)


def _within(centre: float, half: float, limit: float) -> tuple[float, float]:
    """An interval around a centre, moved so that it does not pass the ends of the scale."""
    half = min(half, limit)
    centre = min(max(centre, half - limit), limit - half)
    return centre - half, centre + half


def _draw_frame(axes: Axes, cloud: PointCloud, frame: _Frame) -> None:
    axes.set_xlabel(printable(cloud.axes[0], 64))
    axes.set_ylabel(printable(cloud.axes[1], 64))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    plain_axes(axes, grid="both")
    axes.spines[["left", "bottom"]].set_visible(False)
    margin = 0.0 if cloud.is_globe else np.maximum((frame.high - frame.low) * 0.04, 1e-9)
    (west, south), (east, north) = frame.low - margin, frame.high + margin
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    if frame.aspect is not None:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "EW")))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "NS")))
        axes.set_aspect(frame.aspect)
    if len(cloud.positions) == 0:
        axes.text(0.5, 0.5, "no point on this day", transform=axes.transAxes, ha="center", color=FAINT)


def _degrees(value: float, sides: str) -> str:
    side = "" if value == 0 else sides[0] if value > 0 else sides[1]
    return f"{abs(value):g}°{side}"


def _handle(look: Look, name: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker="o" if look.mark == "." else look.mark,
        markersize=4.5 if look.mark == "." else 6.5,
        markerfacecolor=look.colour,
        markeredgewidth=0.0,
        label=name,
    )
