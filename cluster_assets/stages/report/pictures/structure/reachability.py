"""Picture `reachability`: the plot of OPTICS, whose valleys are clusters."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.legend import draw_in_colours, mark_clusters
from cluster_assets.stages.report.pictures.scales import Scale
from cluster_assets.stages.report.pictures.structure.distances import draw_distances_upwards
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import DayFacts, ReachabilityPlot, Sampled
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _LEFT, _HEIGHT = 26.0, 50.0, 150.0
_BOTTOM = _TOP + _HEIGHT
_RIGHT = WIDTH - 8
_LOWEST = 1.0  # units of a bar, so that a reachability of 0 is seen
_TITLE = "Reachability, in the order of OPTICS"


def draw_reachability(
    facts: DayFacts, plot: ReachabilityPlot, sample: Sampled, looks: Mapping[str, Look]
) -> Picture:
    """Draw a bar for each step; where a run starts, its height is the frame's.

    Args:
        facts: The clusters of the day.
        plot: The steps.
        sample: Says how many points the day has, and the name of the distance.
        looks: Of the clusters in the pictures.
    """
    drawing = Drawing()
    count = len(plot.steps)
    what = "All" if sample.total <= count else "A sample of"
    drawing.text(0, 10, f"{what} {counted(count, 'step')} of {counted(sample.total, 'point')}", "ink bold")
    reached = [value for value, _ in plot.steps if value is not None]
    runs = count - len(reached)
    alt = (
        f"Reachability plot of {facts.title}: {counted(count, 'step')}, {counted(runs, 'run')}, "
        f"{sample.distance} up to {max(reached, default=0.0):.3g}."
    )
    if not count:
        drawing.text(WIDTH / 2, _TOP + 20, "no point on this day", "faint", anchor="middle")
        return drawing.finish("reachability", _TITLE, alt, _TOP + 40)
    upwards = Scale(0.0, max(reached, default=0.0) * 1.05 or 1.0, _BOTTOM, _TOP)
    draw_distances_upwards(drawing, upwards, (_LEFT, _RIGHT), sample.distance)
    step = (_RIGHT - _LEFT) / count
    bars: defaultdict[int, str] = defaultdict(str)
    for place, (value, cluster) in enumerate(plot.steps):
        top = _TOP if value is None else min(upwards(value), _BOTTOM - _LOWEST)
        bars[cluster] += f"M{_LEFT + step * (place + 0.5):.1f} {_BOTTOM:g}V{top:.1f}"
    draw_in_colours(drawing, facts.clusters, bars, looks, max(step * 1.05, 0.4))
    text = "valleys are clusters; a bar as high as the frame starts a run"
    drawing.text(WIDTH / 2, _BOTTOM + 22, text, "faint", anchor="middle", size=SMALL)
    own = {cluster: [k for k, (_, other) in enumerate(plot.steps) if other == cluster] for cluster in bars}
    middles = {
        cluster: [(_LEFT + step * (places[len(places) // 2] + 0.5), _BOTTOM + 8)]
        for cluster, places in own.items()
    }
    bottom = mark_clusters(drawing, facts.clusters, middles, looks, _BOTTOM + 42)
    return drawing.finish("reachability", _TITLE, alt, bottom)
