"""Clustering a whole day from its candidate pairs, or from forests of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lambda_worker.contract.messages import Event, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEvent(Event):
    """Label every point of a day.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` among their columns.
        candidates: Addresses of Parquet files `point_a BIGINT, point_b BIGINT, distance DOUBLE`.
        point_count: Rows in `points`; ids are dense from 0.
        output: Address of the Parquet file to write: `point_id, cluster, role`, in point order.
        algorithm: `{"type": "dbscan", "min_samples": 5}`, `{"type": "connected_components"}` or
            `{"type": "single_linkage", "threshold": 0.5}`, whose threshold may be null.
        cores: Where the candidates are a certificate or forests instead of all near pairs: addresses of
            Parquet files with the `point_id BIGINT` of every core point. None where cores follow from the
            pairs.
    """

    operation: ClassVar[str] = "cluster"

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    output: str
    algorithm: dict[str, Any]
    cores: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReply(Reply):
    """What a `ClusterEvent` is answered.

    Attributes:
        rows: Label rows written.
        bytes: Bytes of the output file.
        pairs: Candidate pairs read.
        clusters: Clusters found.
        core_points: Points that are core (0 for algorithms without cores).
        noise_entities: Entities (weights) labelled noise.
    """

    rows: int = 0
    bytes: int = 0
    pairs: int = 0
    clusters: int = 0
    core_points: int = 0
    noise_entities: int = 0
