"""How the clusters of a day arise, from their table: a condensed tree or a reachability plot."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind, column
from cluster_assets.stages.report.pictures.facts import (
    MIXED,
    NOISE,
    Branch,
    CondensedTree,
    ReachabilityPlot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import sqlglot.expressions as exp

    from cluster_assets.stages.report.facts import ReportReader

    Row = Mapping[str, Any]

_BRANCHES = 150
_BINS = 60
_DECADES = 4  # of the axis at most
_STEPS = 800
"""Approximate number of steps of a reachability plot that are drawn."""


def condensed_tree(reader: ReportReader, points: int) -> CondensedTree:
    """Return the largest clusters of a condensed tree.

    Args:
        reader: Reads the table `condensed_tree` of the day.
        points: Points of the day; the root has this number.
    """
    statement = bind("report/branches.sql", values={"points": points, "most": _BRANCHES})
    rows = reader.fetch(statement, reader.tables("condensed_tree"))
    farthest = float(rows[0]["farthest"] or 0.0)
    if not farthest > 0.0:
        return CondensedTree((), 1.0, 1.0, _BINS)
    nearest = max(float(rows[0]["nearest"]), farthest / 10**_DECADES)
    nearest = min(nearest, farthest / 2)
    begun: dict[int, Row] = {int(row["child"]): row for row in rows if row["child"] is not None}
    root = {"parent": NOISE, "distance": farthest, "entities": rows[0]["day_entities"]}
    begun[points] = root
    left = _leavers(reader, tuple(begun), farthest, nearest)
    clusters = _clusters_of(begun, left)
    branches = (
        Branch(
            number=number,
            parent=int(row["parent"]),
            distance=float(row["distance"]),
            entities=int(row["entities"]),
            leavers=tuple((int(one["bin"]), int(one["entities"])) for one in left.get(number, ())),
            cluster=clusters[number],
        )
        for number, row in sorted(begun.items())
    )
    return CondensedTree(tuple(branches), farthest, nearest, _BINS)


def reachability_plot(reader: ReportReader, points: int) -> ReachabilityPlot:
    """Return a sample of a reachability plot.

    Args:
        reader: Reads the table `reachability` of the day.
        points: Points of the day.
    """
    statement = bind("report/steps.sql", values={"step": max(1, -(-points // _STEPS))})
    rows = reader.fetch(statement, reader.tables("reachability", "clusters"))
    steps = tuple(
        (None if row["reachability"] is None else float(row["reachability"]), int(row["cluster"]))
        for row in rows
    )
    return ReachabilityPlot(steps)


def _leavers(
    reader: ReportReader, shown: Sequence[int], farthest: float, nearest: float
) -> Mapping[int, Sequence[Row]]:
    is_shown: exp.Expr = column("parent").isin(*shown)
    statement = bind(
        "report/leavers.sql",
        values={"farthest": farthest, "scale": _BINS / math.log(farthest / nearest), "last": _BINS - 1},
        expressions={"is_shown": is_shown},
    )
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in reader.fetch(statement, reader.tables("condensed_tree", "clusters")):
        found[int(row["parent"])].append(row)
    return found


def _clusters_of(begun: Mapping[int, Row], left: Mapping[int, Sequence[Row]]) -> Mapping[int, int]:
    """Return the cluster of the day that each branch belongs to: noise, or mixed above several clusters."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for number in sorted(begun, reverse=True):  # a branch has a lower number than those it splits into
        found[number] |= {int(row["cluster"]) for row in left.get(number, ()) if row["cluster"] is not None}
        found[number] -= {NOISE}
        found[int(begun[number]["parent"])] |= found[number]
    return {number: MIXED if len(found[number]) > 1 else next(iter(found[number]), NOISE) for number in begun}
