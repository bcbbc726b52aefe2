"""Features in memory: vectors and places as rows of numbers, sets and texts as rows of codes.

The code of a token is the rank of its text, so codes do not depend on the order of the rows. A text is its
code points. Both are stored end to end in one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from arro3.core import Array, DataType, dictionary_dictionary, dictionary_indices, list_flatten, list_offsets

from lambda_worker.arrays import joined
from lambda_worker.contract import ContractError, InputError
from lambda_worker.tables.arrow_bytes import text_bytes
from lambda_worker.tables.reading import read_column, read_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bigints, Floats, Indices, Ints, Ints32


_LISTS = ("set", "text")
_DENSE = ("vector", "embedding", "geo")
_BLOCK_CODES = 1 << 18
_BATCH_VALUES = 1 << 21  # of a batch that is decoded: 16 MiB of doubles
_CONTINUED, _TOP_BITS = 0x80, 0xC0  # of a UTF-8 continuation byte
_LIST_ROWS = 1 << 12  # of a batch whose rows have unknown lengths


@dataclass(frozen=True, slots=True)
class Codes:
    """Rows of different lengths, end to end.

    Attributes:
        offsets: Shape (rows + 1,), int64: row k is values[offsets[k]:offsets[k + 1]].
        values: Shape (codes,), int32. Tokens of a set are distinct and ascending; code points of a text are
            in text order.
    """

    offsets: Ints
    values: Ints32

    @property
    def lengths(self) -> Ints:
        """Number of codes of each row, shape (rows,)."""
        return np.diff(self.offsets)

    def take(self, rows: Indices | slice) -> Codes:
        """Select rows; they are copied unless `rows` is a contiguous slice."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self.offsets) - 1)
            bounds = self.offsets[start : stop + 1]
            return Codes(bounds - bounds[0], self.values[bounds[0] : bounds[-1]])
        lengths = self.lengths.take(rows)
        offsets = _offsets(lengths)
        shift = self.offsets.take(rows) - offsets[:-1]
        values = np.empty(offsets[-1], np.int32)
        for start, stop in _row_blocks(offsets):
            part = slice(offsets[start], offsets[stop])
            at = np.arange(part.start, part.stop) + np.repeat(shift[start:stop], lengths[start:stop])
            values[part] = self.values.take(at)
        return Codes(offsets, values)


@dataclass(frozen=True, slots=True)
class Features:
    """The feature columns of some points, by row.

    Attributes:
        kind: `set`, `vector`, `embedding`, `geo` or `text`.
        rows: Shape (points, dimensions), float64, for the kinds with numbers; else None.
        lists: Tokens of sets or code points of texts; else None.
    """

    kind: str
    rows: Floats | None = None
    lists: Codes | None = None

    def __len__(self) -> int:
        return len(self.rows) if self.rows is not None else len(self.codes.offsets) - 1

    @property
    def vectors(self) -> Floats:
        """Shape (points, dimensions); of a place: latitude and longitude in degrees.

        Raises:
            ContractError: The kind has no vectors.
        """
        if self.rows is None:
            raise ContractError(f"features of the kind {self.kind} have no vectors")
        return self.rows

    @property
    def codes(self) -> Codes:
        """Tokens or code points of each point.

        Raises:
            ContractError: The kind has none.
        """
        if self.lists is None:
            raise ContractError(f"features of the kind {self.kind} are neither sets nor texts")
        return self.lists

    def take(self, rows: Indices | slice) -> Features:
        """Select points; they are copied unless `rows` is a contiguous slice."""
        return Features(
            self.kind,
            None if self.rows is None else self.rows[rows],
            None if self.lists is None else self.lists.take(rows),
        )


