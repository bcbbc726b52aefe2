"""Executors that join points: in SQL, or in one invocation of the worker.

`SqlJoin` runs a candidate plan in SQL. `ListJoin` and `certify_points` serve days that fit into one
invocation, which reads the published points: the first for texts and sets, the second for certificates.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.backends.statements import bind, count_of
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import TooManyPairsError, WorkerCapacityError
from cluster_assets.domain.tables import CANDIDATES, CORES, points_contract
from cluster_assets.stages.candidates.planner import memory_to_fill
from cluster_assets.stages.worker.invocations import Invocations
from lambda_worker.contract.candidates import CertifyEvent, JoinEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cluster_assets.backends.ports import FileRelation, Relation, Statement
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.candidates.metrics import CandidatePlan, Comparison
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from lambda_worker.contract.candidates import MeasuredFile

# Counting pairs takes a distance test each; beyond this many tests the count is estimated on a sample.
_COUNTABLE_COMPARISONS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """The result of an executor.

    Attributes:
        files: Files of the table `candidates`.
        cores: Files of the table `cores` if the candidates are a certificate, else None.
        comparisons: Number of distance tests, or an upper bound.
        numbers: Further metrics for the day's metadata.
    """

    files: tuple[WrittenFile, ...]
    cores: tuple[WrittenFile, ...] | None
    comparisons: int
    numbers: Mapping[str, int | float | str]


def written_files(files: Iterable[MeasuredFile]) -> tuple[WrittenFile, ...]:
    """Return the files of near pairs that an invocation wrote."""
    return tuple(WrittenFile(file.uri, file.rows, file.bytes) for file in files)


@dataclass(frozen=True, slots=True)
class Refinement:
    """A transformation of a plan's pairs: by region, or only pairs between components.

    Attributes:
        statement: Transforms the statement of the pairs into the one to run.
        relations: Further relations that it reads.
        table: The table that it fills; its first columns are those of `CANDIDATES`.
    """

    statement: Callable[[Statement], Statement]
    relations: Mapping[str, FileRelation]
    table: TableContract = CANDIDATES


class SqlJoin:
    """A candidate plan over a table of points; a context manager that drops its scratch tables on exit."""

    def __init__(
        self,
        job: DayJob,
        attempt: Attempt,
        plan: CandidatePlan,
        points: FileRelation,
        refinement: Refinement | None = None,
    ) -> None:
        """Bind the plan to a table of points; statements run on demand.

        Args:
            job: The day.
            attempt: Provides the prefixes for files.
            plan: The statements.
            points: The relation `points`.
            refinement: Transforms the pairs; None writes them unchanged.
        """
        self._refinement = refinement
        self._sql = job.sql
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
        """Count the distance tests of the join from the sizes of its blocks alone."""
        if self._comparisons is None:
            (row,) = self._sql.fetch(self._plan.comparisons, self._prepared())
            self._comparisons = int(row["comparisons"])
        return self._comparisons

    @property
    def is_countable(self) -> bool:
        """Whether so few distances are tested that near pairs are counted instead of estimated."""
        return self.count_comparisons() <= _COUNTABLE_COMPARISONS

    def refined(self, refinement: Refinement) -> SqlJoin:
        """Return the same join with transformed pairs; it shares scratch tables and count with this one."""
        join = SqlJoin(self._job, self._attempt, self._plan, self._points, refinement)
        join._comparisons = self._comparisons
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
        return Candidates(files, cores, comparisons, {})

    def refuse_too_many(self, comparison: Comparison, points: int) -> None:
        """Count the pairs before anything is written, so that no threshold can fill the disk.

        Raises:
            TooManyPairsError: The number of pairs exceeds the limits; the error states it.
        """
        limit = self._job.spec.limits.max_pairs
        if points * (points - 1) // 2 <= limit or (comparisons := self.count_comparisons()) <= limit:
            return
        if self.is_countable:
            pairs, about = self._count_pairs(), ""
        else:
            pairs, about = self._estimate_pairs(comparison, comparisons), "about "
        if pairs > limit:
            distance = self._job.spec.near
            raise TooManyPairsError(
                f"near pairs of {counted(points, 'point')}: {about}{pairs:,}; "
                f"limits.max_pairs allows {limit:,}",
                where=f"{self._job.spec.name}, {self._job.day}, distance.threshold {distance.threshold:g}",
                remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
            )

    @property
    def _candidates(self) -> Statement:
        pairs = self._plan.candidates
        return pairs if self._refinement is None else self._refinement.statement(pairs)

    def _prepared(self) -> Mapping[str, Relation]:
        """Return the points and the scratch tables, which are filled on first use."""
        if self._relations is None:
            known: dict[str, Relation] = {"points": self._points}
            if self._refinement is not None:
                known |= self._refinement.relations
            fill = self._open.enter_context(self._sql.scratch(self._attempt.scratch_uri("tables")))
            for step in self._plan.scratch:
                known[step.table.name] = fill(step.statement, known, step.table)
            self._relations = known
        return self._relations

    def _unload(self, statement: Statement, table: TableContract, uri: str) -> tuple[WrittenFile, ...]:
        return self._sql.unload(statement, self._prepared(), table, uri).files

    def _count_pairs(self) -> int:
        return int(self._sql.fetch(count_of(self._candidates), self._prepared())[0]["rows"])

    def _estimate_pairs(self, comparison: Comparison, comparisons: int) -> int:
        """Count the pairs among every k-th point and multiply by k squared."""
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
    """Write every k-th point to scratch."""
    contract = points_contract(comparison.columns)
    names = tuple(f'"{column.name}"' for column in comparison.columns)
    statement = bind("candidates/sampled_points.sql", structure={"columns": names}, values={"every": every})
    uri = attempt.scratch_uri("sampled")
    return job.sql.unload(statement, {"points": points}, contract, uri).relation


# Half a minute of one core. A join in SQL groups frequent keys, so that it may compare fewer pairs.
_MOST_TESTS = 500_000_000
_ANY_TESTS = 10**15


class ListJoin:
    """Finds the near pairs of a day's texts or sets in one invocation."""

    def __init__(
        self, job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation, count: int
    ) -> None:
        """Set what `run` compares.

        Args:
            job: The day, whose limits and worker are used.
            attempt: Provides the prefixes for files.
            comparison: How texts or sets are compared.
            points: The table `points`, or some of its rows.
            count: Number of rows.
        """
        self._job = job
        self._worker = Invocations(job, "candidates")
        self._event = JoinEvent(
            points=points.uris,
            kind=comparison.kind,
            column=comparison.columns[0].name,
            point_count=count,
            metric=comparison.metric,
            threshold=comparison.threshold,
            output=f"{attempt.prefix_uri('candidates')}/part",
            max_pairs=job.spec.limits.max_pairs,
            max_tests=_MOST_TESTS if job.spec.blocking.type == "auto" else _ANY_TESTS,
            memory_mb=memory_to_fill(job.spec.limits),
        )

    def run(self, instead: Callable[[str], Candidates]) -> Candidates:
        """Find the pairs.

        Args:
            instead: Fallback that finds the pairs if the worker declines, called with the reason; not used
                if the YAML names this executor.

        Raises:
            TooManyPairsError: There are more than `limits.max_pairs`.
            WorkerError: The invocation failed; the subclass says how.
        """
        (answer,) = self._worker.run([self._event])
        reply = answer.reply
        if not reply.declined:
            return Candidates(written_files(reply.files), None, reply.tested, self._worker.numbers())
        if self._job.spec.blocking.type == "auto":
            return instead(reply.declined)
        raise WorkerCapacityError(
            f"one invocation cannot compare all points: {reply.declined}",
            where=f"{self._job.spec.name}, {self._job.day}",
            remedy="raise limits.memory_mb, or leave out blocking.type: a join in SQL has no such limit",
        )


