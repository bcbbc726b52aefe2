"""Algorithms that cluster each component of the threshold graph by itself.

To add one: a subclass of `Parameters` in a file of its own, its fields the parameters of the YAML, with the
two methods of `ComponentAlgorithm`; a line in `ALGORITHMS`; and a line in `COMPONENT_COSTS` of
`lambda_worker.contract.component_costs`, which says what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lambda_worker.contract.messages import build_algorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_worker.arrays import Bytes, Floats, Indices, Ints
    from lambda_worker.tables.features import Features

ALGORITHMS = {
    "agglomerative": f"{__name__}.linkage:Agglomerative",
    "sklearn": f"{__name__}.estimators:Estimator",
}
"""`module:class`, by the name a pipeline's YAML gives; loaded when first asked for."""


@dataclass(frozen=True, slots=True)
class Space:
    """How the points of a day are compared.

    Attributes:
        kind: Feature kind: `set`, `vector`, `embedding`, `geo` or `text`.
        columns: The feature columns.
        metric: The distance.
        threshold: Pairs at most this far apart are candidates.
    """

    kind: str
    columns: tuple[str, ...]
    metric: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Component:
    """One connected component of the threshold graph: at least two points, with all their near pairs.

    Attributes:
        ids: Shape (points,), ids in the day, ascending.
        weights: Shape (points,): entities with the feature value of each point.
        features: The rows of the points, in this order.
        a: Shape (pairs,), the lower position of each pair; pairs ascend by (a, b).
        b: Shape (pairs,), the higher position.
        distance: Shape (pairs,).
    """

    ids: Ints
    weights: Ints
    features: Features
    a: Indices
    b: Indices
    distance: Floats

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ComponentLabels:
    """Labels of the points of one component.

    Attributes:
        cluster: Shape (points,): clusters are numbered from 0 within the component, in any order; -1 is
            noise.
        role: Shape (points,), uint8 codes of `lambda_worker.tables.labels.ROLES`.
        probability: Shape (points,), how surely each point belongs to its cluster; None where all do.
        contested: Merges instead of which another one was as good; 0 for algorithms without a hierarchy.
    """

    cluster: Ints
    role: Bytes
    probability: Floats | None = None
    contested: int = 0


class ComponentAlgorithm(Protocol):
    """A clustering algorithm with its parameters."""

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        """Label the points of one component.

        Raises:
            ContractError: The algorithm is not made for the space.
            CapacityError: The component does not fit.
        """
        ...

    def cluster_single(self, weights: Ints) -> ComponentLabels:
        """Label components of one point each, all at once: a row is a component, clusters are 0 or -1."""
        ...


def build_component_algorithm(description: Mapping[str, Any]) -> ComponentAlgorithm:
    """The algorithm an event asks for; see `build_algorithm`."""
    algorithm: ComponentAlgorithm = build_algorithm(description, ALGORITHMS)
    return algorithm
