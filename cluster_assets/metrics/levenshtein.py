"""Levenshtein distance of texts: insertions, deletions and substitutions of code points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.metrics.segments import rules
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison
    from cluster_assets.metrics.segments import Rule

# Scratch: its rows need no order.
LENGTHS = TableContract(
    "lengths",
    (
        Column("length", "bigint"),
        Column("rule", "bigint"),
        Column("cuts", "array(bigint)"),
        Column("comparisons", "bigint"),
    ),
    sort_by=(),
)
# A text is looked up in some edits^3 / 3 places; beyond these, all texts of near lengths are compared.
_MOST_EDITS = 12
_INTACT = {1: 8, 2: 4, 3: 3, 4: 2}  # asked for where one intact segment makes crowded keys
_MANY = 4  # comparisons for each text, about what it costs to look at the better rule


def plan(comparison: Comparison) -> CandidatePlan:
    """Join on intact segments, then the exact distance; the proof stands in the SQL file.

    Beyond 12 edits all texts of near lengths are compared.
    """
    edits = int(comparison.threshold)
    chosen = _rules(edits)
    structure = {"rules": chosen, "runs": len(chosen[0].patterns[0].runs)}
    values = {"edits": edits}
    many = {"many": _MANY} if edits in _INTACT else {}
    lengths = bind("segments/lengths.sql", structure=structure, values={**values, **many})
    return CandidatePlan(
        scratch=(ScratchStep(LENGTHS, lengths),),
        candidates=bind("candidates/levenshtein.sql", structure=structure, values=values),
        comparisons=bind("comparisons/levenshtein.sql"),
    )


def _rules(edits: int) -> tuple[Rule, ...]:
    """All texts of near lengths; one intact segment; more of them. `lengths` chooses for each length."""
    if edits > _MOST_EDITS:
        return rules(edits, (0,))
    return rules(edits, (0, 1, _INTACT[edits]) if edits in _INTACT else (0, 1))
