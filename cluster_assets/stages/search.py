"""The executors over the points of one day: SQL join, dense cells, measured blocks, hashing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from cluster_assets import features, metrics
from cluster_assets.domain.tables import CANDIDATES
from cluster_assets.metrics import density
from cluster_assets.metrics.blocks import sample_step
from cluster_assets.metrics.shards import MOST_SHARDS, SHARDED_CANDIDATES, place_columns, sharded
from cluster_assets.pipeline_spec import LshBlocking
from cluster_assets.planner import choose_executor, is_certified, is_measured, min_samples_of
from cluster_assets.ports import FileRelation
from cluster_assets.stages.blocks import measure_blocks
from cluster_assets.stages.certificates import certify_points
from cluster_assets.stages.joins import Candidates, Refinement, SqlJoin
from cluster_assets.stages.list_joins import ListJoin
from cluster_assets.stages.places import sampled_places
from cluster_assets.stages.recall import measure_recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.metrics import CandidatePlan, Comparison
    from cluster_assets.planner import Choice
    from cluster_assets.ports import WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

# A day that measures more pairs than this is written by region; below, one file is read in seconds.
SHARDED_COMPARISONS = 100_000_000
# A third to a tenth of the comparisons are near: some million pairs a file.
COMPARISONS_A_SHARD = 25_000_000
_CERTIFICATE = "near pairs enough to give the same clusters"
# One bit a hash tells little of an embedding, a minimum of a set much.
_ROWS_OF_KIND = {"set": 4, "embedding": 12}


class PairSearch:
    """Finds the near pairs of a day; as a context, its scratch tables end with it."""

    def __init__(
        self,
        job: DayJob,
        attempt: Attempt,
        points: FileRelation,
        count: int,
        comparison: Comparison | None = None,
        refinement: Refinement | None = None,
    ) -> None:
        """Nothing is run yet.

        Args:
            job: The day.
            attempt: Where its files go.
            points: The relation `points`.
            count: Its rows.
            comparison: What is compared; by default what the pipeline says.
            refinement: Of the pairs that SQL lists; None leaves them as they are, by region where they are
                many.
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

    def choose(self) -> Choice:
        """The executor for these points."""

        def count() -> int:  # the join is planned only when the choice needs it
            if is_measured(self._job.spec, self._count):
                return self._guess_comparisons()
            return self._join.count_comparisons()

        return choose_executor(self._job.spec, self._count, count)

    def _guess_comparisons(self) -> int:
        every = max(1, self._count // density.SAMPLED_POINTS)
        statement = density.sample_density(self._comparison, every)
        (row,) = self._job.backend.engine.fetch(statement, {"points": self._points}).rows
        return density.estimate_comparisons(self._comparison, float(str(row["shared"])), every)

    def count_comparisons(self, choice: Choice) -> int | None:
        """Distance tests an executor will make; None where only making the blocks would tell."""
        if choice.executor == "cells" and self._fits_one_invocation:
            return None
        joins = {"join": lambda: self._join, "cells": lambda: self._cells, "lsh": lambda: self._hashed}
        return joins[choice.executor]().count_comparisons() if choice.executor in joins else None

    def run(self, choice: Choice) -> Candidates:
        """Find the pairs.

        Raises:
            TooManyPairsError: There would be more of them than `limits.max_pairs`.
            WorkerError: A block could not be measured; the subclass says why.
        """
        executors = {"join": self._list, "cells": self._certify, "blocks": self._measure, "lsh": self._hash}
        return executors[choice.executor]()

    @cached_property
    def _join(self) -> SqlJoin:
        return self._joined(metrics.plan(self._comparison), self._refinement)

    @cached_property
    def _cells(self) -> SqlJoin:
        plan = metrics.cells(self._comparison, min_samples_of(self._job.spec.algorithm))
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

    def _list(self) -> Candidates:
        self._join.refuse_too_many(self._comparison, self._count)
        if self._refinement is None and self._join.count_comparisons() > SHARDED_COMPARISONS:
            return self._by_region().write()
        return self._join.write()

    def _by_region(self) -> SqlJoin:
        """The same join, its pairs in a file for each region, so that many invocations can share them."""
        shards = min(MOST_SHARDS, -(-self._join.count_comparisons() // COMPARISONS_A_SHARD))
        names = place_columns(self._comparison)
        sample = self._places(names)
        by_region = Refinement(lambda pairs: sharded(pairs, names, sample, shards), {}, SHARDED_CANDIDATES)
        return self._join.refined(by_region)

    def _places(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Where some of the points are; ids are known without a look."""
        every = sample_step(self._count, len(names))
        if names == ("point_id",):
            return np.arange(0, self._count, every, dtype=np.float64).reshape(-1, 1)
        engine = self._job.backend.engine
        return sampled_places(
            lambda statement: engine.fetch(statement, {"points": self._points}).rows, names, every
        )

    def _certify(self) -> Candidates:
        if self._fits_one_invocation:
            found = certify_points(self._job, self._attempt, self._comparison, self._points.uris, self._count)
        else:
            found = self._cells.write()
        return replace(found, numbers={**found.numbers, "certificate": _CERTIFICATE})

    @property
    def _fits_one_invocation(self) -> bool:
        """Whether a worker holds all points at once, to certify them."""
        return is_certified(self._job.spec, self._count)

    def _measure(self) -> Candidates:
        if self._comparison.kind in ("text", "set"):
            join = ListJoin(self._job, self._attempt, self._comparison, self._points, self._count)
            return join.run(self._list_instead)
        return self._measure_blocks(self._attempt, self._points)

    def _list_instead(self, reason: str) -> Candidates:
        """What the worker declined, in SQL."""
        found = self._list()
        return replace(found, numbers={**found.numbers, "executor": "join", "executor_reason": reason})

    def _measure_blocks(self, attempt: Attempt, points: FileRelation) -> Candidates:
        measured = measure_blocks(self._job, attempt, self._comparison, points, self._count)
        numbers = dict(measured.numbers)
        scanned, comparisons = int(numbers.pop("bytes_scanned")), int(numbers.pop("comparisons", 0))
        return Candidates(measured.files, None, comparisons, scanned, numbers)

    def _hash(self) -> Candidates:
        self._hashed.refuse_too_many(self._comparison, self._count)
        found = self._hashed.write()
        pairs = FileRelation(tuple(file.uri for file in found.files), columns=CANDIDATES.columns)
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
        """All near pairs of a sample of the points, aside from the day's."""
        aside = self._attempt.aside("exact")
        if self._comparison.kind == "embedding":
            return self._measure_blocks(aside, sample).files
        with SqlJoin(self._job, aside, metrics.plan(self._comparison), sample) as join:
            return join.write().files
