"""False alarms and power of the check `drift`, on simulated days.

Stationary processes must be reported on fewer than 1 of 100 days, planted drift on at least 95 of 100, after
14 days. The rule before it (a PSI above 0.25 and what chance explains) is counted on the same days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.spec.checks import DriftCheck
from cluster_assets.stages.day.drift import Histogram, measure_drift, pool_days
from cluster_assets.stages.day.usual import compare_with_days

if TYPE_CHECKING:
    from benchmarks.measure.options import Options

Day = dict[str, Histogram]
Process = Iterator[Day]
Drifted = Callable[[Day], Day]

MAX_PSI = DriftCheck().max_psi
WINDOW = 14
SEED = 20130304
MOST_ALARMS, LEAST_FOUND = 0.01, 0.95
HARDEST = "campaigns that begin and end"  # new values are no sign of drift there


def numbers(values: np.ndarray) -> Histogram:
    """Bin positive numbers as `sql/points/histograms.sql` does."""
    return _counted(np.floor(np.log(values) * 32 + 0.5).astype(int) + 1000, len(values))


def categories(values: np.ndarray) -> Histogram:
    """Bin categories as `sql/points/histograms.sql` does; rare ones share a bin."""
    names, counts = np.unique(values, return_counts=True)
    is_large = counts * 1000 >= len(values)
    shares = {
        f"={name}": count / len(values) for name, count in zip(names[is_large], counts[is_large], strict=True)
    }
    rare = counts[~is_large].sum() / len(values)
    return Histogram({**shares, **({"~": rare} if rare else {})}, float(len(values)))


def _counted(bins: np.ndarray, size: int) -> Histogram:
    names, counts = np.unique(bins, return_counts=True)
    return Histogram(
        {str(name): count / size for name, count in zip(names, counts, strict=True)}, float(size)
    )


def independent(random: np.random.Generator, size: int = 300, dimensions: int = 8) -> Process:
    """Yield days of independent entities with several numbers each."""
    while True:
        yield {f"x{k}": numbers(random.lognormal(1, 1, size)) for k in range(dimensions)}


def wavering(random: np.random.Generator, size: int = 1000) -> Process:
    """Yield days whose means differ by 0.15 standard deviations."""
    while True:
        yield {f"x{k}": numbers(random.lognormal(1 + 0.15 * random.normal(), 1, size)) for k in range(4)}


def weekly(random: np.random.Generator, size: int = 800) -> Process:
    """Yield weeks whose weekends differ by 0.8 standard deviations."""
    for day in range(10**9):
        yield {"x0": numbers(random.lognormal(1 + 0.8 * (day % 7 >= 5), 1, size))}


def clumped(random: np.random.Generator, size: int = 1000) -> Process:
    """Yield days of entities that come in groups, each with one of 40 values."""
    usual = random.dirichlet(np.ones(40))
    while True:
        yield {"kind": categories(random.choice(40, size, p=random.dirichlet(60 * usual + 1e-9)))}


def campaigns(random: np.random.Generator, size: int = 1200) -> Process:
    """Yield days of campaigns that begin and end, two of 25 a day, and of entities with random values."""
    sizes = {number: random.lognormal(0, 0.8) for number in range(25)}
    following = 25
    while True:
        for number in list(sizes):
            if random.random() < 2 / 25:
                del sizes[number]
                sizes[following] = random.lognormal(0, 0.8)
                following += 1
        share = np.array(list(sizes.values())) / sum(sizes.values())
        of_campaigns = random.choice(list(sizes), int(size * 0.7), p=share)
        yield {"tokens": categories(np.concatenate([of_campaigns, random.integers(10**6, 10**7, 360)]))}


PROCESSES: dict[str, Callable[[np.random.Generator], Process]] = {
    "independent entities, 8 numbers": independent,
    "means that waver": wavering,
    "weekends": weekly,
    "entities in groups": clumped,
    "campaigns that begin and end": campaigns,
}


def other_unit(day: Day) -> Day:
    """Multiply the first number by a thousand."""
    return _moved(day, round(np.log(1000) * 32))


def deviations(day: Day) -> Day:
    """Move the first number by one and a half standard deviations."""
    return _moved(day, 48)


def new_value(day: Day) -> Day:
    """Give half of the entities a value that is new."""
    (name, old), *_ = day.items()
    shares = {key: share / 2 for key, share in old.shares.items()}
    return {**day, name: Histogram({**shares, "=new": 0.5}, old.size)}


def _moved(day: Day, by: int) -> Day:
    (name, old), *_ = day.items()
    return {**day, name: Histogram({str(int(key) + by): one for key, one in old.shares.items()}, old.size)}


def renamed(day: Day) -> Day:
    """Write every value in another way."""
    (name, old), *_ = day.items()
    return {**day, name: Histogram({f"{key}!": share for key, share in old.shares.items()}, old.size)}


PLANTED: dict[str, tuple[tuple[str, Drifted], ...]] = {
    "independent entities, 8 numbers": (("another unit", other_unit), ("1.5 deviations", deviations)),
    "means that waver": (("another unit", other_unit), ("1.5 deviations", deviations)),
    "weekends": (("another unit", other_unit),),
    "entities in groups": (("a new value for half", new_value),),
    "campaigns that begin and end": (("a new value for half", new_value), ("all values renamed", renamed)),
}


def is_reported(today: Day, before: list[Day]) -> bool:
    """Whether the check warns."""
    drifts = [
        compare_with_days(name, one, [day[name] for day in before], len(today)) for name, one in today.items()
    ]
    return any(drift.psi > drift.limit(MAX_PSI) for drift in drifts)


def was_reported(today: Day, before: list[Day]) -> bool:
    """Whether the check warned before it looked at how much earlier days differed."""
    drifts = [
        measure_drift(name, one, pool_days([day[name] for day in before])) for name, one in today.items()
    ]
    return any(drift.psi > MAX_PSI + drift.chance for drift in drifts)


def rates(name: str, days: int, window: int = WINDOW) -> tuple[float, float, dict[str, float]]:
    """Return the share of stationary days that are reported, now and before, and that of days with drift."""
    random = np.random.default_rng(SEED)
    made = list(islice(PROCESSES[name](random), days + window))
    pairs = [(made[k], made[k - window : k]) for k in range(window, len(made))]
    alarms = float(np.mean([is_reported(*pair) for pair in pairs]))
    before = float(np.mean([was_reported(*pair) for pair in pairs]))
    found = {
        kind: float(np.mean([is_reported(drifted(today), earlier) for today, earlier in pairs]))
        for kind, drifted in PLANTED[name]
    }
    return alarms, before, found


def main(options: Options) -> None:
    """Print one line for each process and number of earlier days.

    Raises:
        SystemExit: Stationary days are reported, or planted drift is missed.
    """
    days = options.at(500, 5)
    print(f"{days} days of each process; reported, in per cent")
    for name in PROCESSES:
        for window in (WINDOW,) if options.small else (3, 7, WINDOW):
            if not options.wants(name):
                continue
            alarms, before, found = rates(name, days, window)
            planted = ", ".join(f"{kind} {share:.1%}" for kind, share in found.items())
            print(
                f"{name:33} {window:2} days before: {alarms:5.1%} (was {before:.1%}); {planted}", flush=True
            )
            is_missed = name != HARDEST and min(found.values()) < LEAST_FOUND
            if window == WINDOW and (alarms > MOST_ALARMS or is_missed):
                raise SystemExit(f"{name}: {alarms:.1%} false alarms, {planted}")
