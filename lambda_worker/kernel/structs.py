"""Structs of the C functions with arrays behind their pointers, and joins that list pairs in portions."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Pairs

_PAIRS = 1 << 18  # pairs at a time, 6 MiB
_WORK = 1 << 22  # tests between two checks of the deadline


def c_struct(name: str, members: str) -> type[ctypes.Structure]:
    """A struct of C.

    Args:
        name: Its name.
        members: In the order of C: `texts` is an int64_t, `double limit` a double, `*codes` a pointer.
    """
    fields = []
    for member in members.replace("\n", " ").split(","):
        kind, _, own = member.strip().rpartition(" ")
        pointer = own.startswith("*")
        number = ctypes.c_double if kind == "double" else ctypes.c_int64
        fields.append((own.lstrip("*"), ctypes.c_void_p if pointer else number))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


class Held:
    """A struct and the arrays of its pointers, which it keeps alive."""

    def __init__(
        self, kind: type[ctypes.Structure], arrays: Mapping[str, NDArray[Any]], **numbers: float
    ) -> None:
        self._struct: Any = kind(**numbers)
        self._arrays: dict[str, NDArray[Any]] = {}
        for name, array in arrays.items():
            self.hold(name, array)

    def hold(self, name: str, array: NDArray[Any]) -> None:
        """Set a pointer."""
        self._arrays[name] = array
        setattr(self._struct, name, array.ctypes.data)

    def number(self, name: str) -> int:
        """The value of an int64_t."""
        return int(getattr(self._struct, name))

    @property
    def address(self) -> object:
        """The address to pass to the C functions."""
        return ctypes.byref(self._struct)

    @property
    def tested(self) -> int:
        """Pairs whose distance was computed so far, or that shared a key."""
        return self.number("tested")


class Join(Held):
    """Lists near pairs of rows in portions."""

    join: Callable[..., int]
    """The C function that goes on; it returns -1 if there is no room for the pairs of one row."""

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        raise NotImplementedError

    def pairs(self, capacity: int = _PAIRS, work: int = _WORK) -> Iterator[Pairs]:
        """Yield all pairs once, in portions; each is valid until the next one.

        Args:
            capacity: Pairs at a time; more if one row alone has more.
            work: Tests between two checks of the deadline.
        """
        portion = _portion(capacity)
        while not self.is_done:
            check_deadline()
            count = self.join(self.address, work, len(portion[0]), *portion)
            if count < 0:
                portion = _portion(2 * len(portion[0]))
            elif count:
                one, other, distance = portion
                yield one[:count], other[:count], distance[:count]


def _portion(capacity: int) -> Pairs:
    return np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity)
