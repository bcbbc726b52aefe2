"""The plan that a metric returns: the statements that turn points into candidate pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Statement
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.spec.pipeline import Kind, Metric, MixedKind


@dataclass(frozen=True, slots=True)
class Part:
    """One of several features that are compared together.

    Attributes:
        name: Name of the feature, the prefix of its columns in `points`.
        kind: Kind of its values.
        weight: Its weight in the mean distance.
    """

    name: str
    kind: MixedKind
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How points are compared, and when two points are near.

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
    """A table for later statements; it is discarded with the attempt.

    Attributes:
        table: Its contract; later statements refer to it by the contract's name.
        statement: Reads `points` and earlier scratch tables.
    """

    table: TableContract
    statement: Statement


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """The statements of a day's candidate pairs, in execution order.

    Attributes:
        scratch: Tables to write first.
        candidates: Reads `points` and the scratch tables; fills `CANDIDATES`.
        comparisons: Reads the same tables and returns one row, `comparisons`: the number of pairs that the
            join will compare, exact for grids and an upper bound for sets, found without the join.
        fresh: As `candidates`, but without pairs of two points of the table `kept`, which it reads too. None
            if there is no such statement.
        cores: None if `candidates` are all near pairs. Otherwise they are a certificate, near pairs that
            suffice to give the same clusters, and this statement fills `CORES` with the core points.
    """

    scratch: tuple[ScratchStep, ...]
    candidates: Statement
    comparisons: Statement
    fresh: Statement | None = None
    cores: Statement | None = None


@dataclass(frozen=True, slots=True)
class LshOptions:
    """Options of locality-sensitive hashing: two points are compared if they agree in one table.

    Attributes:
        tables: Number of hash tables; more tables find more pairs.
        rows: Number of hashes that must agree in a table; more rows compare fewer pairs.
        seed: Seed of the hash functions.
    """

    tables: int
    rows: int
    seed: int
