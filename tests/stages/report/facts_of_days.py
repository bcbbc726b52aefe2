"""Facts of made-up days, the same ones in every process."""

from __future__ import annotations

import datetime as dt

import numpy as np

from cluster_assets.stages.report.pictures.facts import (
    MIXED,
    Branch,
    ClusterFact,
    CondensedTree,
    DayFacts,
    DayNumbers,
    FlowFacts,
    Passage,
    PointCloud,
    ReachabilityPlot,
    Sampled,
    Stretch,
    TokenShares,
)
from lambda_worker.contract.sketches import DistanceBin, Merge

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


def sample_of(day: DayFacts, points: int = 200, *, is_far: bool = False) -> Sampled:
    """A made-up sample with a hierarchy, whose histogram is logarithmic if it is far."""
    rng = np.random.default_rng(points)
    clusters = np.sort(rng.integers(-1, max(day.cluster_count, 1), points))
    edges = np.geomspace(0.01, 1e6, 41) if is_far else np.linspace(0.0, 2.0, 41)
    counts = rng.integers(0, 900, 40)
    bins = tuple(map(DistanceBin, edges[:-1].tolist(), edges[1:].tolist(), counts.tolist()))
    # Neighbours in order merge, one after the other.
    nodes = [k if k < 2 else points + k - 2 for k in range(points + points - 1)]
    heights = np.sort(rng.uniform(edges[1], edges[-1], max(points - 1, 0)))
    merges = tuple(
        Merge(0 if k == 0 else nodes[k + 1], k + 1, float(height)) for k, height in enumerate(heights)
    )
    return Sampled(tuple(clusters.tolist()), bins, merges, 1.0, "euclidean distance", points * 3)


def tree_of(day: DayFacts, branches: int) -> CondensedTree:
    """A made-up tree: each branch but the root splits off from one before it."""
    rng = np.random.default_rng(branches)
    made = [Branch(100, -1, 900.0, 5000, ((3, 400), (12, 4600)), MIXED)] if branches else []
    for k in range(1, branches):
        above = made[int(rng.integers(0, k))]
        size = max(above.entities // 3, 1)
        leavers = ((20 + k % 20, size // 2), (59, size - size // 2))
        made.append(
            Branch(100 + k, above.number, above.distance / 2, size, leavers, k % max(day.cluster_count, 1))
        )
    return CondensedTree(tuple(made), 900.0, 0.5, 60)


def plot_of(day: DayFacts, steps: int) -> ReachabilityPlot:
    rng = np.random.default_rng(steps)
    return ReachabilityPlot(
        tuple(
            (None if k % 90 == 0 else float(rng.uniform(0, 3)), k * day.cluster_count // max(steps, 1) - 1)
            for k in range(steps)
        )
    )


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
