"""Blocks of a space: median cuts found on a sample, and what SQL makes of them.

SQL cuts the points into blocks and copies to each the points near it, its halo; a worker measures the
distances inside a block (see `lambda_worker.measure`). The proof that no pair is lost stands in
sql/blocks/halo.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.sql_files import bind, column, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cluster_assets.metrics.plans import Comparison
    from cluster_assets.ports import Statement

# A block is a partition of a written table, of which Athena and Trino take 100; and an invocation. A worker
# halves its block further in memory, so that blocks need not be small.
MOST_BLOCKS = 100
SAMPLED_POINTS = 20_000
_SAMPLED_VALUES = 400_000
_JUDGED_POINTS = 2_000
_LEAST_REACH = 2.0**-500  # squares of smaller differences underflow; see sql/candidates/vector.sql
_SLACK = 1 + 2.0**-10


@dataclass(frozen=True, slots=True)
class Cuts:
    """A binary tree of cuts: the points below `value` on an axis go left; a leaf is a block.

    Attributes:
        axis: Which coordinate is cut; None for a leaf.
        value: Where.
        block: Number of the block, counted from 0 from left to right; of a leaf.
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
    """The k of the sample of every k-th point that cuts are found on."""
    wanted = min(SAMPLED_POINTS, max(1_000, _SAMPLED_VALUES // dimensions))
    return max(1, points // wanted)


def cut_space(sample: NDArray[np.float64], blocks: int) -> Cuts:
    """Cut the widest axis at its median, over and over: balanced blocks, each as round as can be.

    Args:
        sample: Shape (points, dimensions).
        blocks: At most so many come out; fewer where the sample's points are the same.
    """
    numbers = iter(range(blocks))
    return _cut(sample, blocks, numbers)


def replication(sample: NDArray[np.float64], cuts: Cuts, reach: float) -> float:
    """How often a point is written on average, at home and in halos, by the sample.

    The boxes of a sample are smaller than those of all points, so that this is a little too low.
    """
    parts = list(_parts(sample, cuts))
    judged = sample[:: max(1, len(sample) // _JUDGED_POINTS)]
    copies = 0
    for part in parts:
        low, high = part.min(axis=0), part.max(axis=0)
        copies += int(((low - judged <= reach) & (judged - high <= reach)).all(axis=1).sum())
    # A point is copied to lower blocks only: half of those within reach but its own.
    return 1 + (copies / len(judged) - 1) / 2


def reach_of(threshold: float) -> float:
    """How far a halo reaches on each axis."""
    return max(threshold, _LEAST_REACH) * _SLACK


def space_blocks(comparison: Comparison, cuts: Cuts) -> SpaceBlocks:
    """The statements for cuts of the points of a comparison."""
    names = tuple(feature.name for feature in comparison.columns)
    home = {"home": home_of(cuts, names)}
    structure = {"columns": names}
    ends = (Column(f"{end}{k}", "double") for k in range(len(names)) for end in ("low", "high"))
    return SpaceBlocks(
        boxes_table=TableContract(
            "boxes", (Column("block", "bigint"), Column("points", "bigint"), *ends), sort_by=("block",)
        ),
        boxes=bind("blocks/boxes.sql", structure=structure, expressions=home),
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
            "blocks/halo.sql",
            structure=structure,
            values={"reach": reach_of(comparison.threshold)},
            expressions=home,
        ),
    )


def home_of(cuts: Cuts, names: tuple[str, ...]) -> exp.Expr:
    """The number of the block a point lies in, from columns of these names."""
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
    """The value of this rank, or the next larger one where none lies below it; None when all are the same."""
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
