"""Numbers for the tokens of sets, as the C functions give them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.kernel.library import Kernel

_FIRST_SLOTS = 1 << 16
_SLOT_NUMBERS = 2  # of 8 bytes


class _Struct(ctypes.Structure):
    """`TokenNumbers` in tokens.c."""

    _fields_: ClassVar = [
        ("tokens", ctypes.c_int64),
        ("bytes", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("numbers", ctypes.c_void_p),
        ("firsts", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("slot_count", ctypes.c_int64),
        ("next", ctypes.c_int64),
        ("distinct", ctypes.c_int64),
    ]


def number_tokens(
    kernel: Kernel, text: NDArray[np.uint8], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int32], int]:
    """Equal tokens get equal numbers, from 0 in the order in which they first come.

    Args:
        kernel: The functions.
        text: Bytes of all tokens, end to end.
        starts: Shape (tokens + 1,): where each begins, and the end.

    Returns:
        The numbers, shape (tokens,), and how many there are.
    """
    count = len(starts) - 1
    numbers, firsts = np.empty(count, np.int32), np.empty(count, np.int32)
    slots = np.zeros(_SLOT_NUMBERS * _FIRST_SLOTS, np.int64)
    struct = _Struct(
        tokens=count,
        bytes=text.ctypes.data,
        starts=starts.ctypes.data,
        numbers=numbers.ctypes.data,
        firsts=firsts.ctypes.data,
        slots=slots.ctypes.data,
        slot_count=_FIRST_SLOTS,
    )
    kernel.call.number_tokens(ctypes.byref(struct))
    while struct.next < count:
        check_deadline()
        more = np.zeros(4 * len(slots), np.int64)
        kernel.call.move_slots(ctypes.byref(struct), more, len(more) // _SLOT_NUMBERS)
        slots = more
        kernel.call.number_tokens(ctypes.byref(struct))
    return numbers, int(struct.distinct)
