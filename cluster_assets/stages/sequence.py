"""The stages in order, and the status of a day: current, stale or never published."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import IntegrityError, UpstreamMissingError
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.stage import ClustersStage
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.index.stage import IndexStage
from cluster_assets.stages.lineage.stage import LineageStage
from cluster_assets.stages.points.stage import PointsStage
from cluster_assets.stages.profiles.stage import ProfilesStage
from cluster_assets.stages.raw.stage import RawStage
from cluster_assets.stages.report.stage import ReportStage

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.stage import Stage
    from cluster_assets.stages.ledger.ledger import Ledger

STAGES: tuple[Stage, ...] = (
    RawStage(),
    PointsStage(),
    CandidatesStage(),
    ClustersStage(),
    LineageStage(),
    ProfilesStage(),
    ReportStage(),
)
"""The stages of every pipeline."""

INDEX = IndexStage()
"""The stage that follows them where the YAML has `serve`."""

STAGE_NAMES = tuple(stage.name for stage in STAGES)
ALL_STAGE_NAMES = (*STAGE_NAMES, INDEX.name)
TABLES = {stage.name: stage.tables for stage in STAGES}
"""The contracts of all published tables, by stage; `points` without the columns of its features."""

LAST_WITHOUT_DAYS_BEFORE = [stage.name for stage in takewhile(lambda stage: not stage.deps_before, STAGES)][
    -1
]
"""The last stage before those whose days form a chain; arrivals request it."""


def stages_of(spec: PipelineSpec) -> tuple[Stage, ...]:
    """Return the stages of a pipeline in order."""
    return STAGES if spec.serve is None else (*STAGES, INDEX)


State = Literal["current", "stale", "missing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The status of a day.

    Attributes:
        source_digest: Digest of the inputs of the first stage: the source and how it is read.
        version: Published version of the last stage considered; 0 if it was never published.
        stage: The first stage that must be computed; None if the day is current.
    """

    day: Day
    state: State
    source_digest: str
    version: int
    stage: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether a run would compute nothing."""
        return self.state == "current"


def day_standing(
    spec: PipelineSpec, backend: Backend, ledger: Ledger, day: Day, through: str | None = None
) -> Standing:
    """Compare the present inputs of each stage with those it was computed from, without computing anything.

    If one file holds rows of many days, a change to it makes all of them stale, because only `raw` counts the
    rows and so finds the days that really changed. The later stages of the other days are then reused.

    Args:
        spec: The pipeline.
        backend: Reads the state of the source.
        ledger: Reads what is published.
        day: The day.
        through: The last stage to consider, by default the last of the pipeline. From `lineage` on, stages
            also depend on other days.

    Raises:
        SourceMissingError: The day has no source.
        ClusterAssetsError: The source cannot be used.
    """
    job = DayJob(spec, backend, ledger, day)
    stages = stages_of(spec)
    names = [stage.name for stage in stages]
    through = through or names[-1]
    # A day counts as published once its last stage has been published.
    last = ledger.current(through, day)
    broken: State = "missing" if last is None else "stale"
    version = last.version if last else 0
    source_digest = ""
    for stage in stages[: names.index(through) + 1]:
        try:
            inputs = digest_of(stage.prepare(job).inputs)
            source_digest = source_digest or inputs
            published = ledger.require(stage.name, day)
        except (UpstreamMissingError, IntegrityError):
            return Standing(day, broken, source_digest, version, stage.name)
        if published.input_digest != inputs:
            return Standing(day, broken, source_digest, version, stage.name)
    return Standing(day, "current", source_digest, version)
