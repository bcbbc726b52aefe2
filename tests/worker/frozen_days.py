"""Days that the worker clusters by HDBSCAN, and their indexes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from hdbscan_days import new_run
from serving_days import SmallDay
from written_columns import read_columns

from lambda_worker.clusterers.hdbscan.points import cluster_points
from lambda_worker.contract.hdbscan import HdbscanPointsEvent
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hdbscan_days import Points

    from lambda_worker.contract.serving import Space
    from lambda_worker.serving.index import DayIndex


@dataclass(frozen=True, slots=True)
class FrozenDay:
    """The published labels of a day, and what answers for it.

    Attributes:
        space: How items are compared.
        algorithm: Parameters.
        features: The distinct features of each point.
        weights: Entities of each point.
        clusters: Of each point.
        probability: Of each point.
        tree: The file of the condensed tree.
        more: Further fields of the event that builds the index.
    """

    space: Space
    algorithm: dict[str, Any]
    features: list[Any]
    weights: Any
    clusters: Any
    probability: Any
    tree: str
    more: dict[str, Any] = field(default_factory=dict)

    def index(self, folder: Path) -> DayIndex:
        """Build the index below a folder."""
        rows = np.repeat(np.arange(len(self.features)), self.weights)
        return SmallDay(
            self.space,
            {"type": "hdbscan", **self.algorithm},
            [self.features[row] for row in rows.tolist()],
            self.clusters.take(rows).tolist(),
            probability=self.probability.take(rows).tolist(),
            more={"condensed_tree": (self.tree,), **self.more},
        ).index(folder)


def by_coordinates(
    folder: Path, space: Space, features: list[Any], weights: Any, algorithm: dict[str, Any]
) -> FrozenDay:
    """Cluster a day in one invocation."""
    ids = np.arange(len(features))
    columns = dict(zip(space.columns, np.ascontiguousarray(np.array(features, float).T), strict=True))
    points, labels, tree = (str(folder / f"{name}.parquet") for name in ("day", "labels", "tree"))
    write_table(points, {"point_id": ids, "weight": np.asarray(weights), **columns})
    cluster_points(
        HdbscanPointsEvent(
            points=(points,),
            columns=space.columns,
            point_count=len(ids),
            metric=space.metric or "",
            algorithm={"type": "hdbscan", **algorithm},
            output=labels,
            tree=tree,
        )
    )
    clusters, probability = read_columns(labels, "cluster", "probability")
    labels = clusters.astype(np.int64)
    return FrozenDay(space, algorithm, features, weights, labels, probability, tree)


def by_levels(
    new_day: Callable[[], Any], space: Space, features: list[Any], points: Points, algorithm: dict[str, Any]
) -> tuple[FrozenDay, float]:
    """Cluster a day by its pairs, level by level; return also the last radius."""
    run = new_run(new_day, points, **algorithm)
    _, (clusters, probability) = run.until_final(space.threshold or 0.0)
    tree = str(run.folder.folder / "tree.parquet")
    labels = clusters.astype(np.int64)
    day = FrozenDay(space, algorithm, features, points.weights, labels, probability, tree)
    day.more["candidates"] = (run.folder.candidates[0],)
    return day, run.last_radius
