"""Expected ranges for a day's metrics, and the outcomes of checks.

A metric of a day is compared with the same metric of earlier days, by their median and their median absolute
deviation (MAD), which a few outlying days barely change. 1.4826 MAD estimates the standard deviation
of normally distributed values (Rousseeuw and Croux, Journal of the American Statistical Association 88,
1993).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAD_OF_NORMAL = 1.4826

Scale = Literal["ratio", "difference"]


@dataclass(frozen=True, slots=True)
class Range:
    """The range of expected values, both ends included.

    Attributes:
        center: The median of the days before.
    """

    low: float
    high: float
    center: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check found on one day.

    Attributes:
        name: Name of the check, unique within its stage.
        blocking: Whether a failure stops the day.
        description: What was found and, after a failure, what to do.
        numbers: The value, the expected range and other numbers that explain the outcome.
        days: The earlier days that it was compared with, if any.
    """

    name: str
    passed: bool
    blocking: bool
    description: str
    numbers: Mapping[str, int | float | str] = field(default_factory=dict)
    days: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether this outcome stops the day."""
        return self.blocking and not self.passed

    @property
    def state(self) -> str:
        """The result in one word: passed, warning or failed."""
        return "passed" if self.passed else "failed" if self.blocking else "warning"


def expected_range(history: Sequence[float], *, deviations: float, tolerance: float, scale: Scale) -> Range:
    """The range around the median of earlier values.

    Args:
        history: Values of earlier days, at least one.
        deviations: Half-width of the range in robust standard deviations.
        tolerance: Minimum half-width. With `ratio`, 1.0 is half to double; with `difference`, 0.1 is +-0.1.
        scale: `ratio` compares log(1 + value), for counts; `difference` the values, for shares.
    """
    is_ratio = scale == "ratio"
    values = [math.log1p(value) for value in history] if is_ratio else list(history)
    center = median(values)
    spread = MAD_OF_NORMAL * median([abs(value - center) for value in values])
    reach = max(deviations * spread, math.log1p(tolerance) if is_ratio else tolerance)
    low, high = center - reach, center + reach
    if is_ratio:
        low, high, center = max(math.expm1(low), 0.0), math.expm1(high), math.expm1(center)
    # A small margin, so that rounding never puts a value equal to its history outside.
    return Range(low - 1e-9, high + 1e-9, center)


def write_outcomes(outcomes: Sequence[CheckOutcome]) -> str:
    """Serialize outcomes as JSON for a manifest."""
    return json.dumps([asdict(outcome) for outcome in outcomes], sort_keys=True)


def read_outcomes(text: str) -> tuple[CheckOutcome, ...]:
    """Parse the output of `write_outcomes`; fields of later versions are ignored."""
    known = set(CheckOutcome.__dataclass_fields__)
    bodies: list[dict[str, Any]] = json.loads(text)
    return tuple(
        CheckOutcome(**{name: value for name, value in body.items() if name in known} | _days(body))
        for body in bodies
    )


def _days(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {"days": tuple(body.get("days", ()))}
