"""Population stability index (PSI): how far a day's distribution of a feature has moved from earlier days'.

PSI = sum over bins of (p - q) ln(p / q), the symmetrised Kullback-Leibler divergence of two histograms. The
usual reading: below 0.1 stable, 0.1 to 0.25 moved, above 0.25 another population (N. Siddiqi, Credit Risk
Scorecards, 2006). Two samples of one population of sizes n and m differ by chance: PSI / (1/n + 1/m) then
follows a chi-square distribution with bins - 1 degrees of freedom (B. Yurdakul and J. Naranjo, Journal of
Risk Model Validation 14, 2020), so small days are allowed that much more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORDERED_BINS = 10
"""Bins of a number: as many as usual for PSI, of about equal share in both days together."""
SMALLEST_SHARE = 0.01
"""A category that fewer show, on both sides together, is counted among the others."""
LARGEST_CATEGORIES = 50
_CHANCE_Z = 2.326  # 99 % of the standard normal distribution
_CATEGORY = "="


@dataclass(frozen=True, slots=True)
class Histogram:
    """A feature's distribution over fine bins.

    Attributes:
        shares: Share of each bin, adding up to 1. A bin is an integer as text (numbers, in order) or begins
            with another character (categories).
        size: How many entities it was counted over.
    """

    shares: Mapping[str, float]
    size: float


@dataclass(frozen=True, slots=True)
class Drift:
    """PSI of one feature.

    Attributes:
        bins: How many bins it was added up over.
        chance: What two samples of one population of these sizes stay below, 99 times of 100.
    """

    feature: str
    psi: float
    bins: int
    chance: float


def psi(counts: Sequence[float], others: Sequence[float]) -> float:
    """PSI of two histograms over the same bins.

    Half a count is added to each bin (the Jeffreys prior), so that an empty one does not make it infinite.

    Args:
        counts: Entities in each bin, not all zero.
        others: The same of the other population.
    """
    total, other_total = sum(counts) + 0.5 * len(counts), sum(others) + 0.5 * len(others)
    shares = [(count + 0.5) / total for count in counts]
    other_shares = [(count + 0.5) / other_total for count in others]
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(shares, other_shares, strict=True))


def measure_drift(feature: str, today: Histogram, before: Histogram) -> Drift:
    """PSI of a feature over bins that both populations decide alike: exchanging them changes nothing."""
    groups = _groups(today.shares, before.shares)
    counts = [today.size * _share(today, group) for group in groups]
    others = [before.size * _share(before, group) for group in groups]
    sizes = 1 / max(today.size, 1.0) + 1 / max(before.size, 1.0)
    return Drift(feature, psi(counts, others), len(groups), _chi_square(len(groups) - 1) * sizes)


def _chi_square(freedom: int) -> float:
    """The 99 % quantile, by the approximation of Wilson and Hilferty (PNAS 17, 1931); within 1 % of it."""
    if not freedom:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * float((1 - spread + _CHANCE_Z * math.sqrt(spread)) ** 3)


def _share(histogram: Histogram, group: Sequence[str]) -> float:
    return math.fsum(histogram.shares.get(name, 0.0) for name in group)


def _groups(today: Mapping[str, float], before: Mapping[str, float]) -> list[list[str]]:
    """Fine bins put together until each group holds enough."""
    pooled = {
        name: (today.get(name, 0.0) + before.get(name, 0.0)) / 2 for name in today.keys() | before.keys()
    }
    if all(_is_number(name) for name in pooled):
        return _neighbours(pooled)
    return _largest(pooled)


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _neighbours(pooled: Mapping[str, float]) -> list[list[str]]:
    """Runs of neighbouring bins, each of at least a tenth; what is left at the end joins the last run."""
    groups: list[list[str]] = [[]]
    held = 0.0
    for name in sorted(pooled, key=int):
        if held >= 1 / ORDERED_BINS - 1e-12:
            groups.append([])
            held = 0.0
        groups[-1].append(name)
        held += pooled[name]
    if len(groups) > 1 and held < 0.5 / ORDERED_BINS:
        last = groups.pop()
        groups[-1] += last
    return groups


def _largest(pooled: Mapping[str, float]) -> list[list[str]]:
    """One group a large category, one for all others."""
    by_size = sorted(pooled, key=lambda name: (-pooled[name], name))
    large = [
        name
        for name in by_size[:LARGEST_CATEGORIES]
        if pooled[name] >= SMALLEST_SHARE and name.startswith(_CATEGORY)
    ]
    rest = sorted(pooled.keys() - set(large))
    return [[name] for name in large] + ([rest] if rest else [])
