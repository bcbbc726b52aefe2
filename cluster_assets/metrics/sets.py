"""Distances of sets: Jaccard, Dice, overlap coefficient and cosine, by one join."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.metrics.plans import Comparison


def _scratch(name: str, bigints: str, *others: Column) -> TableContract:
    return TableContract(name, (*(Column(one, "bigint") for one in bigints.split()), *others), sort_by=())


_RANKS = Column("ranks", "array(bigint)")
TOKENS = TableContract("tokens", (Column("token", "varchar"), Column("rank", "bigint")), sort_by=())
SETS = _scratch("sets", "point_id size bits rare", _RANKS)
HOT_SETS = _scratch("hot_sets", "point_id class size bits", _RANKS)
# In the order of the tokens: sets that meet lie near each other in memory. The other tables need no order.
PREFIXES = replace(
    _scratch("prefixes", "item points size held bits rank reach band most last_band"), sort_by=("rank",)
)

HOT_FREQUENCY = 1000  # points; a token that more of them hold is hot
_RANKS_PER_FREQUENCY = 2**32  # as in sql/tokens/tokens.sql
_BANDS = 4  # between the sizes of the smallest and the largest partner of a set
_MOST_TOKENS = 2.0**32  # of two arrays together, in any engine
_SLACK = 1 - Fraction(1, 2**40)
_ROUNDING = Fraction(1, 2**50)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the common tokens of near sets reach at least; rounded down.

    Attributes:
        share: Common tokens per unit of f(a, b): the sum of the sizes for jaccard and dice, the lower size
            for overlap, the root of their product for cosine.
        ratio: Common tokens per token of the larger set, and the lower size per token of the larger one.
    """

    share: float
    ratio: float

    @property
    def reach(self) -> float:
        """What f(a, b) is at most per common token, in tokens."""
        return _inverse(self.share)

    @property
    def widest(self) -> float:
        """The larger size per token of the smaller set, at most."""
        return _inverse(self.ratio)

    @property
    def bands(self) -> float:
        """Bands of sizes per unit of their natural logarithm; 0, one band, where all sizes may meet."""
        width = -math.log(self.ratio) if self.ratio > 0 else math.inf
        return _BANDS / width


def plan(comparison: Comparison) -> CandidatePlan:
    """Prefix, size, positional and bitmap filter, then the exact distance; all pairs for the threshold 1."""
    return plan_with(comparison, hot_frequency=HOT_FREQUENCY)


def plan_with(comparison: Comparison, *, hot_frequency: int) -> CandidatePlan:
    """As `plan`; the pairs are the same for every frequency from 1 that counts as hot."""
    structure = {"metric": comparison.metric}
    hot = {"hot_rank": (hot_frequency + 1) * _RANKS_PER_FREQUENCY}
    shown = (
        ScratchStep(TOKENS, bind("tokens/tokens.sql")),
        ScratchStep(SETS, bind("sets/sets.sql", values=hot)),
    )
    if comparison.threshold >= 1:
        every = bind("candidates/sets_all.sql", structure=structure)
        return CandidatePlan(shown, every, bind("comparisons/all_pairs.sql"))
    bounds = bounds_of(comparison.metric, comparison.threshold)
    ratio = {"ratio": bounds.ratio}
    numbers = {**ratio, "reach": bounds.reach, "widest": bounds.widest, "bands": bounds.bands}
    filtered = (
        ScratchStep(HOT_SETS, bind("hot_sets/hot_sets.sql", values={**hot, **ratio})),
        ScratchStep(PREFIXES, bind("prefixes/prefixes.sql", structure=structure, values=numbers)),
    )
    return CandidatePlan(
        (*shown, *filtered),
        bind(
            "candidates/sets.sql",
            structure=structure,
            values={"threshold": comparison.threshold, "share": bounds.share, **hot},
        ),
        bind("comparisons/sets.sql"),
    )


# For a similarity: share and ratio, solved in the header of sql/candidates/sets.sql.
_BOUNDS: dict[str, Callable[[Fraction], tuple[Fraction, Fraction]]] = {
    "jaccard": lambda s: (s / (1 + s), s),
    "dice": lambda s: (s / 2, s / (2 - s)),
    "overlap": lambda s: (s, Fraction(0)),
    "cosine": lambda s: (s, s * s),
}


def bounds_of(metric: str, threshold: float) -> Bounds:
    """The bounds that pairs within a threshold reach, however their distance was rounded."""
    similarity = max(Fraction(0), 1 - Fraction(threshold) - _ROUNDING) * _SLACK
    share, ratio = (_round_down(exact * _SLACK) for exact in _BOUNDS[metric](similarity))
    return Bounds(share, ratio)


def _round_down(exact: Fraction) -> float:
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def _inverse(bound: float) -> float:
    return min(_MOST_TOKENS, 1 / bound) if bound > 0 else _MOST_TOKENS
