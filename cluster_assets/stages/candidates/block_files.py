"""Blocks of points cut by SQL: the files of each block, and the work to measure between blocks.

Regions and blocks are cut from the coordinates of a sample of the day's points.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.backends.ports import MOST_PARTITIONS
from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import points_contract
from cluster_assets.spec.distance import BlocksBlocking
from cluster_assets.spec.metrics import metric_of
from cluster_assets.stages.candidates.kept import KEPT_PAIRS, kept_pairs_by_block
from cluster_assets.stages.candidates.metrics.blocks import (
    cut_space,
    reach_of,
    replication,
    sample_step,
    space_blocks,
)
from cluster_assets.stages.candidates.metrics.embeddings import (
    RANGE_POINTS,
    bounds_of,
    cut_ids,
    range_blocks,
    share_work,
    statement_ranges,
)
from cluster_assets.stages.candidates.planner import MOST_JOIN_DIMENSIONS, most_grid_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cluster_assets.backends.ports import FileRelation, Relation, Statement, WrittenFile
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.candidates.kept import Kept
    from cluster_assets.stages.candidates.metrics import Comparison
    from cluster_assets.stages.candidates.metrics.blocks import Cuts
    from cluster_assets.stages.candidates.metrics.embeddings import Ranges
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.sql import WrittenTable
    from cluster_assets.stages.ledger.ledger import Attempt

    Files = tuple[WrittenFile, ...]
    Fetch = Callable[[Statement], Iterable[Mapping[str, object]]]

_SPACE_POINTS = 65_536  # by default per block: few copies in halos, and some seconds of work each
_GRID_POINTS = 1 << 20  # a grid takes a second for these
_MOST_REPLICATION = 4.0  # with more copies per point, comparing all ranges of ids is less work


@dataclass(frozen=True, slots=True)
class Bounds:
    """The number of points, their largest id and their number of dimensions."""

    points: int
    last_id: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class BlockWork:
    """The work of one invocation.

    Attributes:
        name: Name of its output; names sort in the order of the blocks.
        rows: Total number of rows of its files.
        home: URIs of the files of a block.
        others: URIs of the files of further blocks to compare it with.
        within: Whether to measure the pairs inside the block.
        halo_column: Column of `home` that marks points of its halo; None if the block has no halo.
        known: URIs of the pairs of kept points whose lower id is in the block; None if no points are kept.
    """

    name: str
    rows: int
    home: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()
    within: bool = True
    halo_column: str | None = None
    known: tuple[str, ...] | None = None


class BlockFiles:
    """Writes the blocks of a day's points to the attempt's scratch.

    Attributes:
        rows: Total number of rows written.
        blocks: Number of blocks written.
    """

    def __init__(self, job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation) -> None:
        self.rows = 0
        self.blocks = 0
        self._job = job
        self._attempt = attempt
        self._comparison = comparison
        self._metric = metric_of(comparison.kind, comparison.metric)
        self._points = points
        self._names = tuple(column.name for column in comparison.columns)

    def whole(self, points: int) -> BlockWork | None:
        """Return one block of all published points if one invocation can hold them in a grid, else None."""
        if not self._is_grid or points > self._wanted(self._most_points):
            return None
        self.blocks, self.rows = 1, points
        return BlockWork(_name(0), points, self._points.uris)

    def bounds(self) -> Bounds:
        """Query the bounds of all points."""
        row = self._fetch(bounds_of(self._comparison))[0]
        return Bounds(*(int(str(row[name] or 0)) for name in ("points", "last_id", "dimensions")))

    def write(self, bounds: Bounds, kept: Kept | None = None) -> tuple[BlockWork, ...]:
        """Write blocks of space, or ranges of ids if cutting the space does not separate the points.

        Args:
            bounds: Of all points.
            kept: Points whose pairs are known, if ranges of ids are written.
        """
        cuts = self._cut(bounds)
        return tuple(self._write_ranges(bounds, kept) if cuts is None else self._write_space(cuts))

    def write_sample(self, bounds: Bounds, wanted: int) -> BlockWork:
        """Write every k-th point as one block of about the wanted size."""
        values = {"every": -(-bounds.points // wanted)}
        statement = bind("candidates/sampled_points.sql", structure={"columns": self._names}, values=values)
        contract = points_contract(self._comparison.columns)
        sample = self._unload(statement, self._known(), contract, "estimated")
        return BlockWork("estimated", sample.rows, _uris(sample.files))

    def _cut(self, bounds: Bounds) -> Cuts | None:
        """Return cuts of the space; None if ranges of ids are less work."""
        default = min(_GRID_POINTS, self._most_points // 2) if self._is_grid else _SPACE_POINTS
        # A worker splits its block further in memory, so blocks need not be small.
        blocks = min(MOST_PARTITIONS, -(-bounds.points // self._wanted(default)))
        if self._metric.grid != "plane" or blocks < 2:
            return None
        every = sample_step(bounds.points, bounds.dimensions)
        sample = sampled_places(self._fetch, self._names, every)
        if len(sample) < 2 * blocks:
            return None
        cuts = cut_space(sample, blocks)
        copies = replication(sample, cuts, reach_of(self._comparison.threshold))
        return cuts if copies <= _MOST_REPLICATION else None

    @property
    def _is_grid(self) -> bool:
        """Whether the worker puts the points of a block into the cells of a grid."""
        few = len(self._names) <= MOST_JOIN_DIMENSIONS
        return self._metric.grid == "globe" or (self._metric.grid == "plane" and few)

    @property
    def _most_points(self) -> int:
        return most_grid_points(self._job.spec.limits, len(self._names))

    def _wanted(self, default: int) -> int:
        blocking = self._job.spec.blocking
        named = blocking.points if isinstance(blocking, BlocksBlocking) else None
        return named or default

    def _write_space(self, cuts: Cuts) -> Iterator[BlockWork]:
        plan = space_blocks(self._comparison, cuts)
        boxes = self._unload(plan.boxes, self._known(), plan.boxes_table, "boxes")
        known = {**self._known(), "boxes": boxes.relation}
        by_block = self._by_block(self._unload(plan.blocks, known, plan.blocks_table, "blocks").files)
        for block in sorted(by_block):
            files = by_block[block]
            yield BlockWork(_name(block), _rows(files), _uris(files), halo_column="is_halo")

    def _write_ranges(self, bounds: Bounds, kept: Kept | None) -> Iterator[BlockWork]:
        wanted = self._wanted(RANGE_POINTS)
        ranges = cut_ids(bounds.last_id, bounds.points, bounds.dimensions, wanted)
        contract, statements = range_blocks(self._comparison, ranges, has_kept=kept is not None)
        read = {**self._known(), **({} if kept is None else kept.relations)}
        written: list[WrittenFile] = []
        for number, statement in enumerate(statements):
            written += self._unload(statement, read, contract, f"blocks_{number}").files
        by_block = self._by_block(written)
        known = None if kept is None else self._write_known(ranges, kept)
        for number, work in enumerate(share_work(ranges, bounds.dimensions)):
            others = tuple(by_block[other] for other in work.others if other in by_block)
            if work.block in by_block and (work.within or others):
                home = by_block[work.block]
                rows = _rows(home) + sum(map(_rows, others))
                yield BlockWork(
                    _name(work.block, number),
                    rows,
                    _uris(home),
                    tuple(map(_uris, others)),
                    work.within,
                    known=None if known is None else _uris(known.get(work.block, ())),
                )

    def _write_known(self, ranges: Ranges, kept: Kept) -> Mapping[int, Files]:
        """Write the pairs of kept points, by the block of the lower id."""
        written: list[WrittenFile] = []
        for number, values in enumerate(statement_ranges(ranges)):
            pairs = kept_pairs_by_block(values)
            written += self._unload(pairs, kept.relations, KEPT_PAIRS, f"kept_{number}").files
        return _files_by_block(written)

    def _known(self) -> dict[str, Relation]:
        return {"points": self._points}

    def _by_block(self, written: Sequence[WrittenFile]) -> Mapping[int, Files]:
        found = _files_by_block(written)
        self.rows += sum(file.rows for file in written)
        self.blocks += len(found)
        return found

    def _fetch(self, statement: Statement) -> tuple[Mapping[str, object], ...]:
        return self._job.sql.fetch(statement, self._known())

    def _unload(
        self, statement: Statement, known: Mapping[str, Relation], table: TableContract, name: str
    ) -> WrittenTable:
        return self._job.sql.unload(statement, known, table, self._attempt.scratch_uri(name))


def sampled_places(fetch: Fetch, names: tuple[str, ...], every: int) -> NDArray[np.float64]:
    """Return the coordinates of every k-th point, by point id.

    Args:
        fetch: Runs a statement that reads `points` and returns its rows.
        names: Columns of `points` of type DOUBLE.
        every: The k.

    Returns:
        Coordinates, of shape (points, names).
    """
    statement = bind("candidates/blocks/sampled.sql", structure={"columns": names}, values={"every": every})
    rows = [(row["point_id"], *(row[name] for name in names)) for row in fetch(statement)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 1 + len(names))
    return table[np.argsort(table[:, 0]), 1:]  # sorted, so that the cuts do not depend on row order


def _files_by_block(written: Sequence[WrittenFile]) -> Mapping[int, Files]:
    found: dict[int, list[WrittenFile]] = defaultdict(list)
    for file in written:
        found[int(file.partition or 0)].append(file)
    return {block: tuple(files) for block, files in found.items()}


def _uris(files: Files) -> tuple[str, ...]:
    return tuple(file.uri for file in files)


def _rows(files: Files) -> int:
    return sum(file.rows for file in files)


def _name(block: int, number: int = 0) -> str:
    return f"block-{block:05d}-{number:06d}"
