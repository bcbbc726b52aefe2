"""Metrics: from points to all pairs within the threshold.

A new metric is a module with a function `plan(comparison) -> CandidatePlan`, its SQL file with the proof that
its blocking loses no pair, a row in `_JOINS` and a name in `pipeline_spec.Metric`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cluster_assets.metrics import (
    dense_cells,
    gower,
    haversine,
    hyperplanes,
    levenshtein,
    minhash,
    sets,
    vectors,
)
from cluster_assets.metrics.plans import CandidatePlan, Comparison, LshOptions, Part, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.pipeline_spec import Kind, Metric

__all__ = ["CandidatePlan", "Comparison", "LshOptions", "Part", "ScratchStep", "cells", "lsh", "plan"]

_JOINS: dict[tuple[Kind, Metric], Callable[[Comparison], CandidatePlan]] = {
    ("set", "jaccard"): sets.plan,
    ("set", "dice"): sets.plan,
    ("set", "overlap"): sets.plan,
    ("set", "cosine"): sets.plan,
    ("vector", "euclidean"): vectors.plan,
    ("vector", "manhattan"): vectors.plan,
    ("vector", "chebyshev"): vectors.plan,
    ("vector", "cosine"): vectors.plan_cosine,
    ("geo", "haversine"): haversine.plan,
    ("text", "levenshtein"): levenshtein.plan,
    ("mixed", "gower"): gower.plan,
}
# Dense cells stand for their pairs: a certificate for the entities that make a core.
_CELLS: dict[tuple[Kind, Metric], Callable[[Comparison, int], CandidatePlan]] = {
    ("vector", "euclidean"): dense_cells.plan_vectors,
    ("vector", "manhattan"): dense_cells.plan_vectors,
    ("vector", "chebyshev"): dense_cells.plan_vectors,
    ("geo", "haversine"): dense_cells.plan_haversine,
}
# Hashing, asked for by name: near pairs may be missed.
_LSH: dict[tuple[Kind, Metric], Callable[[Comparison, LshOptions], CandidatePlan]] = {
    ("set", "jaccard"): minhash.lsh,
    ("embedding", "cosine"): hyperplanes.lsh,
}


@functools.lru_cache(maxsize=64)  # the days of a run share it
def plan(comparison: Comparison) -> CandidatePlan:
    """The SQL join that lists every pair of points within the threshold."""
    return _JOINS[comparison.kind, comparison.metric](comparison)


@functools.lru_cache(maxsize=64)
def cells(comparison: Comparison, min_samples: int) -> CandidatePlan:
    """A certificate by dense grid cells: near pairs and cores that are enough to give the same clusters."""
    return _CELLS[comparison.kind, comparison.metric](comparison, min_samples)


@functools.lru_cache(maxsize=64)
def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Near pairs among the points that one hash table puts together; some are missed."""
    return _LSH[comparison.kind, comparison.metric](comparison, options)
