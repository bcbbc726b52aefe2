"""What a pipeline's YAML may say of distance and blocking, and what of it goes together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from cluster_assets.algorithm_spec import may_miss_pairs
from cluster_assets.spec_types import Part

if TYPE_CHECKING:
    from cluster_assets.algorithm_spec import Algorithm
    from cluster_assets.feature_spec import Features, Kind

Metric = Literal[
    "jaccard", "dice", "overlap", "cosine", "euclidean", "manhattan", "chebyshev", "haversine",
    "levenshtein", "gower",
]  # fmt: skip
METRICS_OF: dict[Kind, tuple[Metric, ...]] = {
    "set": ("jaccard", "dice", "overlap", "cosine"),
    "vector": ("euclidean", "manhattan", "chebyshev", "cosine"),
    "embedding": ("cosine", "euclidean"),
    "geo": ("haversine",),
    "text": ("levenshtein",),
    "mixed": ("gower",),
}
# What distances can be at most; metrics not named here have no bound.
LARGEST: dict[tuple[Kind, Metric], float] = {
    **{("set", metric): 1.0 for metric in METRICS_OF["set"]},
    ("vector", "cosine"): 2.0,
    ("embedding", "cosine"): 2.0,
    ("mixed", "gower"): 1.0,
}
_MOST_GRID_AXES = 3


class Distance(Part):
    """Which pairs are near."""

    metric: Metric
    threshold: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Pairs at most this far apart are candidates: 0..1 for sets and gower, 0..2 for cosine "
        "of vectors, metres for haversine, edits for levenshtein, else units of the (scaled) vector",
    )

    @model_validator(mode="after")
    def _unit(self) -> Distance:
        if self.metric in ("jaccard", "dice", "overlap", "gower") and self.threshold > 1:
            raise ValueError(
                f"a {self.metric} distance lies between 0 and 1, not {self.threshold:g}; 0.4 means 60 % alike"
            )
        if self.metric == "haversine" and self.threshold > 6_371_008.8 * math.pi:
            raise ValueError(
                f"haversine is in metres; {self.threshold:g} is more than half way round the Earth"
            )
        if self.metric == "levenshtein" and not (self.threshold.is_integer() and self.threshold <= 1000):
            raise ValueError(
                f"levenshtein counts edits; write a whole number up to 1000, not {self.threshold:g}"
            )
        if self.metric in ("euclidean", "manhattan", "chebyshev") and self.threshold > 1e150:
            raise ValueError(f"a {self.metric} threshold beyond 1e150 overflows when squared")
        return self


class AutoBlocking(Part):
    """The planner chooses among the exact rules by the shape of the data."""

    type: Literal["auto"] = "auto"


class JoinBlocking(Part):
    """An SQL join on blocking keys; every near pair is listed."""

    type: Literal["join"]


class CellsBlocking(Part):
    """Dense grid cells stand for all their pairs; a certificate with the same clusters."""

    type: Literal["cells"]


class BlocksBlocking(Part):
    """SQL cuts the points into blocks, worker invocations measure the pairs inside them.

    Texts and sets are one block, which has to fit into an invocation.
    """

    type: Literal["blocks"]
    points: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description="Points of a block, about; left out: by the kind of the features",
    )


class LshBlocking(Part):
    """Locality-sensitive hashing: some near pairs are missed; the day shows how many."""

    type: Literal["lsh"]
    tables: int = Field(16, ge=1, le=128, description="Hash tables; more find more")
    rows: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Hashes that must agree in a table; more compare less; 4 for sets and 12 for embeddings "
        "when left out",
    )
    seed: int = Field(1, ge=0, le=2**31 - 1)
    recall_sample: int = Field(20_000, ge=100, le=1_000_000, description="Points the recall is measured on")


BlockingType = Literal["join", "cells", "blocks", "lsh"]
Blocking = Annotated[
    AutoBlocking | JoinBlocking | CellsBlocking | BlocksBlocking | LshBlocking, Field(discriminator="type")
]


def blockings_of(features: Features, distance: Distance, algorithm: Algorithm) -> tuple[BlockingType, ...]:
    """The executors that can find the pairs of a pipeline.

    Dense cells need a grid of at most three axes, and an algorithm that asks only who is core and what is
    connected. Hashing misses pairs, which only some algorithms can bear.
    """
    dimensions = {"vector": len(features.vector or ()), "geo": _MOST_GRID_AXES}.get(features.kind)
    possible: list[BlockingType] = [] if features.kind == "embedding" else ["join"]
    is_grid = dimensions is not None and dimensions <= _MOST_GRID_AXES and distance.metric != "cosine"
    if is_grid and algorithm.type in ("dbscan", "connected_components"):
        possible.append("cells")
    if features.kind in ("vector", "embedding", "text", "set"):
        possible.append("blocks")
    can_hash = distance.metric == "jaccard" or (features.kind == "embedding" and distance.metric == "cosine")
    if can_hash and may_miss_pairs(algorithm):
        possible.append("lsh")
    return tuple(possible)
