"""YAML models of distance and blocking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cluster_assets.spec.base import Part
from cluster_assets.spec.metrics import Metric, unit_of


class Distance(Part):
    """Definition of near pairs."""

    metric: Metric
    threshold: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Maximum distance of a candidate pair: 0..1 for sets and gower, 0..2 for cosine of "
        "vectors, metres for haversine, edits for levenshtein, else units of the (scaled) vector",
    )

    @model_validator(mode="after")
    def _unit(self) -> Distance:
        unit = unit_of(self.metric)
        if not unit.fits(self.threshold):
            raise ValueError(unit.complaint.format(metric=self.metric, threshold=self.threshold))
        return self


class AutoBlocking(Part):
    """The planner chooses one of the exact executors from the shape of the data."""

    type: Literal["auto"] = "auto"


class JoinBlocking(Part):
    """An SQL join on blocking keys; every near pair is listed."""

    type: Literal["join"]


class CellsBlocking(Part):
    """Cells of a grid or a tree replace near pairs by a certificate with the same clusters."""

    type: Literal["cells"]


class BlocksBlocking(Part):
    """SQL cuts the points into blocks, and worker invocations measure the pairs inside them.

    Texts and sets form one block, which must fit into an invocation.
    """

    type: Literal["blocks"]
    points: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description="Approximate number of points per block; the default depends on the kind of features",
    )


class LshBlocking(Part):
    """Locality-sensitive hashing: misses some near pairs, and measures how many."""

    type: Literal["lsh"]
    tables: int = Field(16, ge=1, le=128, description="Number of hash tables; more tables find more pairs")
    rows: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Number of hashes that must agree in a table; more hashes compare fewer pairs; default: "
        "4 for sets, 12 for embeddings",
    )
    seed: int = Field(1, ge=0, le=2**31 - 1)
    recall_sample: int = Field(
        20_000, ge=100, le=1_000_000, description="Number of points for measuring the recall"
    )


Blocking = Annotated[
    AutoBlocking | JoinBlocking | CellsBlocking | BlocksBlocking | LshBlocking, Field(discriminator="type")
]
