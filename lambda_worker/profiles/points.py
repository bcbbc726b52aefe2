"""Points of several clusters in memory, and their distances, for every kind of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.metrics.gower import MixedFeatures, read_mixed
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.features import Features, read_points
from lambda_worker.tables.members import MEMBER_COLUMNS, Members, sort_members

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats
    from lambda_worker.contract.exploring import Sample
    from lambda_worker.contract.profiles import SpaceEvent
    from lambda_worker.contract.sketches import SketchEvent


def read_clusters(event: SpaceEvent | SketchEvent | Sample) -> Members[Features | MixedFeatures]:
    """Read the points of an event; the result does not depend on the order of rows and files.

    Raises:
        InputError: A file is not of the contract, another number of points came, or one came twice.
        ContractError: The kind has other columns.
    """
    features: Features | MixedFeatures
    if event.kind == "mixed":
        columns, features = read_mixed(event.points, MEMBER_COLUMNS, event.parts)
    else:
        columns, features = read_points(event.points, MEMBER_COLUMNS, event.kind, event.columns)
    return sort_members(columns, features, event.point_count)


def distances(features: Features | MixedFeatures, metric: str) -> Floats:
    """Return the distances of points to each other, shape (points, points)."""
    return features.distances() if isinstance(features, MixedFeatures) else pairwise(features, metric)
