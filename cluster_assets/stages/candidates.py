"""Stage `candidates`: the pairs of points within the threshold, each once, by the executor that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.tables import CANDIDATES, CORES
from cluster_assets.planner import Choice, may_certify
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import SQL_ROOT
from cluster_assets.stages.checks_structure import check_candidates
from cluster_assets.stages.joins import Candidates
from cluster_assets.stages.search import PairSearch
from cluster_assets.stages.stage import StageOutput, sql_digest
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.stages.checks import AuditedTable, Finding
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

# Folders of sql/ whose statements candidates do not depend on.
_OTHER_STAGES = ("raw", "features", "scales", "histograms", "points", "members", "clusters", "checks")


@dataclass(frozen=True, slots=True)
class Foresight:
    """The executor a day will get, and the distance tests it will make (None: not known before)."""

    choice: Choice
    comparisons: int | None


class CandidatesStage:
    """Fills `candidates`, after making sure that the pairs will be as few as the limits allow."""

    name = "candidates"

    def prepare(self, job: DayJob) -> CandidatesWork:
        """Pin the points."""
        return CandidatesWork(job, job.ledger.require("points", job.day))


@dataclass(frozen=True, slots=True)
class CandidatesWork:
    """Choose an executor and keep the near pairs it finds."""

    job: DayJob
    points: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of `points`, the distance, and the statements and the worker that find the pairs."""
        parts = ["distance", "blocking", *(["algorithm"] if may_certify(self.job.spec) else [])]
        return {
            "points": self.points.tables["points"].content_digest,
            "spec": digest_of(self.job.spec.part(*parts)),
            "sql": sql_digest(*candidate_folders()),
            "worker": f"contract {VERSION}",
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Write the pairs.

        Raises:
            TooManyPairsError: There would be more of them than `limits.max_pairs`.
            WorkerError: A block could not be measured; the subclass says why.
        """
        table = self.points.tables["points"]
        if (nothing := self._needless()) is not None:
            return _output(Candidates((), None, 0, 0, {}), table.rows, nothing)
        with self._search(attempt) as search:
            choice = search.choose()
            return _output(search.run(choice), table.rows, choice)

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Pairs of existing points within the threshold."""
        yield from check_candidates(self.job, self.points.tables["points"].rows, tables)

    def foresee(self, attempt: Attempt) -> Foresight:
        """What `compute` would do: nothing is kept, but scratch tables may be written to the attempt."""
        if (nothing := self._needless()) is not None:
            return Foresight(nothing, 0)
        with self._search(attempt) as search:
            choice = search.choose()
            return Foresight(choice, search.count_comparisons(choice))

    def _needless(self) -> Choice | None:
        """Why no pair has to be looked for; None when pairs have to."""
        if self.job.spec.distance is None:
            return Choice("join", f"{self.job.spec.algorithm.type} works on points alone")
        if self.points.tables["points"].rows < 2:
            return Choice("join", "fewer than two points")
        return None

    def _search(self, attempt: Attempt) -> PairSearch:
        table = self.points.tables["points"]
        uris = self.job.ledger.uris(self.points, "points")
        return PairSearch(self.job, attempt, FileRelation(uris, columns=table.columns), table.rows)


def _output(found: Candidates, points: int, choice: Choice) -> StageOutput:
    tables = {"candidates": (CANDIDATES, found.files)}
    if found.cores is not None:
        tables["cores"] = (CORES, found.cores)
    numbers = {
        "points": points,
        "comparisons": found.comparisons,
        "pairs": sum(file.rows for file in found.files),
        "bytes_scanned": found.bytes_scanned,
        "executor": choice.executor,
        "executor_reason": choice.reason,
        **found.numbers,
    }
    return StageOutput(tables, numbers)


@cache
def candidate_folders() -> tuple[str, ...]:
    """Folders of sql/ that candidates depend on."""
    names = (path.name for path in SQL_ROOT.iterdir() if path.is_dir())
    return tuple(sorted(name for name in names if name not in _OTHER_STAGES))
