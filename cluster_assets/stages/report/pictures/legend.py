"""The legend of a picture: marks and names in two columns."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.palette import branch_style
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cluster_assets.stages.report.pictures.facts import ClusterFact
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Drawing

LINE = 13.0
"""Units between two lines of small text."""

NAMED = 9
"""Clusters in a legend at most."""

_RADIUS = 4.5


def draw_legend(drawing: Drawing, rows: Sequence[tuple[Look, str]], top: float) -> float:
    """Draw the legend in two columns; return where it ends."""
    for k, (look, text) in enumerate(rows):
        x, y = 6 + (k % 2) * WIDTH / 2, top + LINE * 1.2 * (k // 2)
        drawing.marks(look, [(x, y, _RADIUS)])
        drawing.text(x + 10, y, text, size=SMALL)
    return top + LINE * 1.2 * -(-len(rows) // 2)


def draw_in_colours(
    drawing: Drawing,
    clusters: Sequence[ClusterFact],
    paths: Mapping[int, str],
    looks: Mapping[str, Look],
    width: float,
) -> None:
    """Draw lines in the colours of their clusters, noise and others first.

    Args:
        drawing: The picture.
        clusters: Those of the day.
        paths: Data of a path by cluster, `NOISE` or `MIXED`.
        looks: Of the identities that have their own colour.
        width: Of the lines.
    """
    names = {one.cluster: one.identity for one in clusters}
    drawn: defaultdict[tuple[str, str], str] = defaultdict(str)
    for cluster, data in sorted(paths.items()):
        drawn[branch_style(cluster, names.get(cluster, ""), looks)] += data
    for (style, name), data in sorted(drawn.items(), key=lambda one: one[0][1] in looks):
        drawing.path(data, f"{style} stroke", printable(name), f'stroke-width="{width:.2f}"')


def mark_clusters(
    drawing: Drawing,
    clusters: Sequence[ClusterFact],
    places: Mapping[int, Iterable[tuple[float, float]]],
    looks: Mapping[str, Look],
    top: float,
) -> float:
    """Draw the marks of the largest clusters where they are, and a legend of them; return where it ends.

    Args:
        drawing: The picture.
        clusters: Those of the day, largest first.
        places: Where to mark each cluster that is in the picture.
        looks: Of the identities that have their own colour.
        top: Where the legend begins.
    """
    shown = [one for one in clusters if one.cluster in places and one.identity in looks][:NAMED]
    for one in shown:
        marks = [(x, y, _RADIUS) for x, y in places[one.cluster]]
        drawing.marks(looks[one.identity], marks, printable(one.identity))
    rows = [(looks[one.identity], f"{printable(one.identity, 20)} ({one.entities:,})") for one in shown]
    return draw_legend(drawing, rows, top)
