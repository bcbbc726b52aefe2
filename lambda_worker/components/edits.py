"""Levenshtein distances of many texts at once: insertions, deletions and substitutions of code points.

The table of Wagner and Fischer (J. ACM 1974), filled for many pairs together: a cell is an array over the
pairs, so the work is in whole-array operations. Pairs of texts of like lengths go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.components.features import Codes

    Lengths = NDArray[np.int64]
    Cells = NDArray[np.signedinteger]

_PAIRS = 1 << 15  # at a time, so that the arrays of neighbouring cells stay in the cache
_MANY = 512  # with fewer, calls of numpy take longer than their work
_NO_CHARACTER = -1


def levenshtein_matrix(texts: Codes) -> NDArray[np.float64]:
    """The distance of every text to every text, shape (texts, texts)."""
    lengths = texts.lengths
    order = np.argsort(lengths, kind="stable")
    matrix = np.zeros((len(order), len(order)))
    # Rows with about as many pairs as are measured at once; the texts before each one are no longer.
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


def levenshtein(texts: Codes, a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.int32]:
    """The distances of some pairs of texts, shape (pairs,); memory is O(pairs * the longest text).

    Args:
        texts: The texts.
        a: Row of one text of each pair, shape (pairs,); the work is least where these are the shorter ones.
        b: Row of the other.
    """
    lengths = texts.lengths
    across, down = lengths.take(a), lengths.take(b)
    above, below = _characters(texts, a, across), _characters(texts, b, down)
    kind: type[np.signedinteger] = (
        np.int16 if max(across.max(initial=0), down.max(initial=0)) < 2**14 else np.int32
    )
    # cells[j] is the distance of the first j characters of a to the first i of b.
    cells: Cells = np.repeat(np.arange(len(above) + 1, dtype=kind)[:, None], len(a), axis=1)
    distance = across.astype(np.int32)  # to nothing at all
    by_length = np.argsort(down, kind="stable")
    ends = np.searchsorted(down.take(by_length), np.arange(len(below) + 2))
    go_on = _row_by_cells if len(a) > _MANY else _row_at_once
    for i, character in enumerate(below, start=1):
        check_deadline()
        go_on(cells, above, character, i)
        done = by_length[ends[i] : ends[i + 1]]
        distance[done] = cells[across.take(done), done]
    return distance


def _row_by_cells(cells: Cells, above: NDArray[np.int32], character: NDArray[np.int32], row: int) -> None:
    """Go on by one character of b, in one step for each character of a: where there are many pairs."""
    diagonal = cells[0].copy()
    cells[0] = row
    for j, other in enumerate(above):
        cell = cells[j + 1]
        replaced = diagonal + (other != character)
        diagonal = cell.copy()
        cell += 1
        np.minimum(cell, cells[j] + 1, out=cell)
        np.minimum(cell, replaced, out=cell)


def _row_at_once(cells: Cells, above: NDArray[np.int32], character: NDArray[np.int32], row: int) -> None:
    """The same in few steps: a way that goes on across costs 1 a cell, so less j it is the lowest so far."""
    replaced = cells[:-1] + (above != character)
    cells += 1
    np.minimum(cells[1:], replaced, out=cells[1:])
    cells[0] = row
    across = np.arange(len(cells), dtype=cells.dtype)[:, None]
    cells -= across
    np.minimum.accumulate(cells, axis=0, out=cells)
    cells += across


def _characters(texts: Codes, rows: NDArray[np.intp], lengths: Lengths) -> NDArray[np.int32]:
    """Code points by position, shape (longest, rows), with -1 behind the end."""
    longest = int(lengths.max(initial=0))
    place = np.arange(longest)[:, None]
    inside = place < lengths
    at = np.where(inside, texts.offsets.take(rows) + place, 0)
    if not longest:
        return np.empty((0, len(rows)), np.int32)
    return np.where(inside, texts.values.take(at), np.int32(_NO_CHARACTER))


def _triangle(start: int, stop: int) -> NDArray[np.int64]:
    """How many pairs come before those of each row from `start` on, where row k has k pairs."""
    rows = np.arange(start, stop)
    return np.cumsum(rows) - rows
