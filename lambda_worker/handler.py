"""The Lambda function: one event in, one reply out, as `lambda_worker.contract` defines them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.algorithms import build_algorithm
from lambda_worker.contract import (
    MEASURE,
    ClusterEvent,
    ClusterReply,
    ContractError,
    MeasureReply,
    read_event,
    read_measure_event,
)
from lambda_worker.contract_forests import (
    DENDROGRAM,
    FOREST,
    DendrogramReply,
    ForestReply,
    read_dendrogram_event,
    read_forest_event,
)
from lambda_worker.forests import draw_dendrogram, reduce_shard
from lambda_worker.graph import CandidateGraph
from lambda_worker.labels import CORE_ROLE, NOISE
from lambda_worker.measure import measure_blocks
from lambda_worker.memory import peak_memory_mb
from lambda_worker.parquet_io import BATCH_ROWS, write_labels

if TYPE_CHECKING:
    from collections.abc import Callable


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one event.

    What the caller can mend (a bad event, a bad input file) comes back as `ok=False`, for it would fail
    again. Anything else is raised, so that Lambda reports a function error.

    Args:
        event: A `ClusterEvent`, or the event of the `operation` it names, as JSON; unknown keys are ignored.
        _context: Lambda's context.

    Returns:
        The reply that belongs to the event, as JSON.
    """
    started = time.perf_counter()
    reply: _Reply
    kind: type[_Reply] = ClusterReply
    try:
        operation = _operation_of(event)
        kind = operation.reply
        reply = operation.answer(event)
    except ContractError as error:
        reply = kind(ok=False, error_type=type(error).__name__, error=str(error))
    seconds = time.perf_counter() - started
    return replace(reply, seconds=round(seconds, 6), peak_memory_mb=round(peak_memory_mb(), 1)).to_json()


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


_Reply = ClusterReply | MeasureReply | ForestReply | DendrogramReply


@dataclass(frozen=True, slots=True)
class _Operation:
    """How to answer an event, and what to refuse it with."""

    answer: Callable[[dict[str, Any]], _Reply]
    reply: type[_Reply]


_CLUSTER = _Operation(lambda event: cluster_day(read_event(event)), ClusterReply)
_OPERATIONS = {
    MEASURE: _Operation(lambda event: measure_blocks(read_measure_event(event)), MeasureReply),
    FOREST: _Operation(lambda event: reduce_shard(read_forest_event(event)), ForestReply),
    DENDROGRAM: _Operation(lambda event: draw_dendrogram(read_dendrogram_event(event)), DendrogramReply),
}


def _operation_of(event: object) -> _Operation:
    if not isinstance(event, dict) or "operation" not in event:
        return _CLUSTER
    name = event["operation"]
    if not isinstance(name, str) or name not in _OPERATIONS:
        known = ", ".join(sorted(_OPERATIONS))
        raise ContractError(f"operation {name!r}; this worker knows {known}, and none to cluster")
    return _OPERATIONS[name]
