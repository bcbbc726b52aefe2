"""Which segments of two texts stay intact when one becomes the other by a few edits.

The shorter text is cut into edits + intact segments. Each edit falls into one of them, so at least `intact`
segments appear unchanged in the other text, moved by the edits before them. With one intact segment this is
Pass-Join with its multi-match-aware selection (Li, Deng, Wang, Feng, "Pass-Join: a partition-based method for
similarity joins", VLDB 2012); more of them make keys that fewer texts share. The proof stands in
`sql/candidates/levenshtein.sql`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Pattern:
    """One choice of intact segments.

    Attributes:
        number: Unique within a plan.
        runs: Intact neighbours as (first cut, last cut); empty ones stand at the end of the last.
        gaps: Segments left out before the first run, between runs, and after the last one.
        head: The cut up to which the beginning is intact.
        tail: The cut from which on the end is intact.
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
        segments: How many segments a text is cut into.
        patterns: The choices.
    """

    number: int
    segments: int
    patterns: tuple[Pattern, ...]


def rules(edits: int, intact: Sequence[int]) -> tuple[Rule, ...]:
    """A rule for each number of intact segments, in one numbering, their patterns with equally many runs.

    No intact segment means that all texts of near lengths are compared.

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
