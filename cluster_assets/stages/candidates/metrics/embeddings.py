"""Blocks of point ids for embeddings: every pair of blocks is measured.

In many dimensions every box reaches nearly every point, so cutting the space gains nothing. Ranges of ids
need no statistics, and a worker compares one range with others by matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import MOST_PARTITIONS
from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Statement
    from cluster_assets.stages.candidates.metrics.plans import Comparison

IS_KEPT = "is_kept"
"""Column of `blocks` that marks points kept from a former day."""
RANGE_POINTS = 16_384
"""Default number of points per range: some seconds of work for two."""

_BLOCK_BYTES = 32 << 20  # of values; `product_memory_mb` says what a worker takes for two blocks
_WORK = 2.0**40  # pairs times dimensions per invocation: a minute or two
_PAIR_WORK = 32  # fixed work per pair, in dimensions


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of point ids.

    Attributes:
        size: Number of ids per range; block b starts at id b * size.
        count: Number of ranges.
    """

    size: int
    count: int


@dataclass(frozen=True, slots=True)
class RangeWork:
    """The work of one invocation: a block against later blocks, and optionally against itself."""

    block: int
    within: bool
    others: tuple[int, ...]


def bounds_of(comparison: Comparison) -> Statement:
    """Return the statement that reads `points` and gives one row: points, last_id, dimensions."""
    names = tuple(column.name for column in comparison.columns)
    return bind(
        "candidates/blocks/bounds.sql", structure={"columns": names, "is_array": is_array(comparison)}
    )


def is_array(comparison: Comparison) -> bool:
    """Whether points are compared by a single array column."""
    return comparison.kind == "embedding"


def cut_ids(last_id: int, points: int, dimensions: int, wanted: int) -> Ranges:
    """Return ranges of about the wanted number of points, or fewer if these would not fit into a worker.

    Args:
        last_id: The largest id; ids of a sample have gaps.
        points: Number of points.
        dimensions: Number of dimensions.
        wanted: Wanted number of points per range.
    """
    most = most_range_points(dimensions, wanted)
    count = -(-points // most)
    return Ranges(size=-(-(last_id + 1) // count), count=count)


def most_range_points(dimensions: int, wanted: int = RANGE_POINTS) -> int:
    """Return the largest number of points per range, at most the wanted one."""
    return max(64, min(wanted, _BLOCK_BYTES // (8 * max(1, dimensions))))


def share_work(ranges: Ranges, dimensions: int) -> tuple[RangeWork, ...]:
    """Distribute all pairs of ranges over invocations that take about the same time."""
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


def range_blocks(
    comparison: Comparison, ranges: Ranges, *, has_kept: bool = False
) -> tuple[TableContract, tuple[Statement, ...]]:
    """Return the contract of the scratch table `blocks` and the statements that fill it from `points`.

    Args:
        comparison: How points are compared.
        ranges: The ranges of ids.
        has_kept: Whether `is_kept` marks the points of the table `kept`, which the statements then read too.
    """
    names = tuple(column.name for column in comparison.columns)
    types = tuple(column.type for column in comparison.columns)
    contract = TableContract(
        "blocks",
        (
            Column("point_id", "bigint"),
            *comparison.columns,
            *((Column(IS_KEPT, "bigint"),) if has_kept else ()),
            Column("block", "bigint"),
        ),
        sort_by=(),
        partitioned_by="block",
    )
    structure = {"columns": names, "types": types, "has_kept": has_kept}
    statements = tuple(
        bind("candidates/blocks/ranges.sql", structure=structure, values=values)
        for values in statement_ranges(ranges)
    )
    return contract, statements


def statement_ranges(ranges: Ranges) -> tuple[dict[str, int], ...]:
    """Return the parameters of statements that each fill a table of as many blocks as an engine can write."""
    span = MOST_PARTITIONS * ranges.size
    return tuple(
        {"size": ranges.size, "first": first, "last": first + span - 1}
        for first in range(0, ranges.size * ranges.count, span)
    )
