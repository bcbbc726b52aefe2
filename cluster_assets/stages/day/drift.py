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
"""Bins of a number: the usual count for PSI, each with about the same share of both days together."""
SMALLEST_SHARE = 0.01
"""A category with a smaller share of both days together is counted among the others."""
LARGEST_CATEGORIES = 50
_CHANCE_Z = 2.326  # 99 % of the standard normal distribution
_CATEGORY = "="


@dataclass(frozen=True, slots=True)
class Histogram:
    """A feature's distribution over fine bins.

    Attributes:
        shares: Share of each bin, adding up to 1. A bin is an integer as text (numbers, in order) or begins
            with another character (categories).
        size: Number of entities that were counted.
    """

    shares: Mapping[str, float]
    size: float


@dataclass(frozen=True, slots=True)
class Move:
    """The shares of some bins.

    Attributes:
        bins: Names of the fine bins that were merged.
        psi: What they add to the PSI.
    """

    bins: tuple[str, ...]
    today: float
    before: float
    psi: float


@dataclass(frozen=True, slots=True)
class Drift:
    """PSI of one feature.

    Attributes:
        bins: Number of bins in the sum.
        chance: The PSI that two samples of these sizes from one population stay below, 99 times out of 100.
        usual: The PSI that days like the earlier ones stay below; 0 if that is unknown.
        moves: The bins, those that add most to the PSI first.
        new: Share of values that no earlier day has, of categories only.
        usual_new: The share of new values that days like the earlier ones stay below; 1 if that is unknown.
    """

    feature: str
    psi: float
    bins: int
    chance: float
    usual: float = 0.0
    moves: tuple[Move, ...] = ()
    new: float = 0.0
    usual_new: float = 1.0

    @property
    def has_new_values(self) -> bool:
        """Whether more values are new than usual."""
        return self.new > self.usual_new

    def limit(self, max_psi: float) -> float:
        """Return the PSI above which the day is reported; values up to `max_psi` never are."""
        least = max_psi + self.chance
        return least if self.has_new_values else max(least, self.usual)


def psi(counts: Sequence[float], others: Sequence[float]) -> float:
    """PSI of two histograms over the same bins.

    Half a count is added to each bin (the Jeffreys prior), so that an empty one does not make it infinite.

    Args:
        counts: Entities in each bin, not all zero.
        others: The same for the other population.
    """
    return math.fsum(_terms(counts, others))


def _terms(counts: Sequence[float], others: Sequence[float]) -> list[float]:
    total, other_total = sum(counts) + 0.5 * len(counts), sum(others) + 0.5 * len(others)
    shares = [(count + 0.5) / total for count in counts]
    other_shares = [(count + 0.5) / other_total for count in others]
    return [(p - q) * math.log(p / q) for p, q in zip(shares, other_shares, strict=True)]


def measure_drift(feature: str, today: Histogram, before: Histogram) -> Drift:
    """PSI of a feature over bins derived from both populations; it is symmetric in the two."""
    groups = _groups(today.shares, before.shares)
    counts = [today.size * _share(today, group) for group in groups]
    others = [before.size * _share(before, group) for group in groups]
    terms = _terms(counts, others)
    moves = [
        Move(tuple(group), _share(today, group), _share(before, group), term)
        for group, term in zip(groups, terms, strict=True)
    ]
    return Drift(
        feature,
        math.fsum(terms),
        len(groups),
        _chi_square(len(groups) - 1) * per_entity(today, before),
        moves=tuple(sorted(moves, key=lambda move: (-move.psi, move.bins))),
    )


def pool_days(days: Sequence[Histogram]) -> Histogram:
    """Return the mean of several days, which all have the same weight, whatever their size."""
    names = dict.fromkeys(name for day in days for name in day.shares)
    shares = {name: math.fsum(day.shares.get(name, 0.0) for day in days) / len(days) for name in names}
    return Histogram(shares, sum(day.size for day in days))


def per_entity(today: Histogram, before: Histogram) -> float:
    """Return the variance of a difference of shares, up to a factor that depends on the share."""
    return 1 / max(today.size, 1.0) + 1 / max(before.size, 1.0)


def _chi_square(freedom: int) -> float:
    """The 99 % quantile, by the approximation of Wilson and Hilferty (PNAS 17, 1931); within 1 % of it."""
    if not freedom:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * float((1 - spread + _CHANCE_Z * math.sqrt(spread)) ** 3)


def _share(histogram: Histogram, group: Sequence[str]) -> float:
    return math.fsum(histogram.shares.get(name, 0.0) for name in group)


def _groups(today: Mapping[str, float], before: Mapping[str, float]) -> list[list[str]]:
    """Merge fine bins until each group is large enough."""
    pooled = {
        name: (today.get(name, 0.0) + before.get(name, 0.0)) / 2 for name in today.keys() | before.keys()
    }
    if all(_is_number(name) for name in pooled):
        return _neighbours(pooled)
    return _largest(pooled)


def is_category(name: str) -> bool:
    """Whether a bin is a single category, neither a number nor all rare values together."""
    return name.startswith(_CATEGORY)


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _neighbours(pooled: Mapping[str, float]) -> list[list[str]]:
    """Group neighbouring bins into runs of at least a tenth each; a remainder joins the last run."""
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
    """One group for each large category, and one for all others."""
    by_size = sorted(pooled, key=lambda name: (-pooled[name], name))
    large = [
        name for name in by_size[:LARGEST_CATEGORIES] if pooled[name] >= SMALLEST_SHARE and is_category(name)
    ]
    rest = sorted(pooled.keys() - set(large))
    return [[name] for name in large] + ([rest] if rest else [])
