"""Near points of several features: all points are measured, texts only where the other features leave room.

Terms and their order of addition are those of `metrics/gower.py`.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.edits import levenshtein
from lambda_worker.metrics.globe import HALF_WAY_ROUND_M, Places, in_metres
from lambda_worker.metrics.pairwise import SET_DISTANCES
from lambda_worker.serving.structures.near import Near
from lambda_worker.tables.features import Codes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract.profiles import Part
    from lambda_worker.metrics.gower import MixedFeatures

_CHUNK = 1 << 16
_SLACK = 1 + 2.0**-30  # above the rounding of sums of 16 terms, relative to the threshold and the weights


def build_mixed(features: MixedFeatures) -> dict[str, NDArray[Any]]:
    """Return the arrays of `Mixed`."""
    arrays: dict[str, NDArray[Any]] = {}
    for position, one in enumerate(features.features):
        if one.rows is not None:
            arrays[f"part{position}_rows"] = one.rows
        else:
            arrays[f"part{position}_offsets"] = one.codes.offsets
            arrays[f"part{position}_codes"] = one.codes.values
    return arrays


class Mixed:
    """Points with several features.

    Args:
        arrays: As `build_mixed` returns them.
        parts: The features.
        threshold: Points at most this far apart are near.
        code_of: Returns the code of a token of a feature by position, None if no point has it.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        parts: Sequence[Part],
        threshold: float,
        code_of: Callable[[str, int], int | None],
    ) -> None:
        self._parts = parts
        self._columns = [_column(arrays, position) for position in range(len(parts))]
        self._threshold = threshold
        self._code_of = code_of
        self._total = reduce(add, (part.weight for part in parts))
        self._points = (
            len(self._columns[0])
            if isinstance(self._columns[0], np.ndarray)
            else len(self._columns[0].offsets) - 1
        )

    def near(self, query: Sequence[Any]) -> Near:
        """Return the points within the threshold of a value for each feature."""
        found = [
            self._chunk(query, np.arange(start, min(start + _CHUNK, self._points)))
            for start in range(0, self._points, _CHUNK)
        ]
        return Near(
            np.concatenate([one.ids for one in found]), np.concatenate([one.distances for one in found])
        )

    def _chunk(self, query: Sequence[Any], ids: Ints) -> Near:
        rows = slice(int(ids[0]), int(ids[-1]) + 1)
        terms: dict[int, Floats] = {}
        for position, part in enumerate(self._parts):
            if part.kind != "text":
                terms[position] = self._term(position, rows, query[position])
        least = sum(terms.values(), start=np.zeros(len(ids)))
        room = np.flatnonzero(least <= self._threshold * self._total * _SLACK)
        ids = ids.take(room)
        terms = {position: term.take(room) for position, term in terms.items()}
        if not len(ids):
            return Near.nothing()
        for position, part in enumerate(self._parts):
            if part.kind == "text":
                terms[position] = self._term(position, ids, query[position])
        distance = reduce(np.add, (terms[position] for position in range(len(self._parts)))) / self._total
        is_near = np.flatnonzero(distance <= self._threshold)
        return Near(ids.take(is_near), distance.take(is_near))

    def _term(self, position: int, rows: Any, value: Any) -> Floats:
        part, column = self._parts[position], self._columns[position]
        if isinstance(column, np.ndarray):
            term = _of_numbers(part, column[rows], value)
        else:
            some = column.take(rows)
            if part.kind == "set":
                codes = [self._code_of(token, position) for token in value]
                term = _of_sets(some, len(value), [code for code in codes if code is not None])
            elif part.kind == "text":
                term = _of_texts(some, value)
            else:
                term = _of_categories(some, value)
        return term * part.weight


def _column(arrays: Mapping[str, NDArray[Any]], position: int) -> NDArray[Any] | Codes:
    rows = arrays.get(f"part{position}_rows")
    if rows is not None:
        return rows
    return Codes(arrays[f"part{position}_offsets"], arrays[f"part{position}_codes"])


def _of_numbers(part: Part, rows: Floats, value: Floats) -> Floats:
    if part.kind == "geo":
        place = Places.of(value[:, None])
        return np.asarray(in_metres(Places.of(rows.T).reduce(place)) / HALF_WAY_ROUND_M, np.float64)
    term = np.abs(rows[:, 0] - value[0])
    term *= 0.0 if part.width == 0 else 1.0
    found: Floats = term / (part.width or 1.0)
    return found


def _of_sets(sets: Codes, size: int, codes: list[int]) -> Floats:
    is_own = np.zeros(int(sets.values.max(initial=0)) + 1, np.bool_)
    own = np.array(codes, np.int64)
    is_own[own[own < len(is_own)]] = True
    ends = np.concatenate([[0], np.cumsum(is_own.take(sets.values))])
    common = np.diff(ends.take(sets.offsets)).astype(np.float64)
    return SET_DISTANCES["jaccard"](float(size), sets.lengths.astype(np.float64), common)


def _of_categories(texts: Codes, value: str) -> Floats:
    own = _code_points(value)
    differs = texts.lengths != len(own)
    same = np.flatnonzero(~differs)
    if len(own) and len(same):
        found = texts.take(same).values.reshape(len(same), len(own))
        differs[same] = (found != own).any(axis=1)
    return np.asarray(differs, np.float64)


def _of_texts(texts: Codes, value: str) -> Floats:
    own = _code_points(value)
    together = Codes(np.append(texts.offsets, texts.offsets[-1] + len(own)), np.append(texts.values, own))
    count = len(texts.lengths)
    edits = levenshtein(together, np.full(count, count), np.arange(count)).astype(np.float64)
    return edits / np.maximum(np.maximum(texts.lengths, len(own)), 1)


def _code_points(text: str) -> NDArray[np.int32]:
    return np.frombuffer(text.encode("utf-32-le"), np.int32)
