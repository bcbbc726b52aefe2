"""Stage `candidates`: finds each pair of points within the threshold once, with the cheapest executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.tables import CANDIDATES, CORES
from cluster_assets.stages.candidates.joins import Candidates
from cluster_assets.stages.candidates.planner import (
    IN_WORKER,
    Choice,
    choose_executor,
    is_spanned,
    may_certify,
    may_span,
)
from cluster_assets.stages.candidates.plans import plan_search
from cluster_assets.stages.candidates.reuse import ReusePlanner
from cluster_assets.stages.day.job import StageOutput, sql_digest
from cluster_assets.stages.day.stage import Stage, StructureCheck
from cluster_assets.stages.day.structure import check_candidates
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.candidates.reuse import Reuse
    from cluster_assets.stages.candidates.search import PairSearch
    from cluster_assets.stages.day.findings import AuditedTable, Finding
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.plans import DayFacts, Plan


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is planned for a day.

    Attributes:
        choice: The executor.
        comparisons: Its number of distance tests; None if it is not known in advance.
        reuse: Whether pairs of the day before are taken over; None without a window.
    """

    choice: Choice
    comparisons: int | None
    reuse: Reuse | None = None


class CandidatesStage(Stage):
    """Fills `candidates` after checking that the number of pairs stays within the limits."""

    name = "candidates"
    deps = ("points",)
    numbers = (("pairs", "near pair", None),)
    checks = (
        StructureCheck(
            "pairs_valid",
            "Pairs of existing points, the lower id first, with a distance from 0 to the threshold",
        ),
    )
    tables = (CANDIDATES, CORES)

    def describe(self, spec: PipelineSpec) -> str:
        """Describe the pairs; some algorithms need none."""
        if spec.distance is None:
            return f"No pairs: {spec.algorithm.type} works on points alone"
        if may_span(spec):
            return f"Empty if one invocation holds all points: {spec.algorithm.type} then reads coordinates"
        return f"Pairs of points at most {spec.distance.threshold:g} apart ({spec.distance.metric})"

    def plan_events(self, facts: DayFacts) -> Plan:
        """Plan the events from what is known about the day."""
        return plan_search(facts)

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> CandidatesWork:
        """Pin the points."""
        return CandidatesWork(job, job.ledger.require("points", job.day))


@dataclass(frozen=True, slots=True)
class CandidatesWork:
    """Chooses an executor and writes the near pairs it finds."""

    job: DayJob
    points: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digest of `points`, the distance, and the statements and worker that find the pairs."""
        return inputs_of(self.job.spec, self.points)

    def compute(self, attempt: Attempt) -> StageOutput:
        """Find and write the pairs.

        Raises:
            TooManyPairsError: There would be more than `limits.max_pairs`.
            WorkerError: A block could not be measured; the subclass says why.
        """
        table = self.points.tables["points"]
        if (nothing := self._needless()) is not None:
            return _output(Candidates((), None, 0, {}), table.rows, nothing)
        with self._search(attempt) as search:
            choice = choose_executor(self.job.spec, table.rows, search.density)
            reuse = self._reuse(attempt).choose(choice, search)
            found = search.run(choice, None if reuse is None else reuse.kept)
            return _output(found, table.rows, choice, reuse)

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Check that pairs refer to existing points and are within the threshold."""
        yield from check_candidates(self.job, self.points.tables["points"].rows, tables)

    def foresee(self, attempt: Attempt) -> Foresight:
        """Return what `compute` would do; scratch tables may be written to the attempt."""
        if (nothing := self._needless()) is not None:
            return Foresight(nothing, 0)
        with self._search(attempt) as search:
            rows = self.points.tables["points"].rows
            choice = choose_executor(self.job.spec, rows, search.density)
            reuse = self._reuse(attempt).choose(choice, search)
            return Foresight(choice, search.count_comparisons(choice), reuse)

    def _needless(self) -> Choice | None:
        """Return the reason if no pairs are needed, else None."""
        if self.job.spec.distance is None:
            return Choice("join", f"{self.job.spec.algorithm.type} works on points alone")
        points = self.points.tables["points"].rows
        if points < 2:
            return Choice("join", "fewer than two points")
        if is_spanned(self.job.spec, points):
            name = self.job.spec.algorithm.type
            return Choice(IN_WORKER, f"{name} reads the coordinates of {counted(points, 'point')}")
        return None

    def _reuse(self, attempt: Attempt) -> ReusePlanner:
        return ReusePlanner(self.job, attempt, self.points, recipe_of(self.job.spec))

    def _search(self, attempt: Attempt) -> PairSearch:
        # Imported here, so that a day that is up to date does not load numpy.
        from cluster_assets.stages.candidates.search import PairSearch

        points = self.job.ledger.relation(self.points, "points")
        return PairSearch(self.job, attempt, points, self.points.tables["points"].rows)


def inputs_of(spec: PipelineSpec, points: Manifest) -> Mapping[str, str]:
    """Return the inputs of a day of candidates."""
    return {"points": points.tables["points"].content_digest, **recipe_of(spec)}


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of candidates have."""
    parts = ["distance", "blocking", *(["algorithm"] if may_certify(spec) else [])]
    pairs = {"algorithm": spec.algorithm.type} if may_span(spec) else {}  # which may need none
    # Weights enter distances, but no point, and are added in this order.
    mixed = [[name, one.kind, one.weight] for name, one in (spec.features.mixed or {}).items()]
    return {
        "spec": digest_of(spec.part(*parts) | pairs | ({"mixed": mixed} if mixed else {})),
        "sql": sql_digest("candidates"),
        "worker": f"contract {VERSION}",
    }


def _output(found: Candidates, points: int, choice: Choice, reuse: Reuse | None = None) -> StageOutput:
    tables = {"candidates": (CANDIDATES, found.files)}
    if found.cores is not None:
        tables["cores"] = (CORES, found.cores)
    numbers = {
        "points": points,
        "comparisons": found.comparisons,
        "pairs": sum(file.rows for file in found.files),
        "executor": choice.executor,
        "executor_reason": choice.reason,
        **found.numbers,
        **({} if reuse is None else reuse.metrics),
    }
    return StageOutput(tables, numbers)
