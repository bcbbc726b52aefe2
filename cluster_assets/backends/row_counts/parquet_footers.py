"""Number of rows in the footer of a Parquet file, read without a Parquet library.

A footer is the struct `FileMetaData` in Thrift's compact protocol; its field 3 is the number of rows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAGIC = b"PAR1"
_NUM_ROWS = 3
# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def parquet_rows(uri: str) -> int:
    """Return the number of rows of a Parquet file.

    Raises:
        SourceUnreadableError: The file has no footer.
    """
    try:
        return _Footer(_footer_of(Path(uri))).rows()
    except (ValueError, IndexError, KeyError) as error:
        raise SourceUnreadableError(
            f"a second reader finds no number of rows: {error}", where=uri, remedy="write the file again"
        ) from error


def _footer_of(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length + 8 > size:
            raise ValueError("it does not end with a Parquet footer")
        file.seek(size - 8 - length)
        return file.read(length)


class _Footer:
    """Walks through the fields of a struct."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._skip: dict[int, Callable[[], object]] = {
            _TRUE: lambda: None,  # the type of a field is its value
            _FALSE: lambda: None,
            _BYTE: self._byte,
            _I16: self._varint,
            _I32: self._varint,
            _I64: self._varint,
            _DOUBLE: lambda: self._pass(8),
            _BINARY: lambda: self._pass(self._varint()),
            _LIST: self._list,
            _SET: self._list,
            _MAP: self._map,
            _STRUCT: self._struct,
        }

    def rows(self) -> int:
        """Return the field `num_rows`."""
        number = 0
        while header := self._byte():
            number, kind = self._field(number, header)
            if number == _NUM_ROWS:
                value = self._varint()
                return (value >> 1) ^ -(value & 1)
            self._skip[kind]()
        raise ValueError("its footer has no field of rows")

    def _field(self, before: int, header: int) -> tuple[int, int]:
        """Return field number and type; the number is stored as a difference to the last one or in full."""
        if header >> 4:
            return before + (header >> 4), header & 15
        value = self._varint()
        return (value >> 1) ^ -(value & 1), header & 15

    def _struct(self) -> None:
        number = 0
        while header := self._byte():
            number, kind = self._field(number, header)
            self._skip[kind]()

    def _list(self) -> None:
        header = self._byte()
        size = header >> 4 if header >> 4 < 15 else self._varint()
        self._values(size, header & 15)

    def _map(self) -> None:
        size = self._varint()
        kinds = self._byte() if size else 0
        for _ in range(size):
            self._values(1, kinds >> 4)
            self._values(1, kinds & 15)

    def _values(self, size: int, kind: int) -> None:
        for _ in range(size):
            if kind in (_TRUE, _FALSE):  # in a list a byte of its own
                self._byte()
            else:
                self._skip[kind]()

    def _pass(self, size: int) -> None:
        self._place += size

    def _byte(self) -> int:
        value = self._data[self._place]
        self._place += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
