"""The progress of runs: an event for each stage or publication of a day that ends, in any process."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.spec.publish import asset_name
from cluster_assets.stages.day.run import PROGRESS
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayResult


@dataclass(frozen=True, slots=True)
class StageEvent:
    """A stage or a publication of a day that ended.

    Attributes:
        stage: Name of the stage, or of the asset of the publication.
        place: Pipeline, stage and day, as in `demo/raw 2026-01-05`.
        seconds: Wall time of a stage; 0 if it failed.
        failed: Whether it failed. The later stages of the day do not run then; other publications do.
        line: What the day has, once its clusters are published; empty after other stages.
        checks: Failed checks: `failed` or `warning`, and the text.
    """

    day: str
    stage: str
    place: str
    seconds: float = 0.0
    failed: bool = False
    line: str = ""
    checks: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the event as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(**{**body, "checks": tuple((word, text) for word, text in body["checks"])})


def parts_of(spec: PipelineSpec) -> tuple[str, ...]:
    """Return the names of the stages and publications of a day: each ends with an event."""
    return (
        *(stage.name for stage in stages_of(spec)),
        *(asset_name(target) for target in spec.publish.targets),
    )


class StageListener(Protocol):
    """Shows how far the days of a command are."""

    def expect(self, days: Sequence[Day]) -> None:
        """Expect the events of all stages and publications of some days."""
        ...

    def show(self, event: StageEvent) -> None:
        """Show a stage or publication that ended."""
        ...


@contextmanager
def listening(on_stage: Callable[[StageEvent], None]) -> Iterator[None]:
    """Call a function with each event of this process."""
    handler = _Events(on_stage)
    PROGRESS.addHandler(handler)
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.propagate = False
    try:
        yield
    finally:
        PROGRESS.removeHandler(handler)


class _Events(logging.Handler):
    """Turns the progress records of the stages into events."""

    def __init__(self, on_stage: Callable[[StageEvent], None]) -> None:
        super().__init__()
        self._on_stage = on_stage

    def emit(self, record: logging.LogRecord) -> None:
        place = record.getMessage()
        facts = record.__dict__
        result: DayResult | None = facts.get("day_result")
        if result is None:
            error = facts["error"]
            checks = _checks(place, error.outcomes if isinstance(error, CheckFailedError) else ())
            failed = error is not None
            self._on_stage(StageEvent(facts["day"], facts["stage"], place, failed=failed, checks=checks))
            return
        manifest = result.manifest
        self._on_stage(
            StageEvent(
                manifest.day.key,
                manifest.stage,
                place,
                result.seconds,
                line=_line(result) if manifest.stage == "clusters" else "",
                checks=_checks(place, result.checks),
            )
        )


def _checks(place: str, outcomes: Sequence[CheckOutcome]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (outcome.state, f"{place} {outcome.name}: {outcome.description}")
        for outcome in outcomes
        if not outcome.passed
    )


def _line(result: DayResult) -> str:
    manifest = result.manifest
    metrics = manifest.metrics
    state = "unchanged" if result.reused else f"{metrics['seconds']:.2f} s"
    entities, clusters = (
        counted(int(metrics["entities"]), "entity"),
        counted(int(metrics["clusters"]), "cluster"),
    )
    noise = f"noise {float(metrics['noise_ratio']):.1%}"
    return f"{manifest.day}  {manifest.pipeline}: {entities}, {clusters}, {noise}  ({state})"
