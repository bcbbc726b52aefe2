"""The executor for texts and sets that one invocation holds: the worker reads the points as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import WorkerCapacityError
from cluster_assets.planner import memory_to_fill
from cluster_assets.ports import WrittenFile
from cluster_assets.stages.invocations import Invocations
from cluster_assets.stages.joins import Candidates
from lambda_worker.contract.joins import JoinEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.metrics import Comparison
    from cluster_assets.ports import FileRelation
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

# Half a minute of one processor. A join in SQL takes crowded keys together, so that it may look at fewer.
_MOST_TESTS = 500_000_000
_ANY_TESTS = 10**15


class ListJoin:
    """The near pairs of the texts or sets of a day, by one invocation."""

    def __init__(
        self, job: DayJob, attempt: Attempt, comparison: Comparison, points: FileRelation, count: int
    ) -> None:
        """Nothing is run yet.

        Args:
            job: The day; its limits and its worker are used.
            attempt: Where files go.
            comparison: Texts or sets, and when they are near.
            points: The table `points`, or some of its rows.
            count: Its rows.
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
            instead: Finds them when the worker declines, given its reason; not asked where the YAML names
                this executor.

        Raises:
            TooManyPairsError: There are more than `limits.max_pairs`.
            WorkerError: The invocation failed; the subclass says how.
        """
        (answer,) = self._worker.run([self._event])
        reply = answer.reply
        if not reply.declined:
            files = tuple(WrittenFile(file.uri, file.rows, file.bytes) for file in reply.files)
            return Candidates(files, None, reply.tested, 0, self._worker.numbers())
        if self._job.spec.blocking.type == "auto":
            return instead(reply.declined)
        raise WorkerCapacityError(
            f"one invocation cannot compare all points: {reply.declined}",
            where=f"{self._job.spec.name}, {self._job.day}",
            remedy="raise limits.memory_mb, or leave out blocking.type: a join in SQL has no such limit",
        )
