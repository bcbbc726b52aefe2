"""Cost of clustering a component by algorithm: the bytes and seconds used to pack bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_worker.contract.memory import PROCESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """Cost of clustering a component, as a sum over its counts, in bytes or microseconds.

    Attributes:
        once: Cost per component.
        point: Cost per point.
        entity: Cost per entity.
        pair: Cost per near pair.
        point_square: Cost per pair of points, near or not.
        entity_square: Cost per pair of entities.
    """

    once: float = 0
    point: float = 0
    entity: float = 0
    pair: float = 0
    point_square: float = 0
    entity_square: float = 0

    def of(self, points: Number, entities: Number, pairs: Number) -> Number:
        """The sum, for numbers or arrays of float64."""
        return (
            self.once
            + (self.point + self.point_square * points) * points
            + (self.entity + self.entity_square * entities) * entities
            + self.pair * pairs
        )


_HELD_POINT, _HELD_PAIR = 125, 57
_FEATURE_COPIES = 1.95
_READ_POINT_US, _READ_PAIR_US = 2.5, 0.6

COMPONENT_COSTS: dict[str, tuple[ComponentCost, ComponentCost]] = {
    # Bytes in addition to the data of the bin, and microseconds; fitted to components of 2 to 8,000 points.
    "agglomerative": (ComponentCost(point=100, point_square=8.1), ComponentCost(point=60, point_square=0.1)),
    "agglomerative.single": (ComponentCost(point=60), ComponentCost(200, 1, pair=0.3)),
    "agglomerative.ward": (ComponentCost(point=150), ComponentCost(point=60, point_square=0.06)),
    # A bin of these is worked on as a whole, in about the room that it is held in.
    "optics": (ComponentCost(), ComponentCost(point=30, pair=2)),
    "mean_shift": (ComponentCost(140 * 2**20, point=150), ComponentCost(point=20, pair=5)),
    # The greediest of them, affinity propagation and spectral clustering; scikit-learn itself counts once.
    "sklearn": (
        ComponentCost(125 * 2**20, entity=1000, entity_square=36),
        ComponentCost(5000, entity=100, entity_square=0.4),
    ),
}
"""Costs by algorithm type, or `type.linkage`; unlisted types count as `sklearn`."""


def component_memory_mb(
    algorithm: Mapping[str, Any], points: Number, entities: Number, pairs: Number
) -> Number:
    """Memory in MiB for clustering one component, in addition to the data; see `bin_memory_mb`.

    Args:
        algorithm: Type and parameters.
        points: Of the component; numbers or arrays of float64, as the other counts.
        entities: Sum of the weights.
        pairs: Near pairs.
    """
    return _component_costs(algorithm)[0].of(points, entities, pairs) / 2**20


def component_seconds(
    algorithm: Mapping[str, Any], points: Number, entities: Number, pairs: Number
) -> Number:
    """Seconds that one component takes, reading included; arguments as of `component_memory_mb`."""
    work = _component_costs(algorithm)[1].of(points, entities, pairs)
    return (work + _READ_POINT_US * points + _READ_PAIR_US * pairs) / 1e6


def bin_memory_mb(points: Number, pairs: Number, point_bytes: float, work_mb: Number) -> Number:
    """Peak memory of a `ComponentsEvent` in MiB.

    Args:
        points: Of the bin.
        pairs: Of the bin.
        point_bytes: Bytes of the features of a point, on average.
        work_mb: Largest `component_memory_mb` of its components.
    """
    held = (_HELD_POINT + _FEATURE_COPIES * point_bytes) * points + _HELD_PAIR * pairs
    return (PROCESS + held) / 2**20 + work_mb


def _component_costs(algorithm: Mapping[str, Any]) -> tuple[ComponentCost, ComponentCost]:
    name = str(algorithm.get("type"))
    special = COMPONENT_COSTS.get(f"{name}.{algorithm.get('linkage')}")
    return special or COMPONENT_COSTS.get(name, COMPONENT_COSTS["sklearn"])
