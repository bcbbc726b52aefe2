"""Picture `dendrogram`: how the points of a sample merge into clusters, and where the threshold cuts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.facts import MIXED
from cluster_assets.stages.report.pictures.legend import draw_in_colours, mark_clusters
from cluster_assets.stages.report.pictures.structure.distances import distance_axis, draw_distances_upwards
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import DayFacts, Sampled
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.scales import LogScale, Scale
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _LEFT, _HEIGHT = 26.0, 46.0, 200.0
_BOTTOM = _TOP + _HEIGHT
_RIGHT = WIDTH - 8
_LINE = 1.1
_Place = tuple[float, float, int]


def draw_dendrogram(facts: DayFacts, sample: Sampled, looks: Mapping[str, Look]) -> Picture:
    """Draw each merge as a bracket at its height; a branch within one cluster has the cluster's colour."""
    drawing = Drawing()
    drawing.text(0, 10, f"Hierarchy of {sample.described}", "ink bold")
    if not sample.merges:
        drawing.text(WIDTH / 2, _TOP + 20, "nothing to merge on this day", "faint", anchor="middle")
        return drawing.finish("dendrogram", "How points merge", _alt(facts, sample), _TOP + 40)
    upwards = distance_axis(sample, _BOTTOM, _TOP)
    draw_distances_upwards(drawing, upwards, (_LEFT, _RIGHT), sample.distance)
    paths = {cluster: "".join(data) for cluster, data in _brackets(sample, upwards).items()}
    draw_in_colours(drawing, facts.clusters, paths, looks, _LINE)
    if sample.threshold:
        y = upwards(sample.threshold)
        drawing.line((_LEFT, y), (_RIGHT, y), "loss", 'stroke-dasharray="5 3"')
        text = f"threshold {sample.threshold:g}"
        drawing.text(_RIGHT, y - 7, text, "loss halo", anchor="end", size=SMALL)
    bottom = mark_clusters(drawing, facts.clusters, _middles(sample, upwards), looks, _BOTTOM + 26)
    return drawing.finish("dendrogram", "How points merge", _alt(facts, sample), bottom)


def _brackets(sample: Sampled, upwards: Scale | LogScale) -> Mapping[int, list[str]]:
    """Return the paths of the merges by cluster."""
    places = _leaves(sample, upwards)
    drawn: defaultdict[int, list[str]] = defaultdict(list)
    for number, merge in enumerate(sample.merges, len(sample.clusters)):
        sides = sorted((places[merge.left], places[merge.right]))
        (x0, y0, one), (x1, y1, other) = sides
        y = upwards(merge.height)
        cluster = one if one == other else MIXED
        places[number] = ((x0 + x1) / 2, y, cluster)
        if cluster == MIXED:
            # The stems below belong to the branches they lead to.
            drawn[one].append(f"M{x0:.1f} {y0:.1f}V{y:.1f}")
            drawn[other].append(f"M{x1:.1f} {y1:.1f}V{y:.1f}")
            drawn[MIXED].append(f"M{x0:.1f} {y:.1f}H{x1:.1f}")
        else:
            drawn[cluster].append(f"M{x0:.1f} {y0:.1f}V{y:.1f}H{x1:.1f}V{y1:.1f}")
    return drawn


def _leaves(sample: Sampled, upwards: Scale | LogScale) -> dict[int, _Place]:
    """Return place and cluster of each point, from left to right as the tree unfolds."""
    points = len(sample.clusters)
    below = {points + k: (merge.left, merge.right) for k, merge in enumerate(sample.merges)}
    merged = {node for pair in below.values() for node in pair}
    todo = [node for node in range(points + len(below)) if node not in merged]
    step = (_RIGHT - _LEFT) / points
    places: dict[int, _Place] = {}
    while todo:
        node = todo.pop()
        if node in below:
            todo += below[node]
        else:
            x = _LEFT + step * (len(places) + 0.5)
            places[node] = (x, upwards.start, sample.clusters[node])
    return places


def _middles(sample: Sampled, upwards: Scale | LogScale) -> Mapping[int, list[tuple[float, float]]]:
    """Return a place below the points of each cluster."""
    own: defaultdict[int, list[float]] = defaultdict(list)
    for x, _, cluster in _leaves(sample, upwards).values():
        own[cluster].append(x)
    return {cluster: [(sorted(xs)[len(xs) // 2], _BOTTOM + 8)] for cluster, xs in own.items()}


def _alt(facts: DayFacts, sample: Sampled) -> str:
    highest = f", the highest merge at {sample.merges[-1].height:.3g}" if sample.merges else ""
    return f"Dendrogram of {facts.title}: {sample.described}, {sample.distance}{highest}."
