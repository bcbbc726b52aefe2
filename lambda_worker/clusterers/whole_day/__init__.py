"""The clustering algorithms of the worker, by the name a pipeline's YAML gives them.

To add one: a subclass of `Parameters` in a file of its own, its fields the parameters of the YAML, with a
method `cluster(graph) -> Labels`; then a line below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lambda_worker.clusterers.whole_day.dbscan import Dbscan
from lambda_worker.clusterers.whole_day.single_linkage import ConnectedComponents, SingleLinkage

if TYPE_CHECKING:
    from lambda_worker.graph.pairs import CandidateGraph
    from lambda_worker.tables.labels import Labels


class Algorithm(Protocol):
    """A clustering algorithm with its parameters."""

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Label every point of the graph."""
        ...


ALGORITHMS: dict[str, type[Algorithm]] = {
    "connected_components": ConnectedComponents,
    "dbscan": Dbscan,
    "single_linkage": SingleLinkage,
}
