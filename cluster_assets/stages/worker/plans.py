"""What a stage plans before it computes a day: its worker events, with their memory, time and price.

Each stage with worker events returns a `Plan` (`Stage.plan_events`), from the memory and time models of the
code that sends the events. A number that only the computation reveals is taken from the latest published day,
or replaced by its minimum; a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.stages.candidates.planner import memory_to_fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.clusters.kmeans import PointTable
    from lambda_worker.contract import Event


@dataclass(frozen=True, slots=True)
class Step:
    """The invocations of one operation.

    Attributes:
        stage: The stage that sends them.
        operation: Name of the worker operation.
        invocations: Number of invocations.
        seconds: Total seconds of these invocations.
        memory_mb: Predicted peak of the largest.
    """

    stage: str
    operation: str
    invocations: int
    seconds: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, and notes about what is unknown."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steps + other.steps, self.notes + other.notes)


@dataclass(frozen=True, slots=True)
class LatestDay:
    """The metrics of a stage on its latest published day."""

    day: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        """Return a metric of the day, or None."""
        return int(self.metrics[name]) if name in self.metrics else None


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What is known about a day.

    Attributes:
        spec: The pipeline.
        table: Its points.
        entities: Entities of the points.
        pairs: Upper bound of the near pairs.
        executor: The executor that finds the pairs.
        stage: The stage that plans.
        latest: Its latest published day; empty if there is none.
    """

    spec: PipelineSpec
    table: PointTable
    entities: int
    pairs: int
    executor: str
    stage: str
    latest: LatestDay

    @property
    def points(self) -> int:
        """Points of the day."""
        return self.table.rows

    @property
    def dimensions(self) -> int:
        """Approximate number of dimensions of a point."""
        return max(1, round(self.table.numbers))

    @property
    def memory_mb(self) -> float:
        """Memory that plans may use."""
        return memory_to_fill(self.spec.limits)

    def step(self, event: type[Event], invocations: int, seconds: float, memory_mb: float) -> Step:
        """Return a step of the stage that plans; see `Step`."""
        return Step(self.stage, event.operation(), invocations, seconds, memory_mb)
