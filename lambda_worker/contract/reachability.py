"""OPTICS: reachability plots of bins, and the clusters of the plot of a day.

A plot is a table `start BIGINT, position BIGINT, point_id BIGINT, copies BIGINT, reachability DOUBLE,
predecessor BIGINT, core_distance DOUBLE`. Read in the order of (start, position), the plots of all bins of a
day are its ordering. A row stands for `copies` entities of a point, one after the other: its first entity has
a row of its own, the others share one. Undefined distances, which OPTICS calls infinite, and predecessors
that are none are -1; `start` is the point at which a run began that had no reachable point left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lambda_worker.contract.messages import (
    ContractError,
    Event,
    Reply,
    count_field,
    number_field,
    positive_field,
    text_field,
    texts_field,
)

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

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    min_samples: int
    output: str

    @classmethod
    def _fields(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "points": texts_field(body["points"], "points"),
            "candidates": texts_field(body["candidates"], "candidates"),
            "point_count": count_field(body["point_count"]),
            "min_samples": _from_two(body["min_samples"], "min_samples"),
            "output": text_field(body["output"], "output"),
        }


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

    @classmethod
    def _fields(cls, body: dict[str, Any]) -> dict[str, Any]:
        method, correction = body.get("cluster_method", XI), body.get("predecessor_correction", True)
        size, threshold = body.get("min_cluster_size"), positive_field(body["threshold"], "threshold")
        if method not in (XI, DBSCAN):
            raise ContractError(f"cluster_method must be {XI} or {DBSCAN}, not {method!r}")
        if not isinstance(correction, bool):
            raise ContractError(f"predecessor_correction must be true or false, not {correction!r}")
        return {
            "plots": texts_field(body["plots"], "plots"),
            "point_count": count_field(body["point_count"]),
            "threshold": threshold,
            "min_samples": _from_two(body["min_samples"], "min_samples"),
            "output": text_field(body["output"], "output"),
            "cluster_method": method,
            "xi": _xi_field(body.get("xi", 0.05)),
            "eps": _eps_field(body.get("eps"), threshold),
            "min_cluster_size": None if size is None else _from_two(size, "min_cluster_size"),
            "predecessor_correction": correction,
        }


def _from_two(value: object, name: str) -> int:
    number = count_field(value, name)
    if number < 2:
        raise ContractError(f"{name} must be a whole number >= 2, not {value!r}")
    return number


def _xi_field(value: object) -> float:
    xi = number_field(value, "xi")
    if not 0 <= xi < 1:
        raise ContractError(f"xi must be a number >= 0 and below 1, not {value!r}")
    return xi


def _eps_field(value: object, threshold: float) -> float | None:
    if value is None:
        return None
    eps = number_field(value, "eps")
    if not 0 <= eps <= threshold:
        raise ContractError(f"eps must be a number from 0 to the threshold {threshold}, not {value!r}")
    return eps
