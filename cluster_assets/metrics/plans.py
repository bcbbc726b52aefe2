"""What a metric answers: the statements that turn points into candidate pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import Statement


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
    """

    scratch: tuple[ScratchStep, ...]
    candidates: Statement
    comparisons: Statement
