"""Algorithms that never join two components of the threshold graph: component by component.

`pack` tells the components of a day apart and packs them into bins, SQL brings the points and the pairs of a
bin together, a `ComponentsEvent` for each bin clusters its components, and `number` puts the bins together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lambda_worker.contract.messages import Event, Reply, positive_field

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers

POINT_BYTES = 64.0
"""Features of a point where nobody counted: eight numbers or tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEvent(Event):
    """Pack the components of a day into bins, each for one invocation.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        labels: Addresses of Parquet files with `point_id BIGINT, cluster BIGINT`: the component of a point.
        candidates: Addresses of candidates files, to count the pairs of each component.
        point_count: Points of the day.
        algorithm: What will cluster them; its type tells memory and time, see `contract.memory`.
        memory_mb: Memory an invocation may take.
        budget_s: Seconds a bin should take at most.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, bin BIGINT`, in
            point order.
        point_bytes: Bytes that the features of a point take in memory, on average: 8 for each number of a
            vector or place, 8 for each token of a set and 150 for each one that no other point has, 5 for
            each character of a text.
    """

    operation: ClassVar[str] = "pack"
    readers: ClassVar[Readers] = {"budget_s": positive_field, "point_bytes": positive_field}

    points: tuple[str, ...]
    labels: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    algorithm: dict[str, Any]
    memory_mb: float
    budget_s: float
    output: str
    point_bytes: float = POINT_BYTES


@dataclass(frozen=True, slots=True)
class Bin:
    """What one invocation will cluster, with what it will take."""

    points: int
    pairs: int
    components: int
    memory_mb: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReply(Reply):
    """What a `PackEvent` is answered.

    A component that does not fit is refused with a `CapacityError` that tells the memory it would take.

    Attributes:
        bins: In the order of their numbers.
        components: Of the day.
        largest_points: Points of the largest component.
        bytes: Bytes of the output file.
    """

    bins: tuple[Bin, ...] = ()
    components: int = 0
    largest_points: int = 0
    bytes: int = 0

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "bins": tuple(Bin(**item) for item in body.get("bins", ()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentsEvent(Event):
    """Cluster whole components, one after the other.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` and the
            feature columns; rows in any order.
        candidates: Addresses of candidates files with the pairs of these components and no others.
        point_count: Rows in `points`.
        kind: Feature kind: `set`, `vector`, `embedding`, `geo` or `text`.
        columns: The feature columns, as in the table `points` of the kind.
        metric: The distance.
        threshold: Pairs at most this far apart are candidates.
        algorithm: Type and parameters, one of `lambda_worker.components.ALGORITHMS`.
        output: Address of the Parquet file to write: `point_id BIGINT, component BIGINT, cluster BIGINT,
            role BIGINT, probability DOUBLE`, by point id. Clusters are numbered within their component, -1 is
            noise; roles are codes of `lambda_worker.labels.ROLES`; probability is 1 where there is none.
    """

    operation: ClassVar[str] = "components"

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    kind: str
    columns: tuple[str, ...]
    metric: str
    threshold: float
    algorithm: dict[str, Any]
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentsReply(Reply):
    """What a `ComponentsEvent` is answered: rows and bytes written, components and clusters in them."""

    rows: int = 0
    bytes: int = 0
    components: int = 0
    clusters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberEvent(Event):
    """Put the labels of bins together, and number the clusters of the day by their smallest point id.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT`.
        parts: Addresses of the files of `ComponentsEvent`s; together they hold every point once.
        point_count: Points of the day.
        output: Address of the Parquet file to write, as of a `ClusterEvent`; answered by a `ClusterReply`.
    """

    operation: ClassVar[str] = "number"

    points: tuple[str, ...]
    parts: tuple[str, ...]
    point_count: int
    output: str
