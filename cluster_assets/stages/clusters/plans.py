"""The events that will label a day: forests of shards, radii of HDBSCAN, bins of components."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.tables import DENDROGRAM
from cluster_assets.stages.candidates.planner import IN_WORKER, spanning_cost
from cluster_assets.stages.clusters.centre_plans import by_centres
from cluster_assets.stages.clusters.components import bin_budget_s, point_bytes, steps_of
from cluster_assets.stages.clusters.forests import ShardSizes
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract import (
    ClusterEvent,
    CoresEvent,
    DegreesEvent,
    DendrogramEvent,
    ForestEvent,
    PackEvent,
)
from lambda_worker.contract.clusters import cluster_memory_mb
from lambda_worker.contract.component_costs import bin_memory_mb, component_memory_mb, component_seconds
from lambda_worker.contract.components import (
    climb_memory_mb,
    extract_memory_mb,
    number_memory_mb,
    order_memory_mb,
    pack_memory_mb,
    peaks_memory_mb,
)
from lambda_worker.contract.forests import FOREST_KINDS, NEEDS_CORES, dendrogram_memory_mb, forest_memory_mb
from lambda_worker.contract.hdbscan import (
    CoreDistancesEvent,
    HdbscanEvent,
    HdbscanPointsEvent,
    NeighboursEvent,
    core_distances_memory_mb,
    hdbscan_memory_mb,
    mutual_forest_memory_mb,
    neighbours_memory_mb,
)
from lambda_worker.contract.memory import SKLEARN_S, cluster_seconds, number_seconds, shard_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cluster_assets.spec.algorithm import Family, MeanShift, Optics
    from cluster_assets.stages.worker.plans import DayFacts, Step


def plan_labels(facts: DayFacts) -> Plan:
    """Return the events that label the points, by the family of the algorithm."""
    return _BY_FAMILY[facts.spec.algorithm.family](facts)


def _whole_day(facts: DayFacts) -> Plan:
    """Events of an algorithm on the pairs of the whole day."""
    return _forests(facts, facts.spec.algorithm.type)


def _forests(facts: DayFacts, kind: str) -> Plan:
    """Events of `ForestLabels`: a single one, or two passes over shards and the merges of forests.

    Args:
        facts: The day.
        kind: One of `FOREST_KINDS`.
    """
    points, pairs = facts.points, facts.pairs
    sizes = ShardSizes.within(facts.spec.limits.timeout_s)
    seconds = cluster_seconds(kind, points, pairs)
    drawn = _dendrogram(facts)
    if seconds <= sizes.one_s:
        memory = cluster_memory_mb(kind, points, pairs)
        return Plan((facts.step(ClusterEvent, 1, seconds, memory), *drawn))
    shards = ceil(pairs / sizes.shard_rows)
    found: list[Step] = []
    notes = [f"shards: at most {shards:,}, because files of pairs are not split"]
    shard_mb = forest_memory_mb(FOREST_KINDS[kind], points, ceil(pairs / shards))
    if kind in NEEDS_CORES and facts.executor != "cells":  # certificates contain the core points
        degrees = shard_seconds(shards, points, pairs)
        found.append(facts.step(DegreesEvent, shards, degrees, shard_mb))
        found.append(facts.step(CoresEvent, 1, number_seconds(points), number_memory_mb(points)))
    # Each merge round halves the number of forests, so all rounds together handle at most twice as many.
    kept = min(pairs, shards * points)
    rounds = 2 if cluster_seconds(kind, points, kept) > sizes.one_s else 1
    if rounds > 1:
        notes.append("forests: how much they shrink is unknown in advance; each is counted twice")
    forest_s = shard_seconds(rounds * shards, points, pairs + (rounds - 1) * kept)
    found.append(facts.step(ForestEvent, rounds * shards, forest_s, shard_mb))
    last = min(pairs, points) if rounds > 1 else kept
    found.append(
        facts.step(
            ClusterEvent,
            1,
            cluster_seconds(kind, points, last),
            cluster_memory_mb(kind, points, last),
        )
    )
    return Plan((*found, *drawn), tuple(notes))


def _dendrogram(facts: DayFacts) -> tuple[Step, ...]:
    if facts.spec.algorithm.structure != DENDROGRAM.name:
        return ()
    rows = min(facts.pairs, facts.points)
    memory = dendrogram_memory_mb(facts.points, facts.pairs)
    return (facts.step(DendrogramEvent, 1, shard_seconds(1, facts.points, rows), memory),)


def _levels(facts: DayFacts) -> Plan:
    """Events of HDBSCAN: neighbours, core distances, forests and a hierarchy at each radius."""
    if facts.executor == IN_WORKER:
        return _spanned(facts)
    algorithm: Any = facts.spec.algorithm
    latest = facts.latest
    count = latest.number("levels")
    pairs = max(facts.pairs, latest.number("level_pairs") or 0)
    note = (
        "levels of hdbscan: unknown until the clusters of a day are published; 1 is priced"
        if count is None
        else f"levels of hdbscan: {count}, as on {latest.day}; a level without new pairs has fewer events"
    )
    count = count or 1
    points = facts.points
    sizes = ShardSizes.within(facts.spec.limits.timeout_s)
    each = max(1, ceil(pairs / count / sizes.shard_rows))
    shards = count * each
    shard_pairs = ceil(pairs / shards)
    rows = min(2 * shard_pairs, (algorithm.min_samples or algorithm.min_cluster_size) * points)
    least = core_distances_memory_mb(points, 0)
    share = core_distances_memory_mb(points, rows * each) - least
    spans = max(1, ceil(share / max(1.0, facts.memory_mb - least)))
    reading = shard_seconds(shards, points, pairs)
    core_s = count * spans * number_seconds(points)
    top = count * number_seconds(points)
    steps = (
        facts.step(
            NeighboursEvent,
            shards,
            reading,
            neighbours_memory_mb(points, shard_pairs, rows),
        ),
        facts.step(
            CoreDistancesEvent,
            count * spans,
            core_s,
            core_distances_memory_mb(points, rows * each // spans),
        ),
        facts.step(ForestEvent, shards, reading, mutual_forest_memory_mb(points, shard_pairs)),
        facts.step(
            HdbscanEvent,
            count,
            top,
            hdbscan_memory_mb(points, min(pairs, count * points)),
        ),
    )
    return Plan(steps, (note,))


def _spanned(facts: DayFacts) -> Plan:
    """The event of HDBSCAN from coordinates."""
    cost = spanning_cost(facts.spec, facts.points)
    return Plan((facts.step(HdbscanPointsEvent, 1, cost.seconds, cost.memory_mb),))


def _components(facts: DayFacts) -> Plan:
    """Events of an algorithm on components: find components, pack them, cluster each bin, combine the day."""
    algorithm = facts.spec.algorithm.model_dump(by_alias=True)
    points, pairs, latest = facts.points, facts.pairs, facts.latest
    largest = latest.number("largest_component")
    # The sum of squared component sizes if each component is a clique, and a lower bound otherwise.
    mean = (2 * pairs + points) / max(1, points)
    size = float(min(points, largest)) if largest else min(float(points), mean)
    note = (
        f"components: at most {counted(int(largest), 'point')} each, as on {latest.day}"
        if largest
        else "components: unknown until the clusters of a day are published; the fewest bins are priced"
    )
    each_bytes = point_bytes(facts.spec.features, sum(file.bytes for file in facts.table.files), points)
    parts = points / max(1.0, size)
    of_one = (size, facts.entities / max(1.0, parts), pairs / max(1.0, parts))
    seconds = parts * component_seconds(algorithm, *of_one)
    room = facts.memory_mb - bin_memory_mb(0.0, 0.0, each_bytes, 0.0)
    held = bin_memory_mb(float(points), float(pairs), each_bytes, 0.0) - (facts.memory_mb - room)
    budget = bin_budget_s(facts.spec.limits.timeout_s)
    bins = max(1, ceil(seconds / budget), ceil(held / max(1.0, room / 2)))
    bins = max(bins, latest.number("bins") or 1) if largest else bins
    of_bin, last = steps_of(algorithm).events
    work_mb = component_memory_mb(algorithm, *of_one)
    bin_mb = max(
        bin_memory_mb(points / bins, pairs / bins, each_bytes, work_mb),
        _own_memory_mb(facts, ceil(points / bins), ceil(pairs / bins)),
    )
    sklearn_s = SKLEARN_S if algorithm["type"] != "agglomerative" else 0.0
    last_s = number_seconds(points) + (sklearn_s if algorithm["type"] in _LAST_MB else 0.0)
    steps = (
        facts.step(PackEvent, 1, number_seconds(points), pack_memory_mb(points)),
        facts.step(of_bin, bins, seconds + bins * (shard_seconds(1, 0, 0) + sklearn_s), bin_mb),
        facts.step(last, 1, last_s, _last_memory_mb(facts)),
    )
    return _forests(facts, "connected_components") + Plan(steps, (note,))


def _own_memory_mb(facts: DayFacts, points: int, pairs: int) -> float:
    """Memory of a bin whose algorithm has its own cost model."""
    own = {
        "optics": lambda: order_memory_mb(points, pairs),
        "mean_shift": lambda: climb_memory_mb(points, facts.dimensions),
    }.get(facts.spec.algorithm.type)
    return own() if own else 0.0


def _last_memory_mb(facts: DayFacts) -> float:
    own = _LAST_MB.get(facts.spec.algorithm.type)
    return own(facts, facts.spec.algorithm) if own else number_memory_mb(facts.points)


def _extract_mb(facts: DayFacts, algorithm: Optics) -> float:
    heavy = min(facts.points, facts.entities - facts.points)
    rows = 1
    if algorithm.cluster_method == "xi":
        rows = max(algorithm.min_samples + 2, algorithm.min_cluster_size or 0)
    return extract_memory_mb(facts.points, heavy, rows)


def _peaks_mb(facts: DayFacts, _: MeanShift) -> float:
    return peaks_memory_mb(facts.points, facts.points, facts.dimensions)


# Algorithms whose last step runs scikit-learn on the whole day; the others only number the clusters.
_LAST_MB: dict[str, Callable[[DayFacts, Any], float]] = {"optics": _extract_mb, "mean_shift": _peaks_mb}
_BY_FAMILY: dict[Family, Callable[[DayFacts], Plan]] = {
    "forest": _whole_day,
    "components": _components,
    "hdbscan": _levels,
    "centres": by_centres,
}
