"""Levenshtein distance of texts: insertions, deletions and substitutions of code points.

The join rests on the segments of a text that remain intact after a few edits.

The shorter text is cut into edits + intact segments. Each edit falls into one of them, so at least `intact`
segments appear unchanged in the other text, moved by the edits before them. With one intact segment this is
Pass-Join with its multi-match-aware selection (Li, Deng, Wang, Feng, "Pass-Join: a partition-based method for
similarity joins", VLDB 2012); more of them make keys that fewer texts share. The proof is in
`sql/candidates/texts/candidates.sql`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Statement
    from cluster_assets.stages.candidates.metrics.plans import Comparison


@dataclass(frozen=True, slots=True)
class Pattern:
    """One choice of intact segments.

    Attributes:
        number: Unique within a plan.
        runs: Adjacent intact segments as (first cut, last cut); unused runs are empty, at the last one's end.
        gaps: Number of segments before the first run, between runs, and after the last one.
        head: The cut up to which the beginning is intact.
        tail: The cut from which the end is intact.
    """

    number: int
    runs: tuple[tuple[int, int], ...]
    gaps: tuple[int, ...]
    head: int
    tail: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A number of intact segments, with every choice of them.

    Attributes:
        number: Unique within a plan.
        segments: Number of segments per text.
        patterns: The choices.
    """

    number: int
    segments: int
    patterns: tuple[Pattern, ...]


def rules(edits: int, intact: Sequence[int]) -> tuple[Rule, ...]:
    """Return a rule for each number of intact segments; all patterns have the same number of runs.

    With no intact segment, all texts of similar length are compared.

    >>> [[pattern.runs for pattern in rule.patterns] for rule in rules(1, (0, 2))]
    [[((0, 0), (0, 0))], [((1, 3), (3, 3)), ((0, 1), (2, 3)), ((0, 2), (2, 2))]]
    """
    choices = [(n, sorted(itertools.combinations(range(edits + n), n), reverse=True)) for n in intact]
    most = max(1, *(len(_runs(kept)) for _, chosen in choices for kept in chosen))
    numbers = itertools.count()
    return tuple(
        Rule(number, edits + n, tuple(_pattern(next(numbers), edits + n, kept, most) for kept in chosen))
        for number, (n, chosen) in enumerate(choices)
    )


def _pattern(number: int, segments: int, kept: Sequence[int], most: int) -> Pattern:
    runs = _runs(kept)
    ends = [0, *(cut for run in runs for cut in run), segments]
    gaps = [after - before for before, after in zip(ends[::2], ends[1::2], strict=True)]
    head = runs[0][1] if runs and gaps[0] == 0 else 0
    tail = runs[-1][0] if runs and gaps[-1] == 0 else segments
    for _ in range(most - len(runs)):
        runs.append((ends[-2], ends[-2]))
        gaps.insert(-1, 0)
    return Pattern(number, tuple(runs), tuple(gaps), head, tail)


def _runs(kept: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for segment in kept:
        if runs and runs[-1][1] == segment:
            runs[-1] = (runs[-1][0], segment + 1)
        else:
            runs.append((segment, segment + 1))
    return runs


LENGTHS = scratch_table(
    "lengths", {"length": "bigint", "rule": "bigint", "cuts": "array(bigint)", "comparisons": "bigint"}
)
# Each text is looked up at about edits^3 / 3 positions; for more edits, all texts of similar length are
# compared.
_MOST_EDITS = 12
_INTACT = {1: 8, 2: 4, 3: 3, 4: 2}  # by edits, used if keys of one intact segment are too frequent
_MANY = 4  # comparisons per text, about the cost of evaluating the better rule


def plan(comparison: Comparison) -> CandidatePlan:
    """Return a plan that joins on intact segments and tests the exact distance; proof in the SQL file.

    For more than 12 edits, all texts of similar length are compared.
    """
    edits = int(comparison.threshold)
    chosen = _rules(edits)
    structure = {"rules": chosen, "runs": len(chosen[0].patterns[0].runs)}
    values = {"edits": edits}
    many = {"many": _MANY} if edits in _INTACT else {}
    lengths = bind("candidates/texts/lengths.sql", structure=structure, values={**values, **many})
    return CandidatePlan(
        scratch=(ScratchStep(LENGTHS, lengths),),
        candidates=_candidates(structure, values, has_kept=False),
        fresh=_candidates(structure, values, has_kept=True),
        comparisons=bind("candidates/texts/comparisons.sql"),
    )


def _candidates(structure: Mapping[str, object], values: Mapping[str, int], *, has_kept: bool) -> Statement:
    structure = {**structure, "has_kept": has_kept}
    return bind("candidates/texts/candidates.sql", structure=structure, values=values)


def _rules(edits: int) -> tuple[Rule, ...]:
    """Return rules for no, one and several intact segments; `lengths` chooses one for each text length."""
    if edits > _MOST_EDITS:
        return rules(edits, (0,))
    return rules(edits, (0, 1, _INTACT[edits]) if edits in _INTACT else (0, 1))
