"""Near texts: segments in a sorted array of hashes (Pass-Join: Li, Deng, Wang, Feng, PVLDB 2011).

A text of length l is cut into edits + 1 segments. Within `edits` edits of an item, one of the segments
remains unchanged, and its place in the item differs by at most the edits to its left and to its right. So
the item's substrings at these places meet the hash of an unchanged segment. A signature of a text then rules
most of these texts out: 64 bits, each the parity of the number of pairs of adjacent characters that hash to
it. An edit removes and adds at most two such pairs each, so near signatures differ in at most 4 * edits bits.
The edits of the texts that remain are counted. With many edits, segments are too short to separate texts, and
all texts of a fitting length are measured.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.edits import levenshtein
from lambda_worker.serving.queries import LONGEST_TEXT
from lambda_worker.serving.structures.near import Near
from lambda_worker.tables.features import Codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import AnyInts, Ints, Ints32

_MOST_EDITS = 8  # of an index by segments
_FEW = 24  # texts measured one by one; more are measured together
_TOGETHER = 1 << 14
_BYTES = 4  # of a code point
_FLIPS = 4  # bits of a signature that an edit changes, at most
_LENGTHS, _PLACES, _WORD = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 2**64 - 1
_SEED = 0x9E3779B9


def build_texts(codes: Codes, threshold: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of `Texts`.

    Args:
        codes: The code points of each point.
        threshold: Edits.
    """
    arrays: dict[str, NDArray[Any]] = {
        "text_codes": codes.values,
        "text_offsets": codes.offsets,
        "text_signatures": _signatures(codes),
    }
    edits = int(threshold)
    if edits > _MOST_EDITS:
        return arrays
    keys = np.empty((len(codes.lengths), edits + 1), np.uint64)
    body, offsets = codes.values.tobytes(), codes.offsets.tolist()
    for row, length in enumerate(codes.lengths.tolist()):
        start = offsets[row]
        cuts = _cuts(length, edits)
        for segment in range(edits + 1):
            piece = body[_BYTES * (start + cuts[segment]) : _BYTES * (start + cuts[segment + 1])]
            keys[row, segment] = _key(length, segment, piece)
    order = np.argsort(keys, axis=None, kind="stable")
    arrays["segment_keys"] = keys.ravel().take(order)
    arrays["segment_ids"] = (order // (edits + 1)).astype(np.int32)
    return arrays


class Texts:
    """Texts, compared by their code points.

    Args:
        arrays: As `build_texts` returns them.
        threshold: Edits.
        built_for: Edits that the segments were cut for; they find no texts with more.
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], threshold: float, built_for: float | None = None
    ) -> None:
        self._codes = Codes(arrays["text_offsets"], arrays["text_codes"])
        self._keys, self._ids = arrays.get("segment_keys"), arrays.get("segment_ids")
        if built_for is not None and threshold > built_for:
            self._keys = self._ids = None
        self._marks = arrays["text_signatures"]
        self._edits = int(min(threshold, LONGEST_TEXT))

    def near(self, query: str) -> Near:
        """Return the texts within the threshold of a text."""
        mark = _signatures(Codes(np.array([0, len(query)]), _code_points(query)))[0]
        found = [
            ids[np.bitwise_count(self._marks.take(ids) ^ mark) <= _FLIPS * self._edits]
            for ids in self._candidates(query)
        ]
        ids = np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)
        if len(ids) <= _FEW:
            edits = np.array([self._count(query, point) for point in ids.tolist()], np.float64)
        else:
            edits = np.concatenate(
                [
                    self._measure(query, ids[start : start + _TOGETHER])
                    for start in range(0, len(ids), _TOGETHER)
                ]
            )
        is_near = np.flatnonzero(edits <= self._edits)
        return Near(ids.take(is_near), edits.take(is_near))

    def _candidates(self, query: str) -> list[AnyInts]:
        """Return lists of texts that together hold all near ones; a text may be in several."""
        if self._keys is None or self._ids is None:
            gap = np.abs(self._codes.lengths - len(query))
            return [np.flatnonzero(gap <= self._edits)]
        asked = np.unique(np.fromiter(_keys_of(query, self._edits), np.uint64))
        starts = np.searchsorted(self._keys, asked, "left").tolist()
        ends = np.searchsorted(self._keys, asked, "right").tolist()
        return [self._ids[start:end] for start, end in zip(starts, ends, strict=True) if end > start]

    def _count(self, query: str, point: int) -> int:
        start, end = self._codes.offsets[point : point + 2].tolist()
        return count_edits(query, self._codes.values[start:end].tobytes().decode("utf-32-le"))

    def _measure(self, query: str, ids: Ints) -> NDArray[np.float64]:
        found = self._codes.take(ids)
        own = _code_points(query)
        together = Codes(
            np.append(found.offsets, found.offsets[-1] + len(own)), np.concatenate([found.values, own])
        )
        last = np.full(len(ids), len(ids))
        return levenshtein(together, last, np.arange(len(ids))).astype(np.float64)


def count_edits(one: str, other: str) -> int:
    """Return the Levenshtein distance of two texts.

    The bit vectors of Myers (J. ACM 1999), as Hyyrö (2003) states them, in integers of any length: a bit for
    each row of the table, a step for each column.

    >>> count_edits("kitten", "sitting")
    3
    """
    if not one:
        return len(other)
    rows: dict[str, int] = {}
    for position, character in enumerate(one):
        rows[character] = rows.get(character, 0) | 1 << position
    everywhere, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    above, below, edits = everywhere, 0, len(one)
    for character in other:
        equal = rows.get(character, 0)
        across = (((equal & above) + above) ^ above) | equal
        up = below | (everywhere & ~(across | above))
        down = above & across
        edits += bool(up & last) - bool(down & last)
        up = (up << 1 | 1) & everywhere
        down = (down << 1) & everywhere
        vertical = equal | below
        above = down | (everywhere & ~(vertical | up))
        below = up & vertical
    return edits


def _signatures(texts: Codes) -> NDArray[np.uint64]:
    """Return the signature of each text, shape (texts,)."""
    codes = texts.values.astype(np.uint64)
    hashes = (codes[:-1] * np.uint64(_PLACES) + codes[1:]) * np.uint64(_LENGTHS) >> np.uint64(58)
    bits = np.append(np.uint64(1) << hashes, np.uint64(0))
    ends = texts.offsets[1:][texts.lengths > 0] - 1
    bits[ends] = 0  # a pair of two texts
    found = np.zeros(len(texts.lengths), np.uint64)
    long = np.flatnonzero(texts.lengths)
    if len(long):
        found[long] = np.bitwise_xor.reduceat(bits, texts.offsets[long])
    return found


def _code_points(text: str) -> Ints32:
    return np.frombuffer(text.encode("utf-32-le"), np.int32)


def _keys_of(query: str, edits: int) -> Iterator[int]:
    """Yield the keys of the segments that a near text may share with a text."""
    body = query.encode("utf-32-le")
    for length in range(max(0, len(query) - edits), len(query) + edits + 1):
        cuts, added = _cuts(length, edits), len(query) - length
        for segment in range(edits + 1):
            start, width = cuts[segment], cuts[segment + 1] - cuts[segment]
            after = edits - segment
            low = max(0, start - segment, start + added - after)
            high = min(len(query) - width, start + segment, start + added + after)
            for place in range(low, high + 1):
                yield _key(length, segment, body[_BYTES * place : _BYTES * (place + width)])


def _cuts(length: int, edits: int) -> list[int]:
    return [length * part // (edits + 1) for part in range(edits + 2)]


def _key(length: int, segment: int, piece: bytes) -> int:
    content = zlib.crc32(piece) << 32 | zlib.crc32(piece, _SEED)
    return (content ^ (length * _LENGTHS + segment * _PLACES)) & _WORD
