"""Stage `candidates`: every pair of points within the threshold, each once, found by SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets import features, metrics
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import TooManyPairsError
from cluster_assets.domain.tables import CANDIDATES, points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind, count_of
from cluster_assets.stages.stage import StageOutput, sql_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.metrics import CandidatePlan
    from cluster_assets.ports import Relation, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

# Counting pairs takes a distance test each; beyond these a sample of the points is counted instead.
_COUNTABLE_COMPARISONS = 5_000_000_000


class CandidatesStage:
    """Fills `candidates`, after making sure that the pairs will be as few as the limits allow."""

    name = "candidates"

    def prepare(self, job: DayJob) -> CandidatesWork:
        """Pin the points and plan the join."""
        points = job.ledger.require("points", job.day)
        plan = metrics.plan(features.comparison_of(job.spec))
        return CandidatesWork(job, points, plan)


@dataclass(frozen=True, slots=True)
class CandidatesWork:
    """Join points on their blocking keys and keep the near pairs."""

    job: DayJob
    points: Manifest
    plan: CandidatePlan

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of `points`, the distance, and the statements that find the pairs."""
        return {
            "points": self.points.tables["points"].content_digest,
            "spec": digest_of(self.job.spec.part("distance", "blocking")),
            "sql": sql_digest("tokens", "cells", "candidates"),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Write the pairs.

        Raises:
            TooManyPairsError: There would be more of them than `limits.max_pairs`.
        """
        table = self.points.tables["points"]
        if table.rows < 2:
            return _output((), points=table.rows, scanned=0)
        join = _Join(self.job, attempt, self.plan)
        uris = self.job.ledger.uris(self.points, "points")
        relations = join.prepare({"points": FileRelation(uris, columns=table.columns)})
        if table.rows * (table.rows - 1) // 2 > self.job.spec.limits.max_pairs:
            join.refuse_too_many(relations, table.rows)
        written = self.job.backend.engine.unload(
            self.plan.candidates, relations, CANDIDATES, attempt.prefix_uri("candidates")
        )
        scanned = join.scanned + written.statistics.bytes_scanned
        return _output(written.files, points=table.rows, scanned=scanned)


def _output(files: tuple[WrittenFile, ...], *, points: int, scanned: int) -> StageOutput:
    pairs = sum(file.rows for file in files)
    numbers = {"points": points, "pairs": pairs, "bytes_scanned": scanned}
    return StageOutput({"candidates": (CANDIDATES, files)}, numbers)


class _Join:
    """A candidate plan over the points of a day."""

    def __init__(self, job: DayJob, attempt: Attempt, plan: CandidatePlan) -> None:
        self.plan = plan
        self.scanned = 0
        self._job = job
        self._attempt = attempt

    def prepare(self, relations: Mapping[str, Relation], *, prefix: str = "") -> dict[str, Relation]:
        """Write the scratch tables of the plan and add them to the relations."""
        known = dict(relations)
        for step in self.plan.scratch:
            uri = self._attempt.scratch_uri(prefix + step.table.name)
            written = self._job.backend.engine.unload(step.statement, known, step.table, uri)
            self.scanned += written.statistics.bytes_scanned
            files = tuple(file.uri for file in written.files)
            known[step.table.name] = FileRelation(files, columns=step.table.columns)
        return known

    def refuse_too_many(self, relations: Mapping[str, Relation], points: int) -> None:
        """Count before anything is kept, so that no threshold can fill the memory.

        Raises:
            TooManyPairsError: With the number that would have come.
        """
        limit = self._job.spec.limits.max_pairs
        comparisons = self._number(relations, "comparisons")
        if comparisons <= limit:
            return
        if comparisons <= _COUNTABLE_COMPARISONS:
            pairs, about = self._number(relations, "rows"), ""
        else:
            pairs, about = self._estimate(relations, comparisons), "about "
        if pairs > limit:
            distance = self._job.spec.distance
            raise TooManyPairsError(
                f"{about}{pairs:,} pairs of {points:,} points are near; limits.max_pairs allows {limit:,}",
                where=f"{self._job.spec.name}, {self._job.day}, distance.threshold {distance.threshold:g}",
                remedy="lower distance.threshold, or raise limits.max_pairs if the day is worth it",
            )

    def _number(self, relations: Mapping[str, Relation], name: str) -> int:
        statement = self.plan.comparisons if name == "comparisons" else count_of(self.plan.candidates)
        return int(self._job.backend.engine.fetch(statement, relations).rows[0][name])

    def _estimate(self, relations: Mapping[str, Relation], comparisons: int) -> int:
        """Pairs among every k-th point, scaled up by k squared."""
        every = 2
        while comparisons / every**2 > _COUNTABLE_COMPARISONS / 10:
            every += 1
        contract = points_contract(features.columns_of(self._job.spec.features))
        sampled = self._job.backend.engine.unload(
            bind(
                "points/sampled.sql",
                structure={"columns": tuple(column.name for column in contract.columns[2:])},
                values={"every": every},
            ),
            relations,
            contract,
            self._attempt.scratch_uri("sampled"),
        )
        files = tuple(file.uri for file in sampled.files)
        few = self.prepare({"points": FileRelation(files, columns=contract.columns)}, prefix="sampled_")
        return self._number(few, "rows") * every**2
