"""The events that will find the near pairs of a day in the worker instead of in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.spec.metrics import metric_of
from cluster_assets.stages.candidates.metrics.embeddings import most_range_points
from cluster_assets.stages.candidates.planner import MOST_JOIN_DIMENSIONS, is_certified, most_grid_points
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract import MeasureEvent
from lambda_worker.contract.candidates import (
    MOST_CELL_AXES,
    CertifyEvent,
    JoinEvent,
    certificate_memory_mb,
    certify_seconds,
    grid_memory_mb,
    product_memory_mb,
    set_join_memory_mb,
    text_join_memory_mb,
)
from lambda_worker.contract.memory import measure_seconds

if TYPE_CHECKING:
    from cluster_assets.stages.worker.plans import DayFacts

# Assumed tokens per set and characters per text, because they are not counted in advance.
_TOKENS, _CHARACTERS = 8, 40


def plan_search(facts: DayFacts) -> Plan:
    """Return the events of the executor of a day; joins and hashing in SQL have none."""
    if not facts.spec.algorithm.uses_pairs:
        return Plan()
    kind, points = facts.spec.features.kind, facts.points
    seconds = measure_seconds(points, facts.pairs, facts.dimensions, is_product=kind == "embedding")
    if facts.executor == "cells" and is_certified(facts.spec, points):
        memory = certificate_memory_mb(points, facts.dimensions)
        if facts.dimensions > MOST_CELL_AXES:
            seconds = certify_seconds(points, facts.dimensions)
        return Plan((facts.step(CertifyEvent, 1, seconds, memory),))
    if facts.executor != "blocks":
        return Plan()
    if kind in ("set", "text"):
        return _list(facts, seconds)
    grid = metric_of(kind, facts.spec.near.metric).grid
    dimensions = 3 if grid == "globe" else facts.dimensions
    fits = grid is not None and dimensions <= MOST_JOIN_DIMENSIONS
    if fits and points <= most_grid_points(facts.spec.limits, dimensions):
        memory = grid_memory_mb(points, dimensions)
        return Plan((facts.step(MeasureEvent, 1, seconds, memory),))
    latest = facts.latest
    count = latest.number("invocations")
    note = (
        "blocks of points: unknown until the candidates of a day are published; 1 is priced"
        if count is None
        else f"blocks of points: {count:,}, as on {latest.day}"
    )
    if kind == "embedding":
        most, pairs = most_range_points(dimensions), facts.pairs // (count or 1)
        block = product_memory_mb(min(points, most), dimensions, pairs, has_others=points > most)
    else:
        block = grid_memory_mb(min(points, most_grid_points(facts.spec.limits, dimensions)), dimensions)
    return Plan((facts.step(MeasureEvent, count or 1, seconds, block),), (note,))


def _list(facts: DayFacts, seconds: float) -> Plan:
    points = facts.points
    if facts.spec.features.kind == "set":
        memory = set_join_memory_mb(points, _TOKENS * points, 8 * _TOKENS * points)
    else:
        memory = text_join_memory_mb(points, _CHARACTERS * points, int(facts.spec.near.threshold))
    note = "memory to compare sets and texts: assumes 8 tokens or 40 characters each"
    return Plan((facts.step(JoinEvent, 1, seconds, memory),), (note,))
