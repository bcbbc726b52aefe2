"""A candidate plan, all in SQL: its scratch tables, its count, its pairs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cluster_assets.domain.errors import TooManyPairsError
from cluster_assets.domain.tables import CANDIDATES, CORES, points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.metrics import CandidatePlan, Comparison
    from cluster_assets.ports import Relation, Statement, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

# Counting pairs takes a distance test each; beyond these a sample of the points is counted instead.
_COUNTABLE_COMPARISONS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """What an executor found.

    Attributes:
        files: Of the table `candidates`.
        cores: Files of the table `cores` when the candidates are a certificate, else None.
        comparisons: Distance tests, or an upper bound of them.
        bytes_scanned: Bytes the SQL engine read.
        numbers: More for the day's metadata.
    """

    files: tuple[WrittenFile, ...]
    cores: tuple[WrittenFile, ...] | None
    comparisons: int
    bytes_scanned: int
    numbers: Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Refinement:
    """The pairs of a plan in another form: by region, or those between components only.

    Attributes:
        statement: Makes the statement of the pairs into the one that is run instead.
        relations: What it reads besides.
        table: What it fills; the columns of `CANDIDATES` come first.
    """

    statement: Callable[[Statement], Statement]
    relations: Mapping[str, FileRelation]
    table: TableContract = CANDIDATES


class SqlJoin:
    """A candidate plan over a table of points; as a context, its scratch tables end with it."""

    def __init__(
        self,
        job: DayJob,
        attempt: Attempt,
        plan: CandidatePlan,
        points: FileRelation,
        refinement: Refinement | None = None,
    ) -> None:
        """Nothing is run yet.

        Args:
            job: The day.
            attempt: Where its files go.
            plan: The statements.
            points: The relation `points`.
            refinement: Of the pairs; None leaves them as they are.
        """
        self.bytes_scanned = 0
        self._refinement = refinement
        self._engine = job.backend.engine
        self._job = job
        self._attempt = attempt
        self._plan = plan
        self._points = points
        self._relations: dict[str, Relation] | None = None
        self._comparisons: int | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._relations = None
        self._open.close()

    def count_comparisons(self) -> int:
        """Distance tests of the join, from the sizes of its blocks alone."""
        if self._comparisons is None:
            found = self._engine.fetch(self._plan.comparisons, self._prepared())
            self.bytes_scanned += found.statistics.bytes_scanned
            self._comparisons = int(found.rows[0]["comparisons"])
        return self._comparisons

    def refined(self, refinement: Refinement) -> SqlJoin:
        """The same join, prepared and counted, with its pairs in another form; it ends with this one."""
        join = SqlJoin(self._job, self._attempt, self._plan, self._points, refinement)
        join.bytes_scanned, join._comparisons = self.bytes_scanned, self._comparisons
        join._relations = {**self._prepared(), **refinement.relations}
        return join

    def write(self) -> Candidates:
        """Write the pairs, and the cores of a certificate."""
        comparisons = self.count_comparisons()
        cores = None
        if self._plan.cores is not None:
            cores = self._unload(self._plan.cores, CORES, self._attempt.prefix_uri("cores"))
        table = CANDIDATES if self._refinement is None else self._refinement.table
        files = self._unload(self._candidates, table, self._attempt.prefix_uri("candidates"))
        return Candidates(files, cores, comparisons, self.bytes_scanned, {})

    def refuse_too_many(self, comparison: Comparison, points: int) -> None:
        """Count before anything is kept, so that no threshold can fill the disk.

        Raises:
            TooManyPairsError: With the number that would have come.
        """
        limit = self._job.spec.limits.max_pairs
        if points * (points - 1) // 2 <= limit or (comparisons := self.count_comparisons()) <= limit:
            return
        if comparisons <= _COUNTABLE_COMPARISONS:
            pairs, about = self._count_pairs(), ""
        else:
            pairs, about = self._estimate_pairs(comparison, comparisons), "about "
        if pairs > limit:
            distance = self._job.spec.near
            raise TooManyPairsError(
                f"{about}{pairs:,} pairs of {points:,} points are near; limits.max_pairs allows {limit:,}",
                where=f"{self._job.spec.name}, {self._job.day}, distance.threshold {distance.threshold:g}",
                remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
            )

    @property
    def _candidates(self) -> Statement:
        pairs = self._plan.candidates
        return pairs if self._refinement is None else self._refinement.statement(pairs)

    def _prepared(self) -> Mapping[str, Relation]:
        """The points and the scratch tables, filled when first asked for."""
        if self._relations is None:
            known: dict[str, Relation] = {"points": self._points}
            if self._refinement is not None:
                known |= self._refinement.relations
            scratch = self._open.enter_context(self._engine.scratch(self._attempt.scratch_uri("tables")))
            for step in self._plan.scratch:
                filled = scratch.fill(step.statement, known, step.table)
                self.bytes_scanned += filled.statistics.bytes_scanned
                known[step.table.name] = filled.relation
            self._relations = known
        return self._relations

    def _unload(self, statement: Statement, table: TableContract, uri: str) -> tuple[WrittenFile, ...]:
        written = self._engine.unload(statement, self._prepared(), table, uri)
        self.bytes_scanned += written.statistics.bytes_scanned
        return written.files

    def _count_pairs(self) -> int:
        return int(self._engine.fetch(count_of(self._candidates), self._prepared()).rows[0]["rows"])

    def _estimate_pairs(self, comparison: Comparison, comparisons: int) -> int:
        """Pairs among every k-th point, scaled up by k squared."""
        every = 2
        while comparisons / every**2 > _COUNTABLE_COMPARISONS / 10:
            every += 1
        few = sampled_points(self._job, self._attempt, comparison, self._points, every)
        aside = self._attempt.aside("estimate")
        with SqlJoin(self._job, aside, self._plan, few, self._refinement) as join:
            return join._count_pairs() * every**2


def sampled_points(
    job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation, every: int
) -> FileRelation:
    """Every k-th point, in scratch."""
    contract = points_contract(comparison.columns)
    names = tuple(f'"{column.name}"' for column in comparison.columns)
    statement = bind("points/sampled.sql", structure={"columns": names}, values={"every": every})
    uri = attempt.scratch_uri("sampled")
    written = job.backend.engine.unload(statement, {"points": points}, contract, uri)
    return FileRelation(tuple(file.uri for file in written.files), columns=contract.columns)
