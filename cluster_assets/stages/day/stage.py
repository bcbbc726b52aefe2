"""A stage of the pipeline and its facts; every other module reads them from here.

To add a stage, write a subclass in `stages/<name>/stage.py`, put its statements into `sql/<name>/` and add a
row to `stages/sequence.py`. Its asset, checks, pool, exports and column schema are derived from the facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cluster_assets.stages.worker.plans import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob, Shown, Work
    from cluster_assets.stages.worker.plans import DayFacts


@dataclass(frozen=True, slots=True)
class StructureCheck:
    """A check of an invariant of a stage's tables.

    Attributes:
        name: Name of the `Finding` that the stage's work returns, and of the asset check.
        description: The invariant, as shown in Dagster.
    """

    name: str
    description: str


CONTRACT = StructureCheck(
    "contract", "Columns and types of every table as in its contract, and as many rows as were written"
)
"""The check that all stages share."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric of a stage that is compared from day to day.

    Attributes:
        name: Name of the check, of its section of the YAML and, unless it compares histograms, of the metric.
        description: What is compared, as shown in Dagster.
        look: Where to look if the value is out of range.
        needs: A metric without which the value is meaningless.
        one_sided: Whether only low values are a problem.
        of_histograms: Whether the day's table `histograms` is compared instead of a metric.
    """

    name: str
    description: str
    look: str = ""
    needs: str = ""
    one_sided: bool = False
    of_histograms: bool = False


class Stage(ABC):
    """One step from the source rows of a day to its report.

    Attributes:
        name: Name of the stage, its asset, its main table and its folders in `stages/` and `sql/`.
        deps: Stages that it reads for the same day.
        deps_window: Those of `deps` that it reads for all days of a window.
        deps_before: Those of `deps`, or itself, that it also reads for the day before. Its days then form a
            chain.
        numbers: Metrics that its line in the log shows, each with its noun for one and for several.
        checks: Structure checks besides `CONTRACT`; the work's `find_faults` returns the findings.
        trends: Metrics that are compared with earlier days.
        tables: Contracts of all tables that it may publish.
        reads_source: Whether it scans the source rows.
    """

    name: ClassVar[str]
    deps: ClassVar[tuple[str, ...]] = ()
    deps_window: ClassVar[tuple[str, ...]] = ()
    deps_before: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[tuple[tuple[str, str, str | None], ...]] = ()
    checks: ClassVar[tuple[StructureCheck, ...]] = ()
    trends: ClassVar[tuple[Trend, ...]] = ()
    tables: ClassVar[tuple[TableContract, ...]] = ()
    reads_source: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, job: DayJob) -> Work:
        """Pin what the day depends on, without computing anything."""

    @abstractmethod
    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs that all days have: parts of the YAML, statements, the worker's contract."""

    @abstractmethod
    def describe(self, spec: PipelineSpec) -> str:
        """Describe the content of the asset in a sentence or two."""

    def kinds(self, engine: str) -> frozenset[str]:
        """Return the Dagster kinds of the asset, at most three.

        Args:
            engine: Name of the SQL engine: `duckdb`, `trino` or `athena`.
        """
        return frozenset({"sql", engine, "parquet"})

    def plan_events(self, facts: DayFacts) -> Plan:
        """Return the worker events that a day with at least one point would take; none by default."""
        return Plan()

    def show(self, job: DayJob, manifest: Manifest) -> Shown | None:
        """Return what the UI shows of a published day; None if the stage draws nothing."""
        return None

    def source_days(self, spec: PipelineSpec) -> int:
        """Return the number of days whose source rows a stage that reads the source scans for a day."""
        return spec.window_days if self.deps_window else 1

    def is_left_out(self, job: DayJob) -> bool:
        """Return whether a run skips the day, and all that follows, instead of failing."""
        return False

    def day_after(self, job: DayJob) -> Day | None:
        """Return the next published day that depends on this one; None if days are independent."""
        return None

    @property
    def all_checks(self) -> tuple[StructureCheck, ...]:
        """All structure checks of the stage."""
        return (CONTRACT, *self.checks)

    @property
    def describes_clusters(self) -> bool:
        """Whether its tables describe clusters that are already published."""
        return "clusters" in self.deps
