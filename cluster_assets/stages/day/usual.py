"""How far a day usually differs from the days before it.

Chance alone explains little: entities come in groups, weekends differ from weekdays. So a day may differ as
much as each earlier day differed from the days before it. The logarithms of those PSI are taken as normal,
and the limit is the upper prediction limit of one more value. The variance of so few values is shrunk
towards a prior, which adds degrees of freedom (G. Smyth, Statistical Applications in Genetics and Molecular
Biology 3, 2004).

Where categories come and go, days differ so much that PSI has little power. There a second quantity shows
drift: the share of values that none of the earlier days has. It gets a prediction limit in the same way, from
the angles whose sines are the square roots of the shares, because the variance of such an angle does not
depend on the share (F. Anscombe, Biometrika 35, 1948). `benchmarks/bench_drift.py` measures false alarms and
power.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from cluster_assets.stages.day.drift import (
    Drift,
    Histogram,
    is_category,
    measure_drift,
    per_entity,
    pool_days,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALARMS_PER_DAY = 0.0005
"""Probability of a false alarm on a day that is like the earlier ones, if the model were exact."""
_PRIOR_DAYS, _PRIOR_DEVIATION = 8, 0.5  # the deviation of log PSI by chance is about 0.5 for 10 bins
_NEW_ALARMS_PER_DAY = 0.001
_NEW_DEVIATION = 0.1
"""Prior deviation of the angle of new values; by chance alone it is 0.02 for 1,000 entities."""
_LEAST_DAYS = 2
_STEPS = 200


def compare_with_days(feature: str, today: Histogram, earlier: Sequence[Histogram], features: int) -> Drift:
    """PSI of a feature and its share of new values against earlier days, and what is usual.

    Args:
        feature: Its name.
        today: The day.
        earlier: The earlier days, ascending; days without the feature are left out.
        features: Number of features of the pipeline, each of which may warn by chance.
    """
    days = [day for day in earlier if day.size]
    drift = measure_drift(feature, today, pool_days(days))
    if len(days) < _LEAST_DAYS:
        return drift
    excess = []
    for number in range(1, len(days)):
        before = pool_days(days[:number])
        one = measure_drift(feature, days[number], before)
        # A day differs less from the mean of many days than from that of a few.
        scaled = one.psi * (1 + 1 / len(days)) / (1 + 1 / number)
        excess.append(_excess(scaled, one.bins, per_entity(days[number], before)))
    level = _upper_limit(excess, _ALARMS_PER_DAY / features)
    chance = _expected(drift.bins, per_entity(today, pool_days(days)))
    return replace(
        drift,
        usual=max(0.0, 2 * chance * math.exp(level) - chance),
        new=_new_share(today, days),
        usual_new=_usual_new_share(days, features),
    )


def _new_share(today: Histogram, earlier: Sequence[Histogram]) -> float:
    """Return the share of categories that no earlier day has."""
    seen = {name for day in earlier for name in day.shares}
    return math.fsum(share for name, share in today.shares.items() if is_category(name) and name not in seen)


def _usual_new_share(days: Sequence[Histogram], features: int) -> float:
    """Return the share of new values that a day like the earlier ones stays below.

    Only the later half of the days counts: the first ones have few days before them, so more is new to them.
    """
    angles = [
        math.asin(math.sqrt(min(1.0, _new_share(days[number], days[:number]))))
        for number in range(max(1, len(days) // 2), len(days))
    ]
    level = _upper_limit(angles, _NEW_ALARMS_PER_DAY / features, _NEW_DEVIATION)
    return math.sin(min(level, math.pi / 2)) ** 2


def _expected(bins: int, per_entity: float) -> float:
    """Return the mean PSI of two samples of one population."""
    return max(bins - 1, 1) * per_entity


def _excess(value: float, bins: int, per_entity: float) -> float:
    """Return the logarithm of how far a PSI exceeds what chance explains; 0 if it is as expected."""
    chance = _expected(bins, per_entity)
    return math.log((value + chance) / (2 * chance))


def _upper_limit(values: Sequence[float], alarms: float, deviation: float = _PRIOR_DEVIATION) -> float:
    """Return the value that one more of the same normal distribution exceeds with a given probability."""
    mean, freedom = math.fsum(values) / len(values), len(values) - 1
    squares = math.fsum((value - mean) ** 2 for value in values)
    variance = (_PRIOR_DAYS * deviation**2 + squares) / (_PRIOR_DAYS + freedom)
    return mean + _student(_PRIOR_DAYS + freedom, alarms) * math.sqrt(variance * (1 + 1 / len(values)))


@cache
def _student(freedom: int, alarms: float) -> float:
    """Return the value that Student's t exceeds with a small probability, by bisection.

    With t = sqrt(freedom) tan(angle), the density is proportional to cos(angle) ** (freedom - 1).
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)

    def exceeded(angle: float) -> float:
        step = (math.pi / 2 - angle) / _STEPS
        heights = [math.cos(angle + k * step) ** (freedom - 1) for k in range(_STEPS + 1)]
        simpson = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
        return scale * simpson * step / 3

    low, high = 0.0, math.pi / 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if exceeded(middle) > alarms else (low, middle)
    return math.sqrt(freedom) * math.tan(low)
