"""Axes: from values to places in a picture, and ticks at round values."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)
_PLAIN = 1e12  # larger values are written with exponents
_DECIMALS = 6
_DIGITS = 17


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis.

    Attributes:
        low: The value at `start`.
        high: The value at `end`.
        start: Place in the picture.
        end: Place in the picture.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        span = self.high - self.low
        share = (value - self.low) / span if span > 0.0 else 0.5
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis; values below `low`, which is above 0, are at `start`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        span = math.log(self.high / self.low)
        share = math.log(max(value, self.low) / self.low) / span if span > 0.0 else 0.5
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> tuple[float, ...]:
        """At most about eight powers of ten within the axis, or its ends if it has none."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        step = max(1, -(-(last - first) // 8))
        return tuple(10.0**power for power in range(first, last + 1, step)) or (self.low, self.high)


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> tuple[float, ...]:
    """Return ascending round values within an interval.

    Args:
        low: Where the interval begins.
        high: Where it ends.
        most: Maximum number of ticks, at least 2.
        whole: Whether values between whole numbers are meaningless.
    """
    span = high - low
    if not span > 0.0 or not math.isfinite(span):
        return (low,)
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * (1.0 - 1e-9))
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(k * step for k in range(first, last + 1)) or (low,)


def tick_texts(values: tuple[float, ...]) -> tuple[str, ...]:
    """Return the labels of ticks, with as few digits as tell them apart.

    >>> tick_texts((0.0, 0.5, 1.0)), tick_texts((0.0, 1000.0, 2000.0))
    (('0.0', '0.5', '1.0'), ('0', '1,000', '2,000'))
    """
    largest = max(map(abs, values))
    formats = [f",.{k}f" for k in range(_DECIMALS + 1)] if largest < _PLAIN else []
    formats += [f".{k}g" for k in range(1, _DIGITS + 1)]
    step = min((b - a for a, b in itertools.pairwise(values)), default=largest)
    for written in formats:
        texts = tuple(f"{value + 0.0:{written}}" for value in values)
        exact = all(
            abs(float(text.replace(",", "")) - value) <= step * 1e-3
            for text, value in zip(texts, values, strict=True)
        )
        if exact:
            return texts
    return tuple(f"{value:g}" for value in values)
