"""Levenshtein distances of many texts at once: insertions, deletions and substitutions of code points.

The table of Wagner and Fischer (J. ACM 1974) is filled for many pairs at once: a cell is an array over the
pairs, so that the work is in whole-array operations. Pairs of texts of similar lengths are grouped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices, Ints, Ints32, SignedInts
    from lambda_worker.tables.features import Codes


_PAIRS = 1 << 15  # pairs at a time, so that the arrays of neighbouring cells stay in the cache
_MANY = 512  # with fewer pairs, the overhead of numpy calls dominates
_NO_CHARACTER = -1


def levenshtein_matrix(texts: Codes) -> Floats:
    """The distance of every text to every text, shape (texts, texts)."""
    lengths = texts.lengths
    order = np.argsort(lengths, kind="stable")
    matrix = np.zeros((len(order), len(order)))
    # Ranges of rows with about as many pairs as are measured at once; earlier texts are not longer.
    start = 1
    while start < len(order):
        stop = min(len(order), start + max(1, _PAIRS // start))
        row = np.repeat(np.arange(start, stop), np.arange(start, stop))
        column = np.arange(len(row)) - np.repeat(_triangle(start, stop), np.arange(start, stop))
        a, b = order.take(column), order.take(row)
        for at in range(0, len(a), _PAIRS):
            part = slice(at, at + _PAIRS)
            found = levenshtein(texts, a[part], b[part])
            matrix[a[part], b[part]] = found
            matrix[b[part], a[part]] = found
        start = stop
    return matrix


def levenshtein(texts: Codes, a: Indices, b: Indices) -> Ints32:
    """The distances of some pairs of texts, shape (pairs,); memory is O(pairs * the longest text).

    Args:
        texts: The texts.
        a: Row of one text of each pair, shape (pairs,); the work is smallest if these are the shorter texts.
        b: Row of the other text, shape (pairs,).
    """
    lengths = texts.lengths
    across, down = lengths.take(a), lengths.take(b)
    above, below = _characters(texts, a, across), _characters(texts, b, down)
    kind: type[np.signedinteger] = (
        np.int16 if max(across.max(initial=0), down.max(initial=0)) < 2**14 else np.int32
    )
    # cells[j] is the distance of the first j characters of a to the first i of b.
    cells: SignedInts = np.repeat(np.arange(len(above) + 1, dtype=kind)[:, None], len(a), axis=1)
    distance = across.astype(np.int32)  # to the empty text
    by_length = np.argsort(down, kind="stable")
    ends = np.searchsorted(down.take(by_length), np.arange(len(below) + 2))
    go_on = _row_by_cells if len(a) > _MANY else _row_at_once
    for i, character in enumerate(below, start=1):
        check_deadline()
        go_on(cells, above, character, i)
        done = by_length[ends[i] : ends[i + 1]]
        distance[done] = cells[across.take(done), done]
    return distance


def _row_by_cells(cells: SignedInts, above: Ints32, character: Ints32, row: int) -> None:
    """Advance by one character of b, with one step for each character of a; for many pairs."""
    diagonal = cells[0].copy()
    cells[0] = row
    for j, other in enumerate(above):
        cell = cells[j + 1]
        replaced = diagonal + (other != character)
        diagonal = cell.copy()
        cell += 1
        np.minimum(cell, cells[j] + 1, out=cell)
        np.minimum(cell, replaced, out=cell)


def _row_at_once(cells: SignedInts, above: Ints32, character: Ints32, row: int) -> None:
    """Do the same in few steps: a step across costs 1 per cell, so cells minus j are a running minimum."""
    replaced = cells[:-1] + (above != character)
    cells += 1
    np.minimum(cells[1:], replaced, out=cells[1:])
    cells[0] = row
    across = np.arange(len(cells), dtype=cells.dtype)[:, None]
    cells -= across
    np.minimum.accumulate(cells, axis=0, out=cells)
    cells += across


def _characters(texts: Codes, rows: Indices, lengths: Ints) -> Ints32:
    """Return code points by position, shape (longest, rows), padded with -1."""
    longest = int(lengths.max(initial=0))
    place = np.arange(longest)[:, None]
    inside = place < lengths
    at = np.where(inside, texts.offsets.take(rows) + place, 0)
    if not longest:
        return np.empty((0, len(rows)), np.int32)
    return np.where(inside, texts.values.take(at), np.int32(_NO_CHARACTER))


def _triangle(start: int, stop: int) -> Ints:
    """Count the pairs before those of each row from `start` on, if row k has k pairs."""
    rows = np.arange(start, stop)
    return np.cumsum(rows) - rows
