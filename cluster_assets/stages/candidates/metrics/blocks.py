"""Blocks of a space: median cuts of a sample, and the SQL statements derived from them.

SQL cuts the points into blocks and adds to each block the points near it, its halo. A worker measures the
distances inside a block (see `lambda_worker.pairs.blocks`). The proof that no pair is lost is in
sql/candidates/blocks/halo.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlglot.expressions as exp

from cluster_assets.backends.statements import bind, column, literal
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cluster_assets.backends.ports import Statement
    from cluster_assets.stages.candidates.metrics.plans import Comparison

SAMPLED_POINTS = 20_000
_SAMPLED_VALUES = 400_000
_JUDGED_POINTS = 2_000
_LEAST_REACH = (
    2.0**-500
)  # squares of smaller differences underflow; see sql/candidates/grid/candidates_vector.sql
_SLACK = 1 + 2.0**-10


@dataclass(frozen=True, slots=True)
class Cuts:
    """A binary tree of cuts: points below `value` on an axis go left; each leaf is a block.

    Attributes:
        axis: The coordinate that is cut; None for a leaf.
        value: The position of the cut.
        block: Number of the block for a leaf, counted from 0, left to right.
    """

    axis: int | None = None
    value: float = 0.0
    below: Cuts | None = None
    above: Cuts | None = None
    block: int = 0


@dataclass(frozen=True, slots=True)
class SpaceBlocks:
    """The statements that cut a space into blocks.

    Attributes:
        boxes_table: Contract of the scratch table that `boxes` fills from `points`.
        blocks_table: Contract of the scratch table that `blocks` fills from `points` and `boxes`.
    """

    boxes_table: TableContract
    boxes: Statement
    blocks_table: TableContract
    blocks: Statement


def sample_step(points: int, dimensions: int) -> int:
    """Return the k for the sample of every k-th point from which cuts are computed."""
    wanted = min(SAMPLED_POINTS, max(1_000, _SAMPLED_VALUES // dimensions))
    return max(1, points // wanted)


def cut_space(sample: NDArray[np.float64], blocks: int) -> Cuts:
    """Cut the widest axis at its median repeatedly, which gives balanced and compact blocks.

    Args:
        sample: Shape (points, dimensions).
        blocks: Maximum number of blocks; there are fewer if points of the sample coincide.
    """
    numbers = iter(range(blocks))
    return _cut(sample, blocks, numbers)


def replication(sample: NDArray[np.float64], cuts: Cuts, reach: float) -> float:
    """Estimate on the sample how often a point is written on average, in its block and in halos.

    The bounding boxes of a sample are smaller than those of all points, so the estimate is slightly low.
    """
    parts = list(_parts(sample, cuts))
    judged = sample[:: max(1, len(sample) // _JUDGED_POINTS)]
    copies = 0
    for part in parts:
        low, high = part.min(axis=0), part.max(axis=0)
        copies += int(((low - judged <= reach) & (judged - high <= reach)).all(axis=1).sum())
    # A point is copied to lower blocks only: half of the other blocks within reach.
    return 1 + (copies / len(judged) - 1) / 2


def reach_of(threshold: float) -> float:
    """Return the width of a halo on each axis."""
    return max(threshold, _LEAST_REACH) * _SLACK


def space_blocks(comparison: Comparison, cuts: Cuts) -> SpaceBlocks:
    """Return the statements that cut the points of a comparison into blocks."""
    names = tuple(feature.name for feature in comparison.columns)
    home = {"home": home_of(cuts, names)}
    structure = {"columns": names}
    ends = (Column(f"{end}{k}", "double") for k in range(len(names)) for end in ("low", "high"))
    return SpaceBlocks(
        boxes_table=TableContract(
            "boxes", (Column("block", "bigint"), Column("points", "bigint"), *ends), sort_by=("block",)
        ),
        boxes=bind("candidates/blocks/boxes.sql", structure=structure, expressions=home),
        blocks_table=TableContract(
            "blocks",
            (
                Column("point_id", "bigint"),
                Column("is_halo", "bigint"),
                *comparison.columns,
                Column("block", "bigint"),
            ),
            sort_by=(),
            partitioned_by="block",
        ),
        blocks=bind(
            "candidates/blocks/halo.sql",
            structure=structure,
            values={"reach": reach_of(comparison.threshold)},
            expressions=home,
        ),
    )


def home_of(cuts: Cuts, names: tuple[str, ...]) -> exp.Expr:
    """Return the expression for the block number of a point from its coordinate columns."""
    if cuts.axis is None or cuts.below is None or cuts.above is None:
        return literal(cuts.block)
    is_below = column(names[cuts.axis]) < literal(cuts.value)
    below = exp.If(this=is_below, true=home_of(cuts.below, names))
    return exp.Case(ifs=[below], default=home_of(cuts.above, names))


def _cut(sample: NDArray[np.float64], blocks: int, numbers: Iterator[int]) -> Cuts:
    if blocks > 1 and len(sample) > 1:
        axis = int(np.argmax(sample.max(axis=0) * 0.5 - sample.min(axis=0) * 0.5))
        left = blocks // 2
        value = _value_between(sample[:, axis], len(sample) * left // blocks)
        if value is not None:
            below = sample[:, axis] < value
            return Cuts(
                axis,
                value,
                _cut(sample[below], left, numbers),
                _cut(sample[~below], blocks - left, numbers),
            )
    return Cuts(block=next(numbers))


def _value_between(values: NDArray[np.float64], rank: int) -> float | None:
    """Return the value at a rank, or the next larger one if none is below it; None if all are equal."""
    low = values.min()
    value = np.partition(values, rank)[rank]
    if value == low:
        larger = values[values > low]
        if not len(larger):
            return None
        value = larger.min()
    return float(value)


def _parts(sample: NDArray[np.float64], cuts: Cuts) -> Iterator[NDArray[np.float64]]:
    if cuts.axis is None or cuts.below is None or cuts.above is None:
        yield sample
        return
    below = sample[:, cuts.axis] < cuts.value
    yield from _parts(sample[below], cuts.below)
    yield from _parts(sample[~below], cuts.above)
