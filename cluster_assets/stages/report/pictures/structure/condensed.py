"""Picture `condensed`: HDBSCAN's condensed tree, from the largest distance down to dense clusters."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.legend import mark_clusters
from cluster_assets.stages.report.pictures.palette import branch_style
from cluster_assets.stages.report.pictures.scales import LogScale
from cluster_assets.stages.report.pictures.structure.distances import draw_distances_upwards
from cluster_assets.stages.report.pictures.svg import SMALL, WIDTH, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import Branch, CondensedTree, DayFacts
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

_TOP, _LEFT, _HEIGHT = 26.0, 62.0, 210.0
_BOTTOM = _TOP + _HEIGHT
_RIGHT = WIDTH - 8
_THINNEST = 0.8
_INSIDE = 8.0  # of a branch, from its top to its mark
_TITLE = "How clusters split"


def draw_condensed(facts: DayFacts, tree: CondensedTree, distance: str, looks: Mapping[str, Look]) -> Picture:
    """Draw each branch as wide as its entities; it narrows where entities leave, and ends where it splits.

    Args:
        facts: The clusters of the day.
        tree: Its largest branches.
        distance: Name of the distance.
        looks: Of the clusters in the pictures.
    """
    drawing = Drawing()
    shown = len(tree.branches)
    drawing.text(0, 10, f"Condensed tree: {counted(shown, 'branch')}", "ink bold")
    alt = f"Condensed tree of {facts.title}: {counted(shown, 'branch')} by {distance}."
    if not shown:
        drawing.text(WIDTH / 2, _TOP + 20, "nothing to split on this day", "faint", anchor="middle")
        return drawing.finish("condensed", _TITLE, alt, _TOP + 40)
    upwards = LogScale(tree.nearest, tree.farthest, _BOTTOM, _TOP)
    draw_distances_upwards(drawing, upwards, (_LEFT, _RIGHT), distance)
    names = {one.cluster: one.identity for one in facts.clusters}
    placed = _centres(tree)
    for branch, centre in placed:
        name = names.get(branch.cluster, "")
        style, what = branch_style(branch.cluster, name, looks)
        tip = f"{what}: {counted(branch.entities, 'entity')} at {branch.distance:.3g}"
        drawing.path(_outline(branch, centre, tree, upwards), f"{style} edge", tip)
    text = "by mutual reachability; width: entities, fewer where some leave the branch"
    drawing.text(WIDTH / 2, _BOTTOM + 14, text, "faint", anchor="middle", size=SMALL)
    tops = {branch.cluster: [(x, upwards(branch.distance) + _INSIDE)] for branch, x in reversed(placed)}
    bottom = mark_clusters(drawing, facts.clusters, tops, looks, _BOTTOM + 34)
    return drawing.finish("condensed", _TITLE, alt, bottom)


def _centres(tree: CondensedTree) -> list[tuple[Branch, float]]:
    """Return the branches from the root on, each with its middle; those of one parent lie side by side."""
    unit = _unit(tree)
    below: defaultdict[int, list[Branch]] = defaultdict(list)
    for branch in tree.branches:
        below[branch.parent].append(branch)
    root = tree.branches[0]
    placed = [(root, (_LEFT + _RIGHT) / 2)]
    for branch, centre in placed:  # grows while it is read
        parts = sorted(below[branch.number], key=lambda one: (-one.entities, one.number))
        x = centre - sum(one.entities for one in parts) * unit / 2
        for one in parts:
            placed.append((one, x + one.entities * unit / 2))
            x += one.entities * unit
    return placed


def _unit(tree: CondensedTree) -> float:
    return (_RIGHT - _LEFT) / max(tree.branches[0].entities, 1)


def _outline(branch: Branch, centre: float, tree: CondensedTree, upwards: LogScale) -> str:
    """Return the path around a branch: down its right side, up its left side."""
    unit, left = _unit(tree), branch.entities
    begin = upwards(branch.distance)
    right: list[tuple[float, float]] = [(_half(left, unit), begin)]
    for number, entities in branch.leavers:
        y = max(_TOP + _HEIGHT * (number + 1) / tree.bins, begin + _THINNEST)
        right.append((right[-1][0], y))
        left -= entities
        if left <= 0:
            break
        right.append((_half(left, unit), y))
    around = [(centre + half, y) for half, y in right] + [(centre - half, y) for half, y in reversed(right)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in around) + "z"


def _half(entities: int, unit: float) -> float:
    return max(entities * unit, _THINNEST) / 2
