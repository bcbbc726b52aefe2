"""Blocks of point ids, every pair of which is measured: for embeddings, where no space can be cut.

In many dimensions every box reaches nearly every point, so that nothing is gained by cutting. Ranges of ids
need no statistics; a worker compares one of them with others by products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison
    from cluster_assets.ports import Statement

PARTITIONS_OF_A_STATEMENT = 100  # Athena's and Trino's limit
_BLOCK_BYTES = 32 << 20  # of values; a worker holds two blocks, in doubles and in half as long numbers
_WORK = 2.0**40  # pairs times dimensions of an invocation: a minute or two
_PAIR_WORK = 32  # dimensions' worth of work that a pair takes besides its product


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of point ids.

    Attributes:
        size: Ids of a range; block b holds the ids from b * size on.
        count: How many ranges.
    """

    size: int
    count: int


@dataclass(frozen=True, slots=True)
class RangeWork:
    """What one invocation measures: a block, perhaps with itself, against others with higher numbers."""

    block: int
    within: bool
    others: tuple[int, ...]


def bounds_of(comparison: Comparison) -> Statement:
    """Reads `points`; one row: points, last_id, dimensions."""
    names = tuple(column.name for column in comparison.columns)
    return bind("blocks/bounds.sql", structure={"columns": names, "is_array": is_array(comparison)})


def is_array(comparison: Comparison) -> bool:
    """Whether points are compared by one column of arrays."""
    return comparison.kind == "embedding"


def cut_ids(last_id: int, points: int, dimensions: int, wanted: int) -> Ranges:
    """Ranges of about the wanted number of points, or fewer where they would not fit a worker.

    Args:
        last_id: The largest id; ids of a sample are not dense.
        points: How many there are.
        dimensions: Of each.
        wanted: Points of a range.
    """
    most = max(64, min(wanted, _BLOCK_BYTES // (8 * max(1, dimensions))))
    count = -(-points // most)
    return Ranges(size=-(-(last_id + 1) // count), count=count)


def share_work(ranges: Ranges, dimensions: int) -> tuple[RangeWork, ...]:
    """All pairs of ranges, as work for invocations that take about the same time each."""
    a_pair = float(ranges.size) ** 2 * (dimensions + _PAIR_WORK)
    at_once = max(1, int(_WORK / a_pair))
    work = []
    for block in range(ranges.count):
        others = tuple(range(block + 1, ranges.count))
        work.append(RangeWork(block, within=True, others=others[:at_once]))
        rest = others[at_once:]
        for start in range(0, len(rest), at_once):
            work.append(RangeWork(block, within=False, others=rest[start : start + at_once]))  # noqa: PERF401
    return tuple(work)


def range_blocks(comparison: Comparison, ranges: Ranges) -> tuple[TableContract, tuple[Statement, ...]]:
    """The contract of the scratch table `blocks`, and the statements that fill it from `points`."""
    names = tuple(column.name for column in comparison.columns)
    types = tuple(column.type for column in comparison.columns)
    contract = TableContract(
        "blocks",
        (Column("point_id", "bigint"), *comparison.columns, Column("block", "bigint")),
        sort_by=(),
        partitioned_by="block",
    )
    span = PARTITIONS_OF_A_STATEMENT * ranges.size
    statements = tuple(
        bind(
            "blocks/ranges.sql",
            structure={"columns": names, "types": types},
            values={"size": ranges.size, "first": first, "last": first + span - 1},
        )
        for first in range(0, ranges.size * ranges.count, span)
    )
    return contract, statements