def certify_points(
    job: DayJob, attempt: Attempt, comparison: Comparison, uris: tuple[str, ...], count: int
) -> Candidates:
    """Write a certificate: near pairs and cores that give the same clusters as all near pairs.

    Args:
        job: The day.
        attempt: Provides the prefixes for files.
        comparison: How vectors are compared: by `euclidean`, `manhattan` or `chebyshev`.
        uris: Files of the table `points`.
        count: Number of rows.

    Raises:
        TooManyPairsError: Even the certificate has more pairs than `limits.max_pairs`.
        WorkerError: The invocation failed; the subclass says how.
    """
    worker = Invocations(job, "candidates")
    event = CertifyEvent(
        points=uris,
        columns=tuple(column.name for column in comparison.columns),
        point_count=count,
        metric=comparison.metric,
        threshold=comparison.threshold,
        min_samples=job.spec.algorithm.core_entities,
        pairs=f"{attempt.prefix_uri('candidates')}/part",
        cores=f"{attempt.prefix_uri('cores')}/part-00000.parquet",
        max_pairs=job.spec.limits.max_pairs,
    )
    (answer,) = worker.run([event])
    reply = answer.reply
    cores = (WrittenFile(event.cores, reply.cores, reply.core_bytes),) if reply.cores else ()
    return Candidates(written_files(reply.files), cores, reply.tested, worker.numbers())
