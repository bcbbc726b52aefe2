"""Types of arrays in annotations, whose shapes docstrings give, and columns of equal length."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ints32 = NDArray[np.int32]
Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

AnyInts = NDArray[np.integer]
SignedInts = NDArray[np.signedinteger]
UnsignedInts = NDArray[np.unsignedinteger]

Bigints = tuple[Ints, ...]
"""BIGINT columns of a table, shape (rows,) each."""

Pairs = tuple[Ints, Ints, Floats]
"""Two ids or rows, and their distance; shape (pairs,) each."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Base of dataclasses whose fields are arrays with one entry per row along `axis`.

    >>> @dataclass(frozen=True, slots=True)
    ... class Table(Columns):
    ...     a: Ints
    ...     b: Floats
    >>> table = Table(np.array([1, 2, 3]), np.array([0.1, 0.2, 0.3]))
    >>> len(Table.join(table, table.take(slice(1, 3))))
    5
    """

    axis: ClassVar[int] = 0

    def __len__(self) -> int:
        return len(self.columns()[0])

    def columns(self) -> tuple[Any, ...]:
        """The arrays in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def take(self, rows: AnyInts | slice) -> Self:
        """Some rows, copied unless `rows` is a slice."""
        if isinstance(rows, slice):
            return type(self)(*(column[rows if self.axis == 0 else (..., rows)] for column in self.columns()))
        return type(self)(*(column.take(rows, axis=self.axis) for column in self.columns()))

    @classmethod
    def join(cls, *parts: Self) -> Self:
        """The rows of all parts, of which there is at least one, in this order."""
        columns = zip(*(part.columns() for part in parts), strict=True)
        return cls(*(np.concatenate(column, axis=cls.axis) for column in columns))


def joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    """Concatenate arrays; the list is emptied, each part once it is copied, so that little is held twice."""
    end = sum(len(part) for part in parts)
    whole = np.empty(end, kind)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole
