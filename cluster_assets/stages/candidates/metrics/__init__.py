"""Metrics: the plans that find all pairs of points within the threshold.

To add a metric, add a row to `METRICS` (`spec/metrics.py`), a module with a function
`plan(comparison) -> CandidatePlan`, an SQL file with the proof that its blocking loses no pair, and a row to
`_JOINS`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cluster_assets.stages.candidates.metrics import (
    dense_cells,
    gower,
    haversine,
    levenshtein,
    minhash,
    sets,
    vectors,
)
from cluster_assets.stages.candidates.metrics import hashing as hyperplanes
from cluster_assets.stages.candidates.metrics.plans import (
    CandidatePlan,
    Comparison,
    LshOptions,
    Part,
    ScratchStep,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.spec.pipeline import Kind, Metric

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
# Dense cells replace their pairs by a certificate for a given `min_samples`.
_CELLS: dict[tuple[Kind, Metric], Callable[[Comparison, int], CandidatePlan]] = {
    ("vector", "euclidean"): dense_cells.plan_vectors,
    ("vector", "manhattan"): dense_cells.plan_vectors,
    ("vector", "chebyshev"): dense_cells.plan_vectors,
    ("geo", "haversine"): dense_cells.plan_haversine,
}
# Hashing may miss near pairs, so it is used only if the YAML names it.
_LSH: dict[tuple[Kind, Metric], Callable[[Comparison, LshOptions], CandidatePlan]] = {
    ("set", "jaccard"): minhash.lsh,
    ("embedding", "cosine"): hyperplanes.lsh,
}


@functools.lru_cache(maxsize=64)  # shared by the days of a run
def plan(comparison: Comparison) -> CandidatePlan:
    """Return the SQL join that lists every pair of points within the threshold."""
    return _JOINS[comparison.kind, comparison.metric](comparison)


@functools.lru_cache(maxsize=64)
def cells(comparison: Comparison, min_samples: int) -> CandidatePlan:
    """Return a certificate plan by dense cells: near pairs and cores that give the same clusters."""
    return _CELLS[comparison.kind, comparison.metric](comparison, min_samples)


@functools.lru_cache(maxsize=64)
def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Return the plan that compares points sharing a bucket of a hash table; some near pairs are missed."""
    return _LSH[comparison.kind, comparison.metric](comparison, options)
