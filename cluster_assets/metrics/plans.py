"""What a metric answers: the statements that turn points into candidate pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.pipeline_spec import Kind, Metric, MixedKind
    from cluster_assets.ports import Statement


@dataclass(frozen=True, slots=True)
class Part:
    """One of several features that are compared together.

    Attributes:
        name: Of the feature; columns of `points` begin with it.
        kind: What it holds.
        weight: How much it counts.
    """

    name: str
    kind: MixedKind
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared with what, and when two points are near.

    Attributes:
        kind: Feature kind.
        metric: One of the kind's metrics.
        threshold: Near pairs are at most this far apart, in the metric's unit.
        columns: Feature columns of the table `points`.
        parts: The features of the kind `mixed`.
    """

    kind: Kind
    metric: Metric
    threshold: float
    columns: tuple[Column, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class ScratchStep:
    """A table that a later statement reads; it is thrown away with the attempt.

    Attributes:
        table: Its contract; its name is what later statements call it.
        statement: Reads `points` and scratch tables before it.
    """

    table: TableContract
    statement: Statement


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """The statements of a day's candidate pairs, in the order they run.

    Attributes:
        scratch: Tables to write first.
        candidates: Reads `points` and the scratch tables; fills `CANDIDATES`.
        comparisons: Reads the same; one row, `comparisons`: how many pairs the join will look at, exact for
            grids and an upper bound for sets, found without the join.
        cores: None when `candidates` are all near pairs. Else they are a certificate, near pairs that are
            enough to give the same clusters, and this statement fills `CORES`: the points that are core.
    """

    scratch: tuple[ScratchStep, ...]
    candidates: Statement
    comparisons: Statement
    cores: Statement | None = None


@dataclass(frozen=True, slots=True)
class LshOptions:
    """Locality-sensitive hashing: two points are compared when they agree in one table.

    Attributes:
        tables: Hash tables; more find more.
        rows: Hashes that must agree in a table; more compare less.
        seed: Of the hash functions.
    """

    tables: int
    rows: int
    seed: int
