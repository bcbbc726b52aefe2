"""How a day stands: published from the inputs there are now, from earlier ones, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import IntegrityError, UpstreamMissingError
from cluster_assets.stages.stage import DayJob
from cluster_assets.stages.way import STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from cluster_assets.backend import Backend
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.ledger import Ledger

State = Literal["current", "stale", "missing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a day stands.

    Attributes:
        source_digest: Digest of the inputs of the first stage: the source and how it is read.
        version: Of the last stage that counts, as published; 0 when it never was.
        stage: The first stage that must be computed; None when the day is current.
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
    spec: PipelineSpec, backend: Backend, ledger: Ledger, day: Day, through: str = STAGE_NAMES[-1]
) -> Standing:
    """Compare what each stage would read now with what it was computed from; nothing is computed.

    Where one file holds rows of many days, a change of it makes each of them stale: only counting its
    rows, which `raw` does, tells which of them it concerns. The later stages are then found unchanged.

    Args:
        spec: The pipeline.
        backend: Tells the state of the source.
        ledger: Tells what is published.
        day: The day.
        through: The last stage that counts. From `lineage` on, stages depend on other days too.

    Raises:
        SourceMissingError: The day has no source.
        ClusterAssetsError: The source cannot be used.
    """
    job = DayJob(spec, backend, ledger, day)
    # The day is whole when its last stage was published once.
    last = ledger.current(through, day)
    broken: State = "missing" if last is None else "stale"
    version = last.version if last else 0
    source_digest = ""
    for stage in STAGES[: STAGE_NAMES.index(through) + 1]:
        try:
            inputs = digest_of(stage.prepare(job).inputs)
            source_digest = source_digest or inputs
            published = ledger.require(stage.name, day)
        except (UpstreamMissingError, IntegrityError):
            return Standing(day, broken, source_digest, version, stage.name)
        if published.input_digest != inputs:
            return Standing(day, broken, source_digest, version, stage.name)
    return Standing(day, "current", source_digest, version)
