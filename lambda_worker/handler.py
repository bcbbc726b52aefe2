"""The Lambda function: one event in, one reply out, as `lambda_worker.contract` defines them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

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
from lambda_worker.graph import CandidateGraph
from lambda_worker.labels import CORE_ROLE, NOISE
from lambda_worker.measure import measure_blocks
from lambda_worker.memory import peak_memory_mb
from lambda_worker.parquet_io import BATCH_ROWS, write_labels


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one event.

    What the caller can mend (a bad event, a bad input file) comes back as `ok=False`, for it would fail
    again. Anything else is raised, so that Lambda reports a function error.

    Args:
        event: A `ClusterEvent` or, with the operation `measure`, a `MeasureEvent` as JSON; unknown keys are
            ignored.
        _context: Lambda's context.

    Returns:
        A `ClusterReply` or `MeasureReply` as JSON.
    """
    started = time.perf_counter()
    is_measure = event.get("operation") == MEASURE
    reply: ClusterReply | MeasureReply
    try:
        reply = measure_blocks(read_measure_event(event)) if is_measure else cluster_day(read_event(event))
    except ContractError as error:
        kind = MeasureReply if is_measure else ClusterReply
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
