"""Distances of sets (Jaccard, Dice, overlap coefficient and cosine), all by the same join."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.stages.candidates.metrics.plans import Comparison


def _bigints(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "bigint")


_RANKS = {"ranks": "array(bigint)"}
TOKENS = scratch_table("tokens", {"token": "varchar", "rank": "bigint"})
SETS = scratch_table("sets", _bigints("point_id", "size", "bits", "rare") | _RANKS)
HOT_SETS = scratch_table("hot_sets", _bigints("point_id", "class", "size", "bits") | _RANKS)
PREFIXES = scratch_table(
    "prefixes",
    _bigints("item", "points", "size", "held", "bits", "rank", "reach", "band", "most", "last_band"),
    sort_by=("rank",),  # so that sets to compare are close in memory; the other tables need no order
)

HOT_FREQUENCY = 1000  # a token that occurs in more points is hot
_RANKS_PER_FREQUENCY = 2**32  # as in sql/candidates/sets/tokens.sql
_BANDS = 4  # between the sizes of the smallest and the largest partner of a set
_MOST_TOKENS = 2.0**32  # of two arrays together, in any engine
_SLACK = 1 - Fraction(1, 2**40)
_ROUNDING = Fraction(1, 2**50)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the common tokens of near sets, rounded down.

    Attributes:
        share: Common tokens per unit of f(a, b): the sum of the sizes for jaccard and dice, the smaller size
            for overlap, the square root of their product for cosine.
        ratio: Common tokens per token of the larger set, and the smaller size per token of the larger set.
    """

    share: float
    ratio: float

    @property
    def reach(self) -> float:
        """Upper bound of f(a, b) per common token, in tokens."""
        return _inverse(self.share)

    @property
    def widest(self) -> float:
        """Upper bound of the larger size per token of the smaller set."""
        return _inverse(self.ratio)

    @property
    def bands(self) -> float:
        """Bands of sizes per unit of their natural logarithm; 0, a single band, if any sizes may be near."""
        width = -math.log(self.ratio) if self.ratio > 0 else math.inf
        return _BANDS / width


def plan(comparison: Comparison) -> CandidatePlan:
    """Return a plan with prefix, size, positional and bitmap filters; the threshold 1 lists all pairs."""
    return plan_with(comparison, hot_frequency=HOT_FREQUENCY)


def plan_with(comparison: Comparison, *, hot_frequency: int) -> CandidatePlan:
    """Return the plan for a given hot frequency; the pairs are the same for every value from 1 on."""
    structure = {"metric": comparison.metric}
    hot = {"hot_rank": (hot_frequency + 1) * _RANKS_PER_FREQUENCY}
    shown = (
        ScratchStep(TOKENS, bind("candidates/sets/tokens.sql")),
        ScratchStep(SETS, bind("candidates/sets/sets.sql", values=hot)),
    )
    if comparison.threshold >= 1:
        every = bind("candidates/sets/candidates_all.sql", structure=structure)
        return CandidatePlan(shown, every, bind("candidates/sets/comparisons_all.sql"))
    bounds = bounds_of(comparison.metric, comparison.threshold)
    ratio = {"ratio": bounds.ratio}
    numbers = {**ratio, "reach": bounds.reach, "widest": bounds.widest, "bands": bounds.bands}
    filtered = (
        ScratchStep(HOT_SETS, bind("candidates/sets/hot_sets.sql", values={**hot, **ratio})),
        ScratchStep(PREFIXES, bind("candidates/sets/prefixes.sql", structure=structure, values=numbers)),
    )
    return CandidatePlan(
        (*shown, *filtered),
        bind(
            "candidates/sets/candidates.sql",
            structure=structure,
            values={"threshold": comparison.threshold, "share": bounds.share, **hot},
        ),
        bind("candidates/sets/comparisons.sql"),
    )


# For a similarity: share and ratio, solved in the header of sql/candidates/sets/candidates.sql.
_BOUNDS: dict[str, Callable[[Fraction], tuple[Fraction, Fraction]]] = {
    "jaccard": lambda s: (s / (1 + s), s),
    "dice": lambda s: (s / 2, s / (2 - s)),
    "overlap": lambda s: (s, Fraction(0)),
    "cosine": lambda s: (s, s * s),
}


def bounds_of(metric: str, threshold: float) -> Bounds:
    """Return the bounds for pairs within a threshold, allowing for any rounding of their distance."""
    similarity = max(Fraction(0), 1 - Fraction(threshold) - _ROUNDING) * _SLACK
    share, ratio = (_round_down(exact * _SLACK) for exact in _BOUNDS[metric](similarity))
    return Bounds(share, ratio)


def _round_down(exact: Fraction) -> float:
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def _inverse(bound: float) -> float:
    return min(_MOST_TOKENS, 1 / bound) if bound > 0 else _MOST_TOKENS
