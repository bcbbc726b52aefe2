"""Sines with the same bits in numpy and in C, for the numpy fallback of trees of places.

numpy and the C library compute sines in several ways, which differ in their last bits. These are Taylor
series of fixed order, off by about one unit in the last place; `sine` in lambda_worker/kernel/kd_tree.h is
the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats

_HALF_PI, _PI, _PI_REST = 1.5707963267948966, 3.141592653589793, 1.2246467991473532e-16
_SERIES = [(-1.0) ** (k // 2) / math.factorial(k) for k in range(3, 22, 2)]  # of x^3 to x^21


def sine_of_half(half: Floats) -> Floats:
    """Return the absolute sines of -pi..pi; any shape."""
    a = np.abs(half)
    x = np.where(a > _HALF_PI, (_PI - a) + _PI_REST, a)
    s = x * x
    p = np.full_like(s, _SERIES[-1])
    for term in _SERIES[-2::-1]:
        p *= s
        p += term
    return np.asarray(x + x * (p * s), np.float64)


def reduce_places(one: Floats, others: Floats) -> Floats:
    """Return the reduced distances of places to others, in the order of operations of `reduce_places` in C.

    Args:
        one: Shape (3, ...): latitudes, longitudes in radians, cosines of latitudes.
        others: The same of the others; shapes broadcast.
    """
    s = sine_of_half(0.5 * (one[0] - others[0]))
    total = s * s
    s = sine_of_half(0.5 * (one[1] - others[1]))
    return np.asarray(total + one[2] * others[2] * s * s, np.float64)
