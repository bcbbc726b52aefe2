"""Whether a window takes over the pairs of the day before instead of comparing their points again.

Most values of a window were in the window of the day before. The published pairs of that day are a cache: it
is looked up by the values of the points, is no input of the day, and if it is missing, damaged or of another
pipeline, all pairs are compared. So days stay independent, and the tables are the same in every case.

Two values are as far apart on both days if points and pairs of both were computed by the same recipe, and the
distance depends on the two values alone. Gower's distance also depends on the ranges of the numbers of a day,
which must be equal, and that of places on the sines of an engine, which the next engine rounds otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.batches import Query
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import days_before
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.stages.candidates.kept import KEPT, Kept, find_kept
from cluster_assets.stages.candidates.metrics.gower import ranges_of
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.stage import inputs_of as points_inputs_of
from lambda_worker.contract.candidates import FILE_PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.spec.pipeline import Kind
    from cluster_assets.stages.candidates.metrics import Comparison
    from cluster_assets.stages.candidates.planner import Choice
    from cluster_assets.stages.candidates.search import PairSearch
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt

LEAST_SHARE = 0.25
"""Share of the tests that must be saved."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """When the values of a kind are looked up; measured with benchmarks/bench_windows.py.

    Attributes:
        executor: The executor that can leave out pairs.
        least: With fewer distance tests, comparing all pairs takes less time than any look-up.
        per_value: Tests that take as long as to look a value up.
        per_byte: Tests that take as long as to look a byte up; much for embeddings.
    """

    executor: str
    least: int
    per_value: int = 0
    per_byte: int = 0


_COSTS: Mapping[Kind, _Cost] = {
    "embedding": _Cost("blocks", 100_000_000, per_byte=8),
    "text": _Cost("join", 100_000, per_value=10),
    "mixed": _Cost("join", 100_000, per_value=10),
}


class _DeclinedError(Exception):
    """The reason why all pairs are compared."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """Whether pairs are taken over.

    Attributes:
        kept: The pairs and points; None if all pairs are compared.
        reason: The decision in words.
        numbers: The number of kept values and the pairs that are left to compare, as far as they are known.
    """

    kept: Kept | None
    reason: str
    numbers: Mapping[str, int]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The decision for the day's metadata."""
        return {"reuse": self.reason, **self.numbers}


@dataclass(frozen=True, slots=True)
class _Former:
    """The published points and pairs of the day before."""

    day: Day
    points: FileRelation
    candidates: FileRelation


