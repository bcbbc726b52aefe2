"""Certificates: near pairs and cores that give DBSCAN the clusters of all near pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lambda_worker.contract.measure import MeasuredFile
from lambda_worker.contract.messages import Event, Reply, count_from


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyEvent(Event):
    """Find near pairs and cores that are enough to give the same clusters as all near pairs.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT`, `weight BIGINT` and the feature columns:
            all points of the day.
        columns: The feature columns: one to three DOUBLE columns.
        point_count: Rows in all the files.
        metric: `euclidean`, `manhattan` or `chebyshev`.
        threshold: Pairs at most this far apart are near.
        min_samples: Entities within the threshold, the point's own included, that make it core.
        pairs: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`: near pairs of two cores that join whatever all of them join,
            and for each other point a near core, or more, of each cluster that has one.
        cores: Address of the Parquet file to write: `point_id BIGINT` of every core point.
        max_pairs: More pairs are refused.
    """

    operation: ClassVar[str] = "certify"
    written: ClassVar[tuple[str, ...]] = ("cores",)
    readers: ClassVar = {"min_samples": count_from(1)}

    points: tuple[str, ...]
    columns: tuple[str, ...]
    point_count: int
    metric: str
    threshold: float
    min_samples: int
    pairs: str
    cores: str
    max_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyReply(Reply):
    """What a `CertifyEvent` is answered.

    Attributes:
        files: Of pairs; none when no core has a near point.
        pairs: Rows of these.
        cores: Rows of the file of cores.
        core_bytes: Bytes of it.
        bytes: Bytes of all files.
        tested: Distances that were computed.
    """

    files: tuple[MeasuredFile, ...] = ()
    pairs: int = 0
    cores: int = 0
    core_bytes: int = 0
    bytes: int = 0
    tested: int = 0

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "files": tuple(MeasuredFile(**file) for file in body.get("files", ()))}
