"""The bytes of a column of texts, by the Arrow C data interface: arro3 gives them as Python strings only.

https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from arro3.core import Array
    from numpy.typing import NDArray

_NAME = b"arrow_array"
_OFFSETS, _BYTES = 1, 2  # buffers of a utf8 array, after the one of nulls


class _ArrowArray(ctypes.Structure):
    """The beginning of `ArrowArray`; what follows is not read."""

    _fields_: ClassVar = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ]


def _pointer_getter() -> ctypes._FuncPointer:
    function = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return function(("PyCapsule_GetPointer", ctypes.pythonapi))


_POINTER_OF = _pointer_getter()


def text_bytes(array: Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """UTF-8 of the texts of an array, copied.

    Args:
        array: Of the type utf8, without nulls.

    Returns:
        The bytes of all texts, end to end, and where each begins, and the end; shape (texts + 1,).
    """
    _, capsule = array.__arrow_c_array__()  # the memory is there as long as this
    found = _ArrowArray.from_address(_POINTER_OF(capsule, _NAME))
    if not found.length:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    numbers = ctypes.c_int32 * (found.offset + found.length + 1)
    offsets = np.ctypeslib.as_array(numbers.from_address(found.buffers[_OFFSETS]))[found.offset :]
    first, last = int(offsets[0]), int(offsets[-1])
    if last == first:  # there may be no buffer of bytes then
        return np.empty(0, np.uint8), offsets.astype(np.int64) - first
    text = np.ctypeslib.as_array((ctypes.c_uint8 * last).from_address(found.buffers[_BYTES]))
    return text[first:].copy(), offsets.astype(np.int64) - first
