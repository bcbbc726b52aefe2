"""Points cut into blocks by SQL: the files of each, and what is to be measured between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.distance_spec import BlocksBlocking
from cluster_assets.domain.tables import points_contract
from cluster_assets.metrics.blocks import (
    MOST_BLOCKS,
    cut_space,
    reach_of,
    replication,
    sample_step,
    space_blocks,
)
from cluster_assets.metrics.embeddings import bounds_of, cut_ids, range_blocks, share_work
from cluster_assets.planner import MOST_JOIN_DIMENSIONS, most_grid_points
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.places import sampled_places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.metrics import Comparison
    from cluster_assets.metrics.blocks import Cuts
    from cluster_assets.ports import Relation, Statement, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

    Files = tuple[WrittenFile, ...]

# Points of a block that nobody sized: few copies in halos, and some seconds of work each.
_SPACE_POINTS = 65_536
_RANGE_POINTS = 16_384
_GRID_POINTS = 1 << 20  # a grid takes a second for these
_MOST_REPLICATION = 4.0  # with more copies than this, comparing all ranges of ids is less work


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many points there are, their largest id, and how many dimensions they have."""

    points: int
    last_id: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class BlockWork:
    """What one invocation measures.

    Attributes:
        name: Of its output; names sort as the blocks do.
        rows: Rows of all its files.
        home: Addresses of the files of a block.
        others: Those of further blocks it is compared with.
        within: Whether the pairs of the block itself count.
        halo_column: Tells the points of `home` that are not at home; None where all are.
    """

    name: str
    rows: int
    home: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()
    within: bool = True
    halo_column: str | None = None


class BlockFiles:
    """Blocks of the points of a day in the attempt's scratch.

    Attributes:
        bytes_scanned: What the engine read so far.
        rows: Rows of all blocks written.
        blocks: Blocks written.
    """

    def __init__(self, job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation) -> None:
        self.bytes_scanned = 0
        self.rows = 0
        self.blocks = 0
        self._job = job
        self._attempt = attempt
        self._comparison = comparison
        self._points = points
        self._names = tuple(column.name for column in comparison.columns)

    def whole(self, points: int) -> BlockWork | None:
        """All points as they are published, where one invocation puts them into a grid; else None."""
        if not self._is_grid or points > self._wanted(self._most_points):
            return None
        self.blocks, self.rows = 1, points
        return BlockWork(_name(0), points, self._points.uris)

    def bounds(self) -> Bounds:
        """Look at all points."""
        row = self._fetch(bounds_of(self._comparison))[0]
        return Bounds(*(int(str(row[name] or 0)) for name in ("points", "last_id", "dimensions")))

    def write(self, bounds: Bounds) -> tuple[BlockWork, ...]:
        """Cut the space where that tells points apart, else the ids."""
        cuts = self._cut(bounds)
        return tuple(self._write_ranges(bounds) if cuts is None else self._write_space(cuts))

    def write_sample(self, bounds: Bounds, wanted: int) -> BlockWork:
        """Every k-th point as one block, about the wanted number of them."""
        values = {"every": -(-bounds.points // wanted)}
        statement = bind("points/sampled.sql", structure={"columns": self._names}, values=values)
        contract = points_contract(self._comparison.columns)
        sample = self._unload(statement, self._known(), contract, "estimated")
        return BlockWork("estimated", _rows(sample), _uris(sample))

    def _cut(self, bounds: Bounds) -> Cuts | None:
        """Cuts of the space; None where ranges of ids are less work."""
        default = min(_GRID_POINTS, self._most_points // 2) if self._is_grid else _SPACE_POINTS
        blocks = min(MOST_BLOCKS, -(-bounds.points // self._wanted(default)))
        if self._comparison.kind != "vector" or self._comparison.metric == "cosine" or blocks < 2:
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
        if self._comparison.kind == "geo":
            return True
        few = len(self._names) <= MOST_JOIN_DIMENSIONS
        return few and self._comparison.kind == "vector" and self._comparison.metric != "cosine"

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
        relation = FileRelation(tuple(file.uri for file in boxes), columns=plan.boxes_table.columns)
        known = {**self._known(), "boxes": relation}
        by_block = self._by_block(self._unload(plan.blocks, known, plan.blocks_table, "blocks"))
        for block in sorted(by_block):
            files = by_block[block]
            yield BlockWork(_name(block), _rows(files), _uris(files), halo_column="is_halo")

    def _write_ranges(self, bounds: Bounds) -> Iterator[BlockWork]:
        wanted = self._wanted(_RANGE_POINTS)
        ranges = cut_ids(bounds.last_id, bounds.points, bounds.dimensions, wanted)
        contract, statements = range_blocks(self._comparison, ranges)
        written: list[WrittenFile] = []
        for number, statement in enumerate(statements):
            written += self._unload(statement, self._known(), contract, f"blocks_{number}")
        by_block = self._by_block(written)
        for number, work in enumerate(share_work(ranges, bounds.dimensions)):
            others = tuple(by_block[other] for other in work.others if other in by_block)
            if work.block in by_block and (work.within or others):
                home = by_block[work.block]
                rows = _rows(home) + sum(map(_rows, others))
                yield BlockWork(
                    _name(work.block, number), rows, _uris(home), tuple(map(_uris, others)), work.within
                )

    def _known(self) -> dict[str, Relation]:
        return {"points": self._points}

    def _by_block(self, written: Sequence[WrittenFile]) -> Mapping[int, Files]:
        found: dict[int, list[WrittenFile]] = defaultdict(list)
        for file in written:
            found[int(file.partition or 0)].append(file)
            self.rows += file.rows
        self.blocks += len(found)
        return {block: tuple(files) for block, files in found.items()}

    def _fetch(self, statement: Statement) -> tuple[Mapping[str, object], ...]:
        found = self._job.backend.engine.fetch(statement, self._known())
        self.bytes_scanned += found.statistics.bytes_scanned
        return found.rows

    def _unload(
        self, statement: Statement, known: Mapping[str, Relation], table: TableContract, name: str
    ) -> Files:
        written = self._job.backend.engine.unload(statement, known, table, self._attempt.scratch_uri(name))
        self.bytes_scanned += written.statistics.bytes_scanned
        return written.files


def _uris(files: Files) -> tuple[str, ...]:
    return tuple(file.uri for file in files)


def _rows(files: Files) -> int:
    return sum(file.rows for file in files)


def _name(block: int, number: int = 0) -> str:
    return f"block-{block:05d}-{number:06d}"
