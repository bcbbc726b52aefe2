"""Features and bins of the table `histograms`, in words."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.spec.features import Features

_RARE, _CATEGORY = "~", "="
_PLACE = re.compile(r"=(-?\d+),(-?\d+)")
_PER_FACTOR, _OFFSET = 32, 1000  # as in sql/points/histograms.sql


def feature_label(features: Features, name: str) -> str:
    """Return the expression of a dimension of a vector, and the name of any other feature."""
    if features.vector is not None and name.startswith("x"):
        return str(features.vector[int(name[1:])])
    return name


def bin_label(features: Features, name: str, bins: Sequence[str]) -> str:
    """Return what the values of some bins have in common.

    Args:
        features: Of the pipeline.
        name: Name of the feature in `histograms`.
        bins: Bins that were merged: neighbours of an ordered feature, or any others.
    """
    if any(one.startswith((_CATEGORY, _RARE)) for one in bins):
        if len(bins) > 1:
            return counted(len(bins), "other")
        return "rare values" if bins[0] == _RARE else _value(bins[0])
    numbers = sorted(int(one) for one in bins)
    if _is_text(features, name):
        first, last = numbers[0], numbers[-1]
        return counted(first, "character") if first == last else f"{first} to {counted(last, 'character')}"
    low, high = _edges(numbers[0])[0], _edges(numbers[-1])[1]
    return "0" if low == high else f"{_short(low)} to {_short(high)}"


def _is_text(features: Features, name: str) -> bool:
    if features.mixed is not None:
        return name in features.mixed and features.mixed[name].kind == "text"
    return features.kind == "text"


def _value(name: str) -> str:
    if found := _PLACE.fullmatch(name):
        north, east = int(found[1]), int(found[2])
        return f"{abs(north)} {'N' if north >= 0 else 'S'} {abs(east)} {'E' if east >= 0 else 'W'}"
    return name.removeprefix(_CATEGORY)


def _short(value: float) -> str:
    """Format with three digits.

    >>> _short(41_768.2), _short(0.98449)
    ('41,800', '0.984')
    """
    return f"{float(f'{value:.3g}'):,g}"


def _edges(number: int) -> tuple[float, float]:
    """Return the smallest and the largest value of a bin of numbers."""
    if not number:
        return 0.0, 0.0
    place = abs(number) - _OFFSET
    near, far = (math.exp((place + side) / _PER_FACTOR) for side in (-0.5, 0.5))
    return (near, far) if number > 0 else (-far, -near)
