"""Events of the algorithms that need points only: k-means in rounds, the others in one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.stages.clusters.kmeans import centres_of, plan_shards, round_seconds
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract.kmeans import (
    CentresEvent,
    GatherEvent,
    LearnEvent,
    RoundEvent,
    SampleEvent,
    SeedEvent,
    birch_memory_mb,
    minibatch_memory_mb,
    round_memory_mb,
    sample_size,
)
from lambda_worker.contract.memory import SKLEARN_S, number_seconds, shard_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cluster_assets.spec.algorithm import Birch, KMeans, MiniBatchKMeans
    from cluster_assets.stages.worker.plans import DayFacts

_ENTITY_S, _LEAF_PAIR_S = 30e-6, 0.1e-6
_PASSES_OF_A_ROUND, _SAMPLE_ROUNDS = 2, 20


def by_centres(facts: DayFacts) -> Plan:
    """Events of an algorithm that needs points only."""
    return _PLANS[facts.spec.algorithm.type](facts, facts.spec.algorithm)


def _rounds(facts: DayFacts, algorithm: KMeans) -> Plan:
    """Events of k-means: seeding, rounds over all shards, labels."""
    centres = centres_of(algorithm.model_dump(), max(1, facts.points))
    shards = len(plan_shards(facts.table, centres, facts.spec.limits))
    latest = facts.latest
    iterations = latest.number("iterations")
    note = (
        f"rounds of kmeans: unknown until the clusters of a day are published; at most {algorithm.max_iter} "
        "(max_iter), which are priced"
        if iterations is None
        else f"rounds of kmeans: {iterations}, as on {latest.day}"
    )
    count = algorithm.max_iter if iterations is None else iterations
    one = round_seconds(facts.points, facts.table.numbers, centres) + shard_seconds(shards, 0, 0)
    few = shard_seconds(1, 0, 0)
    sample = min(facts.points, sample_size(centres, facts.dimensions))
    starts = algorithm.n_init * _SAMPLE_ROUNDS * round_seconds(sample, facts.dimensions, centres)
    memory = round_memory_mb(centres, facts.dimensions)
    steps = (
        facts.step(SampleEvent, shards, one, memory),
        facts.step(SeedEvent, 1, few + starts, memory),
        # The last round writes the labels and does not move the centres.
        facts.step(RoundEvent, (count + 1) * shards, (count + 1) * one, memory),
        facts.step(CentresEvent, count, count * few, memory),
        facts.step(GatherEvent, 1, number_seconds(facts.points), memory),
    )
    return Plan(steps, (note,))


def _minibatch(facts: DayFacts, algorithm: MiniBatchKMeans) -> Plan:
    latest = facts.latest
    passes = latest.number("iterations")
    note = (
        f"passes over the points: at most {algorithm.max_iter} (max_iter), which are priced"
        if passes is None
        else f"passes over the points: {passes}, as on {latest.day}"
    )
    clusters = min(algorithm.n_clusters, max(1, facts.points))
    one = _PASSES_OF_A_ROUND * round_seconds(facts.points, facts.table.numbers, clusters)
    seconds = (
        SKLEARN_S + number_seconds(facts.points) + one * (algorithm.max_iter if passes is None else passes)
    )
    memory = minibatch_memory_mb(clusters, algorithm.batch_size, facts.dimensions)
    return Plan((facts.step(LearnEvent, 1, seconds, memory),), (note,))


def _birch(facts: DayFacts, algorithm: Birch) -> Plan:
    latest = facts.latest
    is_joined = algorithm.n_clusters is not None
    leaves = None if is_joined else latest.number("clusters")
    note = (
        "subclusters of birch: at most one per point, an upper bound for memory and time"
        if leaves is None
        else f"subclusters of birch: {leaves:,}, as on {latest.day}"
    )
    leaves = facts.points if leaves is None else leaves
    memory = birch_memory_mb(leaves, facts.entities, facts.dimensions, joined=is_joined)
    joining = _LEAF_PAIR_S * leaves**2 if is_joined else 0.0
    seconds = SKLEARN_S + number_seconds(facts.points) + _ENTITY_S * facts.entities + joining
    return Plan((facts.step(LearnEvent, 1, seconds, memory),), (note,))


_PLANS: dict[str, Callable[[DayFacts, Any], Plan]] = {
    "kmeans": _rounds,
    "minibatch_kmeans": _minibatch,
    "birch": _birch,
}
