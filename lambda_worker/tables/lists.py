"""Texts and sets of a day in memory, within a memory limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from arro3.core import list_flatten, list_offsets

from lambda_worker.arrays import joined
from lambda_worker.contract import InputError
from lambda_worker.tables.arrow_bytes import text_bytes
from lambda_worker.tables.features import text_codes
from lambda_worker.tables.reading import read_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arro3.core import Array

    from lambda_worker.arrays import Bytes, Ints, Ints32


_BATCH_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Texts:
    """Code points of texts.

    Attributes:
        ids: Shape (texts,), ascending.
        codes: Code points, end to end, int32.
        starts: Shape (texts,): where each text begins.
        lengths: Shape (texts,).
    """

    ids: Ints
    codes: Ints32
    starts: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class TokenSets:
    """Tokens of sets, as bytes.

    Attributes:
        ids: Shape (sets,), ascending.
        starts: Shape (sets,): first token of each set.
        sizes: Shape (sets,).
        text: UTF-8 of all tokens, end to end.
        bounds: Shape (tokens + 1,): where each token begins, and the end.
    """

    ids: Ints
    starts: Ints
    sizes: Ints
    text: Bytes
    bounds: Ints


class TooLargeError(Exception):
    """The files contain more than may be read."""


def read_texts(addresses: tuple[str, ...], column: str, fits: Callable[[int, int], bool]) -> Texts:
    """Read whole files.

    Args:
        addresses: Parquet files with `point_id` and the column.
        column: VARCHAR.
        fits: Whether a number of texts with a number of code points fits into memory.

    Raises:
        InputError: A file is not of the contract.
        TooLargeError: `fits` says no.
    """
    ids, codes, lengths = [], [], []
    texts = points = 0
    for batch_ids, array in _read(addresses, column, "VARCHAR"):
        width, points_here = text_codes(array)
        ids.append(batch_ids)
        lengths.append(width)
        codes.append(points_here)
        texts, points = texts + len(batch_ids), points + len(points_here)
        if not fits(texts, points):
            raise TooLargeError
    number, starts, width = _by_id(joined(ids, np.int64), joined(lengths, np.int64))
    return Texts(number, joined(codes, np.int32), starts, width)


def read_sets(addresses: tuple[str, ...], column: str, fits: Callable[[int, int, int], bool]) -> TokenSets:
    """Read whole files.

    Args:
        addresses: Parquet files with `point_id` and the column.
        column: ARRAY(VARCHAR).
        fits: Whether a number of sets, of tokens and of bytes of tokens fits into memory.

    Raises:
        InputError: A file is not of the contract, or a set is empty.
        TooLargeError: `fits` says no.
    """
    ids, sizes, texts, widths = [], [], [], []
    sets = tokens = size = 0
    for batch_ids, array in _read(addresses, column, "ARRAY(VARCHAR)"):
        held = np.diff(list_offsets(array).to_numpy().astype(np.int64))
        flat = list_flatten(array)
        if flat.null_count or not held.all():
            raise InputError(f"column {column} of {addresses[0]} holds an empty set, or a null in a set")
        text, bounds = text_bytes(flat)
        ids.append(batch_ids)
        sizes.append(held)
        texts.append(text)
        widths.append(np.diff(bounds).astype(np.int32))
        sets, tokens, size = sets + len(batch_ids), tokens + len(bounds) - 1, size + len(text)
        if not fits(sets, tokens, size):
            raise TooLargeError
    text, bounds = joined(texts, np.uint8), _ends(widths, tokens)
    number, starts, count = _by_id(joined(ids, np.int64), joined(sizes, np.int64))
    return TokenSets(number, starts, count, text, bounds)


def _read(addresses: tuple[str, ...], column: str, wanted: str) -> Iterator[tuple[Ints, Array]]:
    for address in addresses:
        for (ids,), array in read_column(address, ("point_id",), column, wanted, _BATCH_ROWS):
            yield ids.copy(), array


def _by_id(ids: Ints, lengths: Ints) -> tuple[Ints, Ints, Ints]:
    """The ids in order, and where each row starts among all, and its length."""
    starts = np.cumsum(lengths) - lengths
    if (ids[1:] > ids[:-1]).all():
        return ids, starts, lengths
    order = np.argsort(ids, kind="stable")
    return ids.take(order), starts.take(order), lengths.take(order)


def _ends(widths: list[Ints32], count: int) -> Ints:
    """Return 0 and the end of each item of such a width; shape (count + 1,)."""
    ends, last = np.zeros(count + 1, np.int64), 0
    for part in widths:
        here = ends[last : last + len(part) + 1]
        np.cumsum(part, out=here[1:])
        here[1:] += here[0]
        last += len(part)
    return ends
