"""Clusters a whole day, or its forests, in one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.clusterers.whole_day import ALGORITHMS
from lambda_worker.contract import ClusterReply
from lambda_worker.contract.messages import build_algorithm
from lambda_worker.graph.pairs import CandidateGraph

if TYPE_CHECKING:
    from lambda_worker.contract import ClusterEvent


def cluster_day(event: ClusterEvent) -> ClusterReply:
    """Read a day's points and candidates, cluster them, write the labels.

    The labels and the bytes of the output do not depend on the order of rows and files.
    """
    algorithm = build_algorithm(event.algorithm, ALGORITHMS)
    graph = CandidateGraph(event)
    labels = algorithm.cluster(graph)
    return write_day(ClusterReply, event.output, labels, graph.weights, pairs=graph.pairs.count or 0)
