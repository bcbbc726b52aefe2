"""The Levenshtein distance by its definition, as the reference for the worker's faster algorithms."""

from __future__ import annotations


def levenshtein(one: str, other: str) -> int:
    """The matrix of Wagner and Fischer, row by row."""
    above = list(range(len(other) + 1))
    for i, x in enumerate(one, 1):
        row = [i]
        for j, y in enumerate(other, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        above = row
    return above[-1]
