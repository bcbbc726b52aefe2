"""The clustering algorithms of the worker, by the name a pipeline's YAML gives them.

To add one: a frozen dataclass in a file of its own, its fields the parameters of the YAML, checked
in `__post_init__` (raise ContractError), with a method `cluster(graph) -> Labels`; then a line below.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lambda_worker.algorithms.connected_components import ConnectedComponents
from lambda_worker.algorithms.dbscan import Dbscan
from lambda_worker.algorithms.single_linkage import SingleLinkage
from lambda_worker.contract import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from lambda_worker.graph import CandidateGraph
    from lambda_worker.labels import Labels


class Algorithm(Protocol):
    """A clustering algorithm with its parameters."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Label every point of the graph."""
        ...


ALGORITHMS: dict[str, type[Algorithm]] = {
    "connected_components": ConnectedComponents,
    "dbscan": Dbscan,
    "single_linkage": SingleLinkage,
}


def build_algorithm(description: Mapping[str, Any]) -> Algorithm:
    """The algorithm an event asks for: `{"type": "dbscan", "min_samples": 5}`.

    Raises:
        ContractError: The type is unknown, or a parameter is missing, unknown or impossible.
    """
    name = description.get("type")
    if not isinstance(name, str) or name not in ALGORITHMS:
        raise ContractError(f"algorithm type {name!r}; this worker knows {', '.join(sorted(ALGORITHMS))}")
    algorithm = ALGORITHMS[name]
    parameters = {key: value for key, value in description.items() if key != "type"}
    expected = {field.name for field in fields(algorithm)}
    if parameters.keys() != expected:
        raise ContractError(f"{name} takes {sorted(expected)}, not {sorted(parameters)}")
    return algorithm(**parameters)
