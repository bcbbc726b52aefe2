"""Facts of made-up days, the same ones in every process."""

from __future__ import annotations

import datetime as dt

import numpy as np

from cluster_assets.pictures.facts import (
    ClusterFact,
    DayFacts,
    DayNumbers,
    FlowFacts,
    Passage,
    PointCloud,
    Stretch,
    TokenShares,
)

FIRST = dt.date(2013, 3, 20)
EVENTS = ("born", "continued", "grown", "shrunk", "split", "merged", "reappeared")


def identity(number: int) -> str:
    return f"20130304-{number:06d}"


def day_of(clusters: int, noise: int = 300) -> DayFacts:
    rng = np.random.default_rng(clusters)
    sizes = sorted((5 + int(200 * rng.pareto(1.1)) for _ in range(clusters)), reverse=True)
    listed = tuple(ClusterFact(k, identity(k), size, max(size // 3, 1)) for k, size in enumerate(sizes))
    return DayFacts("attackers, 2013-03-04", listed[:400], clusters, sum(sizes) + noise, noise)


def cloud_of(day: DayFacts, points: int = 1000, *, is_globe: bool = False) -> PointCloud:
    rng = np.random.default_rng(points)
    clusters = rng.integers(-1, day.cluster_count, points) if day.cluster_count else np.full(points, -1)
    spread = np.array([60.0, 25.0]) if is_globe else np.array([3.0, 3.0])
    centres = np.clip(rng.normal(size=(day.cluster_count + 1, 2)), -2.4, 2.4) * spread
    positions = centres[clusters] + rng.normal(size=(points, 2))
    axes = ("longitude", "latitude") if is_globe else ("count(*)", "avg(bytes)")
    return PointCloud(positions, clusters, rng.integers(1, 900, points), axes, is_globe, points * 5)


def shares_of(day: DayFacts) -> TokenShares:
    rng = np.random.default_rng(3)
    shares = {
        (one.cluster, f"TCP/{int(port) * 431}"): float(rng.uniform(0.05, 1.0))
        for one in day.clusters[:12]
        for port in rng.choice(40, 6, replace=False)
    }
    return TokenShares(shares, 0.05)


def row_of_days(count: int) -> tuple[DayNumbers, ...]:
    rng = np.random.default_rng(count)
    return tuple(
        DayNumbers(
            FIRST + dt.timedelta(days=k + (k > 9) * 3),
            int(rng.integers(600, 900)),
            int(rng.integers(5, 40)),
            99,
        )
        for k in range(count)
    )


def flow_of(identities: int, days: int = 14) -> FlowFacts:
    rng = np.random.default_rng(identities)
    dates = tuple(FIRST + dt.timedelta(days=k) for k in range(days))
    stretches, passages, deaths = [], [], []
    for number in range(identities):
        size = int(5 + 300 * rng.pareto(1.0))
        start, end = sorted(rng.choice(days + 1, 2, replace=False))
        for k in range(start, end):
            event = "born" if k == start else EVENTS[int(rng.integers(1, len(EVENTS)))]
            stretches.append(Stretch(dates[k], identity(number), size, event))
            if k > start:
                passages.append(
                    Passage(dates[k - 1], dates[k], identity(number), identity(number), size // 2)
                )
                other = identity(int(rng.integers(identities)))
                passages.append(Passage(dates[k - 1], dates[k], other, identity(number), size // 3))
        if end < days:
            deaths.append((dates[end], identity(number)))
    return FlowFacts("attackers", dates, tuple(stretches), tuple(passages), tuple(deaths), identities)
