"""The executors over the points of one day: SQL join, dense cells, measured blocks, hashing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from cluster_assets.backends.ports import MOST_PARTITIONS
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import WorkerCapacityError
from cluster_assets.domain.tables import CANDIDATES
from cluster_assets.spec.pipeline import LshBlocking
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.block_files import sampled_places
from cluster_assets.stages.candidates.blocks import measure_blocks
from cluster_assets.stages.candidates.joins import Candidates, ListJoin, Refinement, SqlJoin, certify_points
from cluster_assets.stages.candidates.kept import with_kept_pairs
from cluster_assets.stages.candidates.metrics import density
from cluster_assets.stages.candidates.metrics.blocks import sample_step
from cluster_assets.stages.candidates.metrics.refinements import (
    SHARDED_CANDIDATES,
    place_columns,
    sharded,
)
from cluster_assets.stages.candidates.planner import Density, is_certified, is_measured
from cluster_assets.stages.candidates.recall import measure_recall
from cluster_assets.stages.day.sql import WrittenTable
from cluster_assets.stages.points import kinds as features
from lambda_worker.contract.candidates import MOST_CELL_AXES, certificate_memory_mb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.backends.ports import FileRelation, Statement, WrittenFile
    from cluster_assets.stages.candidates.kept import Kept
    from cluster_assets.stages.candidates.metrics import CandidatePlan, Comparison
    from cluster_assets.stages.candidates.metrics.density import SampledCells
    from cluster_assets.stages.candidates.planner import Choice
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt

# A day with more comparisons than this is written by region; a smaller one is a file that is read in seconds.
SHARDED_COMPARISONS = 100_000_000
# A third to a tenth of the comparisons are near pairs, which gives some million pairs per file.
COMPARISONS_A_SHARD = 25_000_000
_CERTIFICATE = "near pairs enough to give the same clusters"
# A one-bit hash says little about an embedding; the minimum of a set says much.
_ROWS_OF_KIND = {"set": 4, "embedding": 12}


class PairSearch:
    """Finds the near pairs of a day; a context manager that drops its scratch tables on exit."""

    def __init__(
        self,
        job: DayJob,
        attempt: Attempt,
        points: FileRelation,
        count: int,
        comparison: Comparison | None = None,
        refinement: Refinement | None = None,
    ) -> None:
        """Set what is searched; statements run on demand.

        Args:
            job: The day.
            attempt: Provides the prefixes for files.
            points: The relation `points`.
            count: Number of rows.
            comparison: How points are compared; that of the pipeline by default.
            refinement: Transforms the pairs that SQL lists; None writes them unchanged, split by region if
                there are many.
        """
        self._job = job
        self._attempt = attempt
        self._points = points
        self._count = count
        self._comparison = comparison or features.comparison_of(job.spec)
        self._refinement = refinement
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def density(self) -> Density:
        """The queries about the density of the day."""
        return Density(self._expected_comparisons, self._expected_pairs)

    def _expected_comparisons(self) -> int:
        """Count the distance tests of the join, or guess them where the worker compares the points."""
        if not is_measured(self._job.spec, self._count):
            return self._join.count_comparisons()
        shared, every = self._sample(density.cells_of_join(self._comparison))
        return density.estimate_comparisons(self._comparison, shared, every)

    def _expected_pairs(self) -> int:
        return density.estimate_pairs(*self._sample(density.cells_of_pairs(self._comparison)))

    def _sample(self, cells: SampledCells) -> tuple[float, int]:
        """Return the number of ordered pairs of sampled points that share a cell, and the k of the sample."""
        every = max(1, self._count // density.SAMPLED_POINTS)
        (row,) = self._job.sql.fetch(density.sample_density(cells, every), {"points": self._points})
        return float(str(row["shared"])), every

    def count_comparisons(self, choice: Choice) -> int | None:
        """Return the number of distance tests of an executor; None if it is unknown before blocks are cut."""
        if choice.executor == "cells" and self._fits_one_invocation:
            return None
        joins = {"join": lambda: self._join, "cells": lambda: self._cells, "lsh": lambda: self._hashed}
        return joins[choice.executor]().count_comparisons() if choice.executor in joins else None

    def run(self, choice: Choice, kept: Kept | None = None) -> Candidates:
        """Find the pairs.

        Args:
            choice: The executor.
            kept: Points whose pairs are known, for `join` if its plan has `fresh`, or `blocks` of embeddings.

        Raises:
            TooManyPairsError: There would be more than `limits.max_pairs`.
            WorkerError: A block could not be measured; the subclass says why.
        """
        if choice.executor == "join":
            return self._list(kept)
        if choice.executor == "blocks":
            return self._measure(kept)
        return self._certify() if choice.executor == "cells" else self._hash()

    @cached_property
    def _join(self) -> SqlJoin:
        return self._joined(metrics.plan(self._comparison), self._refinement)

    @cached_property
    def _cells(self) -> SqlJoin:
        job, dimensions = self._job, len(self._comparison.columns)
        if dimensions > MOST_CELL_AXES:
            needed = certificate_memory_mb(self._count, dimensions)
            raise WorkerCapacityError(
                f"blocking.type cells: one invocation cannot hold {counted(self._count, 'point')} of "
                f"{dimensions} dimensions, which take about {needed:,.0f} MiB",
                where=f"{job.spec.name}, {job.day}",
                remedy="raise limits.memory_mb and limits.timeout_s, or use blocking: {type: blocks}",
            )
        plan = metrics.cells(self._comparison, self._job.spec.algorithm.core_entities)
        return self._joined(plan)

    @cached_property
    def _hashed(self) -> SqlJoin:
        named = self._named_hashing
        rows = named.rows or _ROWS_OF_KIND[self._comparison.kind]
        options = metrics.LshOptions(named.tables, rows, named.seed)
        return self._joined(metrics.lsh(self._comparison, options))

    def _joined(self, plan: CandidatePlan, refinement: Refinement | None = None) -> SqlJoin:
        join = SqlJoin(self._job, self._attempt, plan, self._points, refinement)
        return self._open.enter_context(join)

    @property
    def _named_hashing(self) -> LshBlocking:
        blocking = self._job.spec.blocking
        if not isinstance(blocking, LshBlocking):
            raise TypeError(f"hashing is asked for by name, not by {blocking.type}")
        return blocking

    def _list(self, kept: Kept | None = None) -> Candidates:
        join = self._join if kept is None else self._join.refined(self._with_kept(kept))
        # A sample of the points would not be one of the kept pairs.
        counted = join if self._join.is_countable else self._join
        counted.refuse_too_many(self._comparison, self._count)
        if self._refinement is None and self._join.count_comparisons() > SHARDED_COMPARISONS:
            return self._by_region(kept).write()
        return join.write()

    def _with_kept(self, kept: Kept) -> Refinement:
        if (fresh := metrics.plan(self._comparison).fresh) is None:
            raise TypeError(f"there is no join of new {self._comparison.kind}s")
        return Refinement(lambda _: with_kept_pairs(fresh), kept.relations)

    def _by_region(self, kept: Kept | None) -> SqlJoin:
        """Return the join with one file of pairs per region, so that many invocations can share them."""
        given = Refinement(lambda pairs: pairs, {}) if kept is None else self._with_kept(kept)
        shards = min(MOST_PARTITIONS, -(-self._join.count_comparisons() // COMPARISONS_A_SHARD))
        names = place_columns(self._comparison)
        sample = self._places(names)

        def by_region(pairs: Statement) -> Statement:
            return sharded(given.statement(pairs), names, sample, shards)

        return self._join.refined(Refinement(by_region, given.relations, SHARDED_CANDIDATES))

    def _places(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Sample the positions of the points; ids need no query."""
        every = sample_step(self._count, len(names))
        if names == ("point_id",):
            return np.arange(0, self._count, every, dtype=np.float64).reshape(-1, 1)
        sql = self._job.sql
        return sampled_places(lambda statement: sql.fetch(statement, {"points": self._points}), names, every)

    def _certify(self) -> Candidates:
        if self._fits_one_invocation:
            found = certify_points(self._job, self._attempt, self._comparison, self._points.uris, self._count)
        else:
            found = self._cells.write()
        return replace(found, numbers={**found.numbers, "certificate": _CERTIFICATE})

    @property
    def _fits_one_invocation(self) -> bool:
        """Whether one worker can hold and certify all points."""
        return is_certified(self._job.spec, self._count)

    def _measure(self, kept: Kept | None) -> Candidates:
        if self._comparison.kind in ("text", "set"):
            join = ListJoin(self._job, self._attempt, self._comparison, self._points, self._count)
            return join.run(self._list_instead)
        return self._measure_blocks(self._attempt, self._points, kept)

    def _list_instead(self, reason: str) -> Candidates:
        """Find the pairs in SQL after the worker declined."""
        found = self._list()
        return replace(found, numbers={**found.numbers, "executor": "join", "executor_reason": reason})

    def _measure_blocks(self, attempt: Attempt, points: FileRelation, kept: Kept | None = None) -> Candidates:
        return measure_blocks(self._job, attempt, self._comparison, points, self._count, kept)

    def _hash(self) -> Candidates:
        self._hashed.refuse_too_many(self._comparison, self._count)
        found = self._hashed.write()
        pairs = WrittenTable(found.files, CANDIDATES).relation
        recall = measure_recall(
            self._job,
            self._attempt,
            self._comparison,
            (self._points, pairs),
            (self._count, self._named_hashing.recall_sample),
            self._find_exactly,
        )
        return replace(found, numbers=recall.numbers())

    def _find_exactly(self, sample: FileRelation) -> tuple[WrittenFile, ...]:
        """Find all near pairs of a sample of the points, separately from the day's."""
        aside = self._attempt.aside("exact")
        if self._comparison.kind == "embedding":
            return self._measure_blocks(aside, sample).files
        with SqlJoin(self._job, aside, metrics.plan(self._comparison), sample) as join:
            return join.write().files
