"""Jaccard distance of sets: 1 - |common| / |union|."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison

# Scratch: its rows need no order.
TOKENS = TableContract(
    "tokens",
    (
        Column("point_id", "bigint"),
        Column("token", "varchar"),
        Column("position", "bigint"),
        Column("size", "bigint"),
    ),
    sort_by=(),
)


def plan(comparison: Comparison) -> CandidatePlan:
    """Prefix, size and positional filter (PPJoin), then the exact distance; all pairs for the threshold 1.

    Source of the filters: Xiao, Wang, Lin, Yu, "Efficient similarity joins for near duplicate detection",
    WWW 2008. Their proof for rounded thresholds stands in `sql/candidates/jaccard.sql`.
    """
    scratch = (ScratchStep(TOKENS, bind("tokens/tokens.sql")),)
    if comparison.threshold >= 1:
        return CandidatePlan(scratch, bind("candidates/jaccard_all.sql"), bind("comparisons/all_pairs.sql"))
    similarity, share = least_similarity(comparison.threshold)
    bounds = {"similarity": similarity, "share": share}
    return CandidatePlan(
        scratch,
        bind("candidates/jaccard.sql", values={"threshold": comparison.threshold, **bounds}),
        bind("comparisons/jaccard.sql", values=bounds),
    )


def least_similarity(threshold: float) -> tuple[float, float]:
    """Lower bounds for near pairs: |common| / |union|, and |common| / (|A| + |B|), both rounded down."""
    slack = 1 - Fraction(1, 2**40)
    similarity = max(Fraction(0), 1 - Fraction(threshold) - Fraction(1, 2**50)) * slack
    return _round_down(similarity), _round_down(similarity / (1 + similarity) * slack)


def _round_down(exact: Fraction) -> float:
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)
