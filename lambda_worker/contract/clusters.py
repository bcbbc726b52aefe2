"""Clustering a whole day from its candidate pairs, or from forests of them."""

from __future__ import annotations

from typing import Any

from lambda_worker.contract.forests import KEPT_PAIRS, READS_AGAIN
from lambda_worker.contract.memory import PROCESS, mib
from lambda_worker.contract.messages import DayEvent, TableReply, Texts

# Peak bytes per item; tests/worker/graph/test_forests_memory.py checks them.
_LABEL, _KEPT_PAIR = 15, 8


class ClusterEvent(DayEvent, frozen=True, kw_only=True, tag="cluster"):
    """Label every point of a day.

    Attributes:
        candidates: Addresses of Parquet files `point_a BIGINT, point_b BIGINT, distance DOUBLE`.
        output: Address of the Parquet file to write: `point_id, cluster, role`, in point order.
        algorithm: `{"type": "dbscan", "min_samples": 5}`, `{"type": "connected_components"}` or
            `{"type": "single_linkage", "threshold": 0.5}`, whose threshold may be null.
        cores: If the candidates are a certificate or forests instead of all near pairs: addresses of Parquet
            files with the `point_id BIGINT` of every core point. None if the cores follow from the pairs.
    """

    candidates: Texts
    algorithm: dict[str, Any]
    cores: Texts | None = None


class ClusterReply(TableReply, frozen=True, kw_only=True):
    """The reply to a `ClusterEvent`.

    Attributes:
        clusters: Clusters found.
        core_points: Points that are core (0 for algorithms without cores).
        noise_entities: Entities (weights) labelled noise.
        centre_rows: Rows of the table `centres`, where the event asks for it.
        centre_bytes: Size of its file in bytes.
    """

    clusters: int = 0
    core_points: int = 0
    noise_entities: int = 0
    centre_rows: int = 0
    centre_bytes: int = 0


def cluster_memory_mb(algorithm: str, point_count: int, pairs: int) -> float:
    """Peak memory of a `ClusterEvent` in MiB, within a quarter.

    Args:
        algorithm: Its type, one of `FOREST_KINDS`.
        point_count: Points of the day.
        pairs: Pairs in its files.
    """
    kept = min(pairs, KEPT_PAIRS) if algorithm in READS_AGAIN else 0
    return mib(PROCESS + _LABEL * point_count + _KEPT_PAIR * kept)
