"""OPTICS: reachability plots of bins, and the clusters of the plot of a day.

A plot is a table `start BIGINT, position BIGINT, point_id BIGINT, copies BIGINT, reachability DOUBLE,
predecessor BIGINT, core_distance DOUBLE`. Read in the order of (start, position), the plots of all bins of a
day are its ordering. A row stands for `copies` entities of a point, one after the other: its first entity has
a row of its own, the others share one. Undefined distances, which OPTICS calls infinite, and predecessors
that are none are -1; `start` is the point at which a run began that had no reachable point left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lambda_worker.contract.messages import ContractError, Event, Reply, count_from, optional

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers

XI, DBSCAN = "xi", "dbscan"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    """Draw the reachability plot of whole components of the threshold graph.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`; rows in any order.
        candidates: Addresses of candidates files with the pairs of these points and no others.
        point_count: Rows in `points`.
        min_samples: Entities within the core distance, the point's own included.
        output: Address of the Parquet file to write: a plot.
    """

    operation: ClassVar[str] = "order"
    readers: ClassVar[Readers] = {"min_samples": count_from(2)}

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    min_samples: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReply(Reply):
    """What an `OrderEvent` is answered.

    Attributes:
        rows: Rows of the plot: at most two a point.
        bytes: Bytes of the file.
        pairs: Candidate pairs read.
        core_points: Points with a core distance.
        runs: Starts without a reachable point.
    """

    rows: int = 0
    bytes: int = 0
    pairs: int = 0
    core_points: int = 0
    runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractEvent(Event):
    """Find the clusters in the plot of a day; answered by a `ClusterReply`.

    Attributes:
        plots: Addresses of the files of `OrderEvent`s; together they hold every point of the day.
        point_count: Points of the day.
        threshold: Pairs at most this far apart were candidates: `max_eps`.
        min_samples: As of the `OrderEvent`s.
        cluster_method: `xi` or `dbscan`.
        xi: Steepness that ends a cluster, between 0 and 1, for `xi`.
        eps: Distance for `dbscan`, at most the threshold, which counts where it is None.
        min_cluster_size: Entities of a cluster at least, for `xi`; `min_samples` where it is None.
        predecessor_correction: For `xi`.
        output: Address of the Parquet file to write, as of a `ClusterEvent`.
    """

    operation: ClassVar[str] = "extract"
    readers: ClassVar[Readers] = {"min_samples": count_from(2), "min_cluster_size": optional(count_from(2))}

    plots: tuple[str, ...]
    point_count: int
    threshold: float
    min_samples: int
    output: str
    cluster_method: str = XI
    xi: float = 0.05
    eps: float | None = None
    min_cluster_size: int | None = None
    predecessor_correction: bool = True

    def __post_init__(self) -> None:
        if self.cluster_method not in (XI, DBSCAN):
            raise ContractError(f"cluster_method must be {XI} or {DBSCAN}, not {self.cluster_method!r}")
        if not 0 <= self.xi < 1:
            raise ContractError(f"xi must be a number >= 0 and below 1, not {self.xi!r}")
        if self.eps is not None and not 0 <= self.eps <= self.threshold:
            raise ContractError(
                f"eps must be a number from 0 to the threshold {self.threshold}, not {self.eps}"
            )
