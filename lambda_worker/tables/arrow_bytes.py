"""The bytes of a text column through the Arrow C data interface, since arro3 gives only Python strings.

https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from arro3.core import Array

    from lambda_worker.arrays import Bytes, Ints

_NAME = b"arrow_array"
_OFFSETS, _BYTES = 1, 2  # buffers of a utf8 array, after the one of nulls


class _ArrowArray(ctypes.Structure):
    """The first fields of `ArrowArray`; the others are not read."""

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


def text_bytes(array: Array) -> tuple[Bytes, Ints]:
    """Copy the UTF-8 bytes of the texts of an array.

    Args:
        array: An array of type utf8, without nulls.

    Returns:
        The bytes of all texts, end to end, and their offsets, shape (texts + 1,).
    """
    _, capsule = array.__arrow_c_array__()  # keeps the memory alive
    found = _ArrowArray.from_address(_POINTER_OF(capsule, _NAME))
    if not found.length:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    numbers = ctypes.c_int32 * (found.offset + found.length + 1)
    offsets = np.ctypeslib.as_array(numbers.from_address(found.buffers[_OFFSETS]))[found.offset :]
    first, last = int(offsets[0]), int(offsets[-1])
    if last == first:  # there may be no byte buffer then
        return np.empty(0, np.uint8), offsets.astype(np.int64) - first
    text = np.ctypeslib.as_array((ctypes.c_uint8 * last).from_address(found.buffers[_BYTES]))
    return text[first:].copy(), offsets.astype(np.int64) - first