@dataclass(frozen=True, slots=True)
class ReusePlanner:
    """Decides for one day of a window.

    Attributes:
        job: The day.
        attempt: Provides the prefixes for scratch files.
        points: The published points of the day.
        recipe: The inputs that all days of candidates have.
    """

    job: DayJob
    attempt: Attempt
    points: Manifest
    recipe: Mapping[str, str]

    def choose(self, choice: Choice, search: PairSearch) -> Reuse | None:
        """Decide; None if the pipeline has no window.

        Args:
            choice: The executor of the day.
            search: Counts its distance tests.
        """
        if self.job.spec.window is None:
            return None
        numbers: dict[str, int] = {}
        try:
            kept, reason = self._keep(choice, search, numbers)
        except _DeclinedError as declined:
            return Reuse(None, f"all pairs are compared: {declined}", numbers)
        return Reuse(kept, reason, numbers)

    def _keep(self, choice: Choice, search: PairSearch, numbers: dict[str, int]) -> tuple[Kept, str]:
        wanted = self.job.spec.window.reuse if self.job.spec.window else None
        if wanted is False:
            raise _DeclinedError("window.reuse is false")
        if self.job.force:
            raise _DeclinedError("the day is computed anew by force")
        comparison = features.comparison_of(self.job.spec)
        cost = _cost_of(comparison, choice)
        count = self.points.tables["points"].rows
        tests = search.count_comparisons(choice)
        tests = count * (count - 1) // 2 if tests is None else tests
        size = self.points.tables["points"].bytes
        if not wanted and tests < max(cost.least, cost.per_value * count, cost.per_byte * size):
            raise _DeclinedError(f"{counted(tests, 'distance')} to test take less time than a look-up")
        former = self._find_former(choice)
        self._refuse_other_ranges(comparison, former)
        relations = {"points": self._relation(), "former_points": former.points}
        kept = self.job.sql.unload(
            find_kept(comparison), relations, KEPT, self.attempt.scratch_uri("kept_values")
        )
        share = kept.rows * (kept.rows - 1) / (count * (count - 1))
        numbers |= {"kept_values": kept.rows, "pairs_to_test": tests}
        of = f"{kept.rows:,} of {counted(count, 'value')}"
        if not kept.rows or (not wanted and share < LEAST_SHARE):
            raise _DeclinedError(f"only {of} were in the window of {former.day}")
        numbers["pairs_to_test"] -= round(tests * share)
        reason = f"pairs among {of} are those of {former.day}: {share:.0%} of the tests are saved"
        return Kept(kept.relation, former.candidates), reason

    def _find_former(self, choice: Choice) -> _Former:
        """Return the published day before if its pairs are those that this pipeline would find now."""
        day = days_before(self.job.day, 1)
        try:
            return self._read_former(day, choice)
        except IntegrityError as error:
            raise _DeclinedError(f"{day} is damaged ({error.what})") from error

    def _read_former(self, day: Day, choice: Choice) -> _Former:
        ledger = self.job.ledger
        candidates = ledger.current("candidates", day)
        if candidates is None:
            raise _DeclinedError(f"{day} is not published")
        if candidates.changed_inputs(self.recipe):
            raise _DeclinedError(f"{day} was computed before the pipeline changed")
        if candidates.code_version != ledger.code_version:
            raise _DeclinedError(f"version {candidates.code_version} of cluster-assets computed {day}")
        if candidates.metrics.get("executor") != choice.executor or "cores" in candidates.tables:
            raise _DeclinedError(f"{day} was computed by another executor")
        content = candidates.inputs["points"]
        points = ledger.find("points", day, lambda one: one.tables["points"].content_digest == content)
        if points is None or points.changed_inputs(points_inputs_of(self.job.spec)):
            raise _DeclinedError(f"the points of {day} were computed before the pipeline changed")
        pairs = candidates.tables["candidates"].rows
        if choice.executor == "blocks" and pairs > FILE_PAIRS:  # the worker would search again
            raise _DeclinedError(f"{day} has {counted(pairs, 'pair')}, more than one file")
        ledger.check_files(candidates)
        ledger.check_files(points)
        return _Former(day, ledger.relation(points, "points"), ledger.relation(candidates, "candidates"))

    def _refuse_other_ranges(self, comparison: Comparison, former: _Former) -> None:
        names = [part.name for part in comparison.parts if part.kind == "number"]
        if not names:
            return
        statement = ranges_of(names)
        queries = [Query(statement, {"points": points}) for points in (self._relation(), former.points)]
        today, before = (_widths(rows[0], len(names)) for rows in self.job.sql.fetch_all(queries))
        changed = [name for name, one, other in zip(names, today, before, strict=True) if one != other]
        if changed:
            raise _DeclinedError(f"the range of {', '.join(changed)} differs from that of {former.day}")

    def _relation(self) -> FileRelation:
        return self.job.ledger.relation(self.points, "points")


def _cost_of(comparison: Comparison, choice: Choice) -> _Cost:
    kind = comparison.kind
    if kind not in _COSTS or _COSTS[kind].executor != choice.executor:
        raise _DeclinedError(f"{kind}s by {choice.executor} are compared faster than looked up")
    if any(part.kind == "geo" for part in comparison.parts):
        raise _DeclinedError("engines round the distances of places differently")
    return _COSTS[kind]


def _widths(row: Mapping[str, Any], count: int) -> list[float]:
    return [float(row[f"width{k}"]) for k in range(count)]
