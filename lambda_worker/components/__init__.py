"""Algorithms that cluster each component of the threshold graph by itself.

To add one: a frozen dataclass in a file of its own, its fields the parameters of the YAML, checked in
`__post_init__` (raise ContractError), with the two methods of `ComponentAlgorithm`; a line in `ALGORITHMS`;
and a line in `lambda_worker.contract.memory.COMPONENT_COSTS` that tells what it takes.
"""

from __future__ import annotations

import importlib
import keyword
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lambda_worker.contract import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    import numpy as np
    from numpy.typing import NDArray

    from lambda_worker.components.features import Features

ALGORITHMS = {
    "agglomerative": "linkage:Agglomerative",
    "sklearn": "estimators:Estimator",
}
"""`module:class` below this package, by the name a pipeline's YAML gives; loaded when first asked for."""


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

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    features: Features
    a: NDArray[np.intp]
    b: NDArray[np.intp]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ComponentLabels:
    """Labels of the points of one component.

    Attributes:
        cluster: Shape (points,): clusters are numbered from 0 within the component, in any order; -1 is
            noise.
        role: Shape (points,), uint8 codes of `lambda_worker.labels.ROLES`.
        probability: Shape (points,), how surely each point belongs to its cluster; None where all do.
    """

    cluster: NDArray[np.int64]
    role: NDArray[np.uint8]
    probability: NDArray[np.float64] | None = None


class ComponentAlgorithm(Protocol):
    """A clustering algorithm with its parameters."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        """Label the points of one component.

        Raises:
            ContractError: The algorithm is not made for the space.
            CapacityError: The component does not fit.
        """
        ...

    def cluster_single(self, weights: NDArray[np.int64]) -> ComponentLabels:
        """Label components of one point each, all at once: a row is a component, clusters are 0 or -1."""
        ...


def build_component_algorithm(description: Mapping[str, Any]) -> ComponentAlgorithm:
    """The algorithm an event asks for: `{"type": "agglomerative", "linkage": "ward"}`.

    A parameter named as a word of Python, such as `class`, is the field `class_`.

    Raises:
        ContractError: The type is unknown, or a parameter is missing, unknown or impossible.
    """
    name = description.get("type")
    if not isinstance(name, str) or name not in ALGORITHMS:
        known = ", ".join(sorted(ALGORITHMS))
        raise ContractError(f"algorithm type {name!r}; by component there are {known}")
    module, _, class_name = ALGORITHMS[name].partition(":")
    algorithm: type[ComponentAlgorithm] = getattr(importlib.import_module(f"{__name__}.{module}"), class_name)
    parameters = {
        f"{key}_" if keyword.iskeyword(key) else key: value
        for key, value in description.items()
        if key != "type"
    }
    expected = {field.name for field in fields(algorithm)}
    if parameters.keys() != expected:
        raise ContractError(f"{name} takes {sorted(expected)}, not {sorted(parameters)}")
    return algorithm(**parameters)
