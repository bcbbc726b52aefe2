"""A whole day, or what forests left of it, in one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.algorithms import build_algorithm
from lambda_worker.contract import ClusterReply
from lambda_worker.graph import CandidateGraph
from lambda_worker.labels import CORE_ROLE, NOISE
from lambda_worker.parquet_io import BATCH_ROWS, write_labels

if TYPE_CHECKING:
    from lambda_worker.contract import ClusterEvent


def cluster_day(event: ClusterEvent, batch_rows: int = BATCH_ROWS) -> ClusterReply:
    """Read a day's points and candidates, cluster them, write the labels.

    The labels and the bytes of the output depend neither on `batch_rows` nor on the order of rows and files.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    algorithm = build_algorithm(event.algorithm)
    graph = CandidateGraph(event, batch_rows)
    labels = algorithm.cluster(graph)
    written = write_labels(event.output, labels)
    noise = labels.cluster == NOISE
    return ClusterReply(
        ok=True,
        rows=graph.point_count,
        bytes=written,
        pairs=graph.pair_count or 0,
        clusters=labels.clusters,
        core_points=int(np.count_nonzero(labels.role == CORE_ROLE)),
        noise_entities=int(graph.weights[noise].sum(dtype=np.int64)),
    )
