"""Mean shift with a flat kernel: climbs in bins, and what their peaks make of a day.

The bandwidth is half the threshold, so that two points in one window are candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lambda_worker.contract.messages import Event, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbEvent(Event):
    """Climb from every point of whole components of the threshold graph.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` and the
            feature columns; rows in any order.
        point_count: Rows in `points`.
        columns: The feature columns: DOUBLE columns, one a dimension, or one ARRAY(DOUBLE).
        threshold: Twice the bandwidth.
        output: Address of the Parquet file to write: `seed BIGINT, intensity BIGINT, centre ARRAY(DOUBLE)`,
            one row a peak: the highest id of the points that climb to it, the entities in its last window,
            and their mean.
    """

    operation: ClassVar[str] = "climb"

    points: tuple[str, ...]
    point_count: int
    columns: tuple[str, ...]
    threshold: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbReply(Reply):
    """What a `ClimbEvent` is answered: peaks and bytes written, most steps of a climb."""

    rows: int = 0
    bytes: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeaksEvent(Event):
    """Drop peaks near higher ones and label each point by the nearest; answered by a `ClusterReply`.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` and the feature columns: the
            whole day.
        peaks: Addresses of the files of `ClimbEvent`s; together they began at every point of the day.
        point_count: Points of the day.
        columns: The feature columns.
        threshold: Twice the bandwidth.
        cluster_all: Whether points farther than the bandwidth from every peak belong to the nearest one, too;
            else they are noise.
        output: Address of the Parquet file to write, as of a `ClusterEvent`.
    """

    operation: ClassVar[str] = "peaks"

    points: tuple[str, ...]
    peaks: tuple[str, ...]
    point_count: int
    columns: tuple[str, ...]
    threshold: float
    cluster_all: bool
    output: str