def read_points(
    addresses: tuple[str, ...], numbers: tuple[str, ...], kind: str, columns: tuple[str, ...]
) -> tuple[Bigints, Features]:
    """Read whole files of points.

    Args:
        addresses: Parquet files, rows in any order.
        numbers: BIGINT columns.
        kind: Feature kind.
        columns: Its columns: DOUBLE columns or one ARRAY(DOUBLE) for `vector` and `embedding`, latitude and
            longitude for `geo`, one ARRAY(VARCHAR) for `set`, one VARCHAR for `text`.

    Returns:
        The BIGINT columns, shape (points,), and the features, both in the order of files and rows.

    Raises:
        InputError: A file is not of the contract; see `read_features`.
        ContractError: The kind is unknown or has other columns.
    """
    _check_kind(kind, columns)
    is_listed = kind in (*_LISTS, "embedding")
    most_rows = _LIST_ROWS if is_listed else max(1, _BATCH_VALUES // len(columns))
    if kind in _DENSE:
        return _read_dense(addresses, numbers, kind, columns, most_rows)
    return _read_lists(addresses, numbers, kind, columns[0], most_rows)


def _check_kind(kind: str, columns: tuple[str, ...]) -> None:
    if kind not in (*_DENSE, *_LISTS):
        raise ContractError(f"features of the kind {kind!r} are not clustered by component")
    if (kind in _LISTS and len(columns) != 1) or (kind == "geo" and len(columns) != 2) or not columns:
        raise ContractError(f"features of the kind {kind} cannot have the columns {', '.join(columns)}")


def _read_dense(
    addresses: tuple[str, ...], numbers: tuple[str, ...], kind: str, columns: tuple[str, ...], most_rows: int
) -> tuple[Bigints, Features]:
    bigints: list[Bigints] = []
    rows = np.empty((0, 0 if kind == "embedding" else len(columns)))
    for address in addresses:
        for read, vectors in read_features(address, numbers, columns, most_rows):
            dimensions, more = vectors.shape
            if len(rows) and rows.shape[1] != dimensions:
                raise InputError(f"arrays of column {columns[0]} of {addresses[0]} differ in length")
            bigints.append(read)
            # Resize in place: large arrays are remapped, so there is no second copy.
            rows.resize((len(rows) + more, dimensions), refcheck=False)
            rows[len(rows) - more :] = vectors.T
    return _columns(bigints, len(numbers)), Features(kind, rows=rows)


def _read_lists(
    addresses: tuple[str, ...], numbers: tuple[str, ...], kind: str, column: str, most_rows: int
) -> tuple[Bigints, Features]:
    vocabulary = _Vocabulary()
    bigints: list[Bigints] = []
    lengths: list[Ints] = []
    values: list[Ints32] = []
    wanted = "ARRAY(VARCHAR)" if kind == "set" else "VARCHAR"
    for address in addresses:
        for read, array in read_column(address, numbers, column, wanted, most_rows):
            bigints.append(read)
            more, codes = vocabulary.codes_of(array) if kind == "set" else text_codes(array)
            lengths.append(more)
            values.append(codes)
    lists = Codes(_offsets(joined(lengths, np.int64)), joined(values, np.int32))
    if kind == "set":
        lists = _as_sets(Codes(lists.offsets, vocabulary.ordered(lists.values)))
    return _columns(bigints, len(numbers)), Features(kind, lists=lists)


class _Vocabulary:
    """Numbers tokens in order of appearance."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def codes_of(self, array: Array) -> tuple[Ints, Ints32]:
        """Return the token count of each row, and the token numbers."""
        offsets = list_offsets(array).to_numpy().astype(np.int64)
        flat = list_flatten(array)
        if flat.null_count:
            raise InputError("a set holds a null")
        encoded = flat.cast(DataType.dictionary(DataType.int32(), DataType.utf8()))
        tokens = dictionary_dictionary(encoded).to_pylist()
        known = self._codes
        numbers = np.array([known.setdefault(token, len(known)) for token in tokens], np.int32)
        return np.diff(offsets), numbers.take(dictionary_indices(encoded).to_numpy())

    def ordered(self, values: Ints32) -> Ints32:
        """Renumber by the order of the tokens, so that the numbers do not depend on the reading order."""
        rank = np.empty(len(self._codes), np.int32)
        rank[[self._codes[token] for token in sorted(self._codes)]] = np.arange(len(rank), dtype=np.int32)
        return rank.take(values)


def _as_sets(codes: Codes) -> Codes:
    """Sort each row and drop duplicate codes; the values are overwritten."""
    sizes = np.zeros(len(codes.offsets) - 1, np.int64)
    end = 0
    for start, stop in _row_blocks(codes.offsets):
        part = codes.values[codes.offsets[start] : codes.offsets[stop]]
        row = np.repeat(np.arange(stop - start), codes.lengths[start:stop])
        order = np.lexsort((part, row))
        row, values = row.take(order), part.take(order)
        first = np.ones(len(values), np.bool_)
        first[1:] = (row[1:] != row[:-1]) | (values[1:] != values[:-1])
        sizes[start:stop] = np.bincount(row.compress(first), minlength=stop - start)
        kept = values.compress(first)
        codes.values[end : end + len(kept)] = kept  # never beyond what is read
        end += len(kept)
    return Codes(_offsets(sizes), codes.values[:end])


def _row_blocks(offsets: Ints) -> Iterator[tuple[int, int]]:
    """Yield consecutive row ranges [start, stop) with about `_BLOCK_CODES` codes each."""
    start, rows = 0, len(offsets) - 1
    while start < rows:
        stop = int(np.searchsorted(offsets, offsets[start] + _BLOCK_CODES, "right")) - 1
        stop = min(rows, max(stop, start + 1))
        yield start, stop
        start = stop


def text_codes(array: Array) -> tuple[Ints, Ints32]:
    """Return the number of code points of each text of an array, and all code points."""
    text, bounds = text_bytes(array)
    begins = np.zeros(len(text) + 1, np.int64)
    np.cumsum((text & _TOP_BITS) != _CONTINUED, out=begins[1:])
    codes = np.frombuffer(text.tobytes().decode().encode("utf-32-le"), np.dtype("<i4"))
    return np.diff(begins.take(bounds)), codes


def _columns(batches: list[Bigints], count: int) -> Bigints:
    return tuple(joined([batch[k] for batch in batches], np.int64) for k in range(count))


def _offsets(lengths: Ints) -> Ints:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
