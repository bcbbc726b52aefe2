"""Texts and sets of a day in memory, read until there is no more room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import DataType, list_flatten, list_offsets

from lambda_worker.arrow_bytes import text_bytes
from lambda_worker.contract import InputError
from lambda_worker.parquet_io import bigint_columns, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arro3.core import Array, Schema
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

_BATCH_ROWS = 1 << 14
_CONTINUED, _TOP_BITS = 0x80, 0xC0  # of a byte that goes on with a code point


@dataclass(frozen=True, slots=True)
class Texts:
    """Code points of texts.

    Attributes:
        ids: Shape (texts,), ascending.
        codes: Code points, end to end, int32.
        starts: Shape (texts,): where each text begins.
        lengths: Shape (texts,).
    """

    ids: NDArray[np.int64]
    codes: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


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

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    text: NDArray[np.uint8]
    bounds: NDArray[np.int64]


class TooLargeError(Exception):
    """The files hold more than may be read."""


def read_texts(addresses: tuple[str, ...], column: str, fits: Callable[[int, int], bool]) -> Texts:
    """Read whole files.

    Args:
        addresses: Parquet files with `point_id` and the column.
        column: VARCHAR.
        fits: Whether so many texts with so many code points may be held.

    Raises:
        InputError: A file is not of the contract.
        TooLargeError: `fits` says no.
    """
    ids, codes, lengths = [], [], []
    texts = points = 0
    for batch_ids, array in _read(addresses, column, "VARCHAR"):
        text, bounds = text_bytes(array)
        begins = np.zeros(len(text) + 1, np.int64)
        np.cumsum((text & _TOP_BITS) != _CONTINUED, out=begins[1:])
        ids.append(batch_ids)
        lengths.append(np.diff(begins.take(bounds)))
        codes.append(np.frombuffer(text.tobytes().decode().encode("utf-32-le"), np.dtype("<i4")))
        texts, points = texts + len(batch_ids), points + len(codes[-1])
        if not fits(texts, points):
            raise TooLargeError
    width, number = _joined(lengths, np.int64), _joined(ids, np.int64)
    order, number = _by_id(number)
    starts = np.cumsum(width) - width
    if order is not None:
        starts, width = starts.take(order), width.take(order)
    return Texts(number, _joined(codes, np.int32), starts, width)


def read_sets(addresses: tuple[str, ...], column: str, fits: Callable[[int, int, int], bool]) -> TokenSets:
    """Read whole files.

    Args:
        addresses: Parquet files with `point_id` and the column.
        column: ARRAY(VARCHAR).
        fits: Whether so many sets with so many tokens of so many bytes may be held.

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
    text, bounds = _joined(texts, np.uint8), _ends(widths, tokens)
    count, number = _joined(sizes, np.int64), _joined(ids, np.int64)
    order, number = _by_id(number)
    starts = np.cumsum(count) - count
    if order is not None:
        starts, count = starts.take(order), count.take(order)
    return TokenSets(number, starts, count, text, bounds)


def _read(addresses: tuple[str, ...], column: str, wanted: str) -> Iterator[tuple[NDArray[np.int64], Array]]:
    for address in addresses:

        def check(schema: Schema, address: str = address) -> None:
            _check(schema, column, wanted, address)

        for batch in read_rows(address, _BATCH_ROWS, check):
            array = batch.column(column)
            if array.null_count:
                raise InputError(f"column {column} of {address} has nulls")
            yield bigint_columns(batch, ("point_id",), address)[0].copy(), array


def _check(schema: Schema, column: str, wanted: str, address: str) -> None:
    if column not in schema.names:
        raise InputError(f"{address} has no column {column}; its columns are {', '.join(schema.names)}")
    found = schema.field(column).type
    is_list = bool(DataType.is_list(found))
    texts = found.value_type if is_list else found
    if is_list != wanted.startswith("ARRAY") or texts != DataType.utf8():
        raise InputError(f"column {column} of {address} is {found}, not {wanted}")


def _by_id(ids: Ids) -> tuple[NDArray[np.intp] | None, Ids]:
    """The order of the ids, None where they ascend, and the ids in it."""
    if (ids[1:] > ids[:-1]).all():
        return None, ids
    order = np.argsort(ids, kind="stable")
    return order, ids.take(order)


def _joined(parts: list[NDArray[Any]], kind: type[np.integer]) -> NDArray[Any]:
    """The parts end to end; each is let go once it is copied, so that little is held twice."""
    end = sum(len(part) for part in parts)
    whole = np.empty(end, kind)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _ends(widths: list[NDArray[np.int32]], count: int) -> NDArray[np.int64]:
    """0, and where each item of such a width ends; shape (count + 1,)."""
    ends, last = np.zeros(count + 1, np.int64), 0
    for part in widths:
        here = ends[last : last + len(part) + 1]
        np.cumsum(part, out=here[1:])
        here[1:] += here[0]
        last += len(part)
    return ends
