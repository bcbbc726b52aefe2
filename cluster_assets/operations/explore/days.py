"""Exploring one day: its points, all pairs within the largest threshold, and the worker's answer."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import TooManyPairsError, WorkerCapacityError
from cluster_assets.domain.scratch_tables import EXPLORED, sketched_contract
from cluster_assets.spec.algorithm import SingleLinkage
from cluster_assets.spec.distance import AutoBlocking, Distance
from cluster_assets.stages.candidates.planner import choose_executor, memory_to_fill
from cluster_assets.stages.candidates.search import PairSearch
from cluster_assets.stages.day.publish import publish_earlier
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.profiles.measures import room_for
from cluster_assets.stages.profiles.spaces import mean_sizes, space_of
from cluster_assets.stages.sequence import STAGES
from cluster_assets.stages.worker.invocations import Invocations
from lambda_worker.contract.exploring import (
    ExploreEvent,
    Grid,
    Sample,
    adjusted_rand,
    explore_seconds,
    explored_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.backends.ports import WrittenFile
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.operations.explore.grid import SettingGrid
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from lambda_worker.contract.exploring import ExploreReply

    Told = Callable[[str], None]

_STAGE = "candidates"
# A join tests about 10^8 pairs per second; a threshold that would take longer than a minute is too large.
_MOST_COMPARISONS = 5_000_000_000
_DIGITS = 9
_SAMPLE, _KEPT, _SAMPLE_S = 600, 10, 1.0


@dataclass(frozen=True, slots=True)
class ExploredDay:
    """What the settings make of one day. Labels can be read until the context of `explore_day` ends.

    Attributes:
        grid: The settings that were tried: those whose pairs fit into the limits.
        points: Points of the day.
        reply: The answer of the worker.
        left_out: Why larger thresholds were left out; empty if none were.
        labels: Relation of the scratch table `EXPLORED`; empty if they were not kept.
        members: Relation of the table `members`.
    """

    job: DayJob
    grid: SettingGrid
    points: int
    reply: ExploreReply
    left_out: str
    labels: FileRelation
    members: FileRelation

    @property
    def day(self) -> str:
        """Its day, `YYYY-MM-DD`."""
        return self.job.day.key

    def agreement(self, before: ExploredDay) -> Mapping[tuple[int, float], float]:
        """Return the adjusted Rand index with another day, by min_samples and threshold.

        It compares the entities that both days have.
        """
        relations = {
            "labels": self.labels,
            "members": self.members,
            "labels_before": before.labels,
            "members_before": before.members,
        }
        if not self.points or not before.points:
            return {}
        rows = self.job.sql.fetch(bind("explore/agreement.sql"), relations)
        return {
            (int(row["min_samples"]), self.grid.thresholds[int(row["level"])]): round(
                _agreement(row), _DIGITS
            )
            for row in rows
        }


@contextmanager
def explore_day(
    job: DayJob, grid: SettingGrid, told: Told, *, keeps_labels: bool = True
) -> Iterator[ExploredDay]:
    """Publish the points of a day if necessary, and cluster them with every setting.

    Nothing else is published, and everything else that was written is removed when the context ends.

    Args:
        job: The day.
        grid: The settings.
        told: Receives what is done next.
        keeps_labels: Whether the labels of all settings are written, for a comparison with another day.

    Raises:
        TooManyPairsError: Even the smallest threshold has more pairs than the limits allow.
        ClusterAssetsError: The points cannot be computed, or an invocation failed.
    """
    raw, points = STAGES[:2]
    for day in job.spec.window_of(job.day)[:-1]:
        told(f"{day}: {raw.name}")
        publish_earlier(raw, job, day)
    for stage in (raw, points):
        told(f"{job.day}: {stage.name}")
        manifest = run_day(stage, job).manifest
    attempt = job.ledger.start_attempt(_STAGE, job.day)
    try:
        yield _Exploration(job, attempt, manifest, keeps_labels).run(grid, told)
    finally:
        job.ledger.discard(_STAGE, job.day, attempt)


@dataclass(frozen=True, slots=True)
class _Exploration:
    """One day with its points; `job` and `points_relation` are what events about points need."""

    job: DayJob
    attempt: Attempt
    points: Manifest
    keeps_labels: bool

    @property
    def points_relation(self) -> FileRelation:
        return self.job.ledger.relation(self.points, "points")

    @property
    def _count(self) -> int:
        return self.points.tables["points"].rows

    def run(self, grid: SettingGrid, told: Told) -> ExploredDay:
        size = Grid(len(grid.thresholds), len(grid.min_samples), _SAMPLE)
        pairs, grid, left_out = self._find_pairs(grid, self._limit(size), told)
        told(f"{self.job.day}: {counted(sum(file.rows for file in pairs), 'pair')}, all settings")
        event = ExploreEvent(
            points=self.points_relation.uris,
            candidates=tuple(file.uri for file in pairs),
            point_count=self._count,
            thresholds=grid.thresholds,
            min_samples=grid.min_samples,
            curve=grid.curve,
            sample=self._sample() if self._count else None,
            output=f"{self.attempt.prefix_uri('labels')}/part-00000.parquet" if self.keeps_labels else None,
            seconds=round(explore_seconds(self._count, sum(file.rows for file in pairs), size), 1),
        )
        (answer,) = Invocations(self.job, _STAGE).run([event])
        return ExploredDay(
            job=self.job,
            grid=grid,
            points=self._count,
            reply=answer.reply,
            left_out=left_out,
            labels=FileRelation(event.results, columns=EXPLORED.columns),
            members=self.job.ledger.relation(self.points, "members"),
        )

    def _limit(self, size: Grid) -> int:
        """Return how many pairs both the YAML and the memory of an invocation allow.

        Raises:
            WorkerCapacityError: Not even the points fit.
        """
        limits = self.job.spec.limits
        fitting = explored_pairs(memory_to_fill(limits), self._count, size)
        if not fitting:
            raise WorkerCapacityError(
                f"exploring {counted(self._count, 'point')} does not fit into one invocation of "
                f"{limits.memory_mb:,} MB",
                where=f"{self.job.spec.name}, {self.job.day}",
                remedy="raise limits.memory_mb, or try fewer thresholds",
            )
        return min(limits.max_pairs, fitting)

    def _find_pairs(
        self, grid: SettingGrid, limit: int, told: Told
    ) -> tuple[tuple[WrittenFile, ...], SettingGrid, str]:
        """Find the pairs within the largest threshold that the limits allow."""
        left_out = ""
        for number in range(len(grid.thresholds), 0, -1):
            fitting = replace(grid, thresholds=grid.thresholds[:number])
            threshold = fitting.thresholds[-1]
            told(f"{self.job.day}: pairs within {threshold:g}")
            try:
                return self._search(threshold, limit, number), fitting, left_out
            except TooManyPairsError as error:
                if number == 1:
                    raise
                left_out = f"thresholds from {threshold:g} on are left out: {error.what}"
        raise AssertionError("a grid has at least one threshold")

    def _search(self, threshold: float, limit: int, number: int) -> tuple[WrittenFile, ...]:
        if self._count <= 1:
            return ()
        job = replace(self.job, spec=_all_pairs(self.job.spec, threshold, limit))
        aside = self.attempt.aside(f"pairs_{number}")
        with PairSearch(job, aside, self.points_relation, self._count) as search:
            choice = choose_executor(job.spec, self._count, search.density)
            comparisons = search.count_comparisons(choice)
            if comparisons is not None and comparisons > _MOST_COMPARISONS:
                raise TooManyPairsError(
                    f"the search would test {counted(comparisons, 'pair')}",
                    where=f"{job.spec.name}, {job.day}, threshold {threshold:g}",
                    remedy="explore smaller thresholds: --thresholds",
                )
            return search.run(choice).files

    def _sample(self) -> Sample:
        """Write some points with their features, for silhouettes."""
        spec = self.job.spec
        room = room_for(spec, memory_to_fill(spec.limits), mean_sizes(self))
        most = min(_SAMPLE, room.silhouette_points, math.isqrt(int(_SAMPLE_S * 1e6 / room.pair_us)))
        step = max(_KEPT, -(-self._count * _KEPT // most))
        columns = features.columns_of(spec.features)
        names = tuple(f'"{column.name}"' for column in columns)
        statement = bind(
            "explore/sampled.sql", structure={"columns": names}, values={"step": step, "kept": _KEPT}
        )
        sampled = self.job.sql.unload(
            statement,
            {"points": self.points_relation},
            sketched_contract(columns),
            self.attempt.scratch_uri("sampled"),
        )
        addresses = tuple(file.uri for file in sampled.files)
        return Sample(points=addresses, point_count=sampled.rows, **space_of(self))


def _agreement(row: Mapping[str, Any]) -> float:
    together, today, before = (int(row[name]) // 2 for name in ("together", "today", "before"))
    return adjusted_rand(int(row["entities"]), together, today, before)


def _all_pairs(spec: PipelineSpec, threshold: float, limit: int) -> PipelineSpec:
    """Return the pipeline with another threshold and an algorithm that needs every pair and its distance."""
    exact = spec.blocking if spec.blocking.type in ("join", "blocks") else AutoBlocking()
    return spec.model_copy(
        update={
            "distance": Distance(metric=spec.near.metric, threshold=threshold),
            "algorithm": SingleLinkage(type="single_linkage"),
            "blocking": exact,
            "limits": spec.limits.model_copy(update={"max_pairs": limit}),
        }
    )
