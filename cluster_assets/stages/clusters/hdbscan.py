"""HDBSCAN in levels of growing radius, until no pair beyond the radius can change a label.

The first level has the candidate pairs of the day, and the threshold as its radius. Each further level has
the pairs within twice the previous radius. `lambda_worker.clusterers.hdbscan` explains when a level is final.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from msgspec import structs

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import TooManyPairsError
from cluster_assets.spec.metrics import metric_of
from cluster_assets.stages.candidates.joins import Refinement
from cluster_assets.stages.candidates.metrics.refinements import COMPONENTS, between_components
from cluster_assets.stages.candidates.planner import choose_executor
from cluster_assets.stages.candidates.search import PairSearch
from cluster_assets.stages.clusters.forests import ShardSizes
from cluster_assets.stages.clusters.hdbscan_points import tree_numbers
from cluster_assets.stages.clusters.inputs import Labelled
from cluster_assets.stages.clusters.shards import pack_files
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.worker.dispatch import halve_files, halve_span
from lambda_worker.contract import ForestEvent
from lambda_worker.contract.forests import MINIMUM
from lambda_worker.contract.hdbscan import (
    CoreDistancesEvent,
    HdbscanEvent,
    HdbscanReply,
    NeighboursEvent,
    core_distances_memory_mb,
    hdbscan_memory_mb,
)

if TYPE_CHECKING:
    from typing import Any

    from cluster_assets.backends.ports import WrittenFile
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.candidates.metrics import Comparison
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.clusters.shards import Shard
    from cluster_assets.stages.worker.invocations import Invocations

# Distances are squared; larger ones overflow.
_LARGEST_RADIUS = 1e150
# A join measures about 10^8 pairs per second; a level that would take longer than minutes is refused.
_MOST_COMPARISONS = 20_000_000_000


@dataclass(slots=True)
class _Known:
    """The results of the levels so far: URIs of forests and core distances, and metrics."""

    forests: list[str] = field(default_factory=list)
    core_distances: list[str] = field(default_factory=list)
    levels: int = 0
    pairs: int = 0


class LevelLabels:
    """Labels the points of a day by HDBSCAN."""

    def __init__(
        self, day: PinnedDay, worker: Invocations, algorithm: dict[str, Any], sizes: ShardSizes | None = None
    ) -> None:
        """Set what the labels are computed from.

        Args:
            day: The points and pairs.
            worker: Runs the events.
            algorithm: Parameters, as in an `HdbscanEvent`.
            sizes: Derived from the pipeline's limits by default.
        """
        self._day = day
        self._worker = worker
        self._parameters = algorithm
        self._min_samples = algorithm["min_samples"] or algorithm["min_cluster_size"]
        self._sizes = sizes or ShardSizes.within(day.job.spec.limits.timeout_s)
        self._comparison = features.comparison_of(day.job.spec)
        metric = metric_of(self._comparison.kind, self._comparison.metric)
        self._largest = min(metric.largest, _LARGEST_RADIUS)

    def label(self) -> Labelled:
        """Label every point.

        Raises:
            TooManyPairsError: The labels are not final, and the next radius would give too many pairs.
            WorkerError: An invocation failed permanently.
        """
        points = self._day.point_count
        self._day.refuse_beyond(
            hdbscan_memory_mb(points, points), f"the hierarchy of {counted(points, 'point')}"
        )
        known = _Known()
        radius = self._comparison.threshold
        files = self._day.pair_files
        while True:
            event, reply = self._climb(known, files, radius)
            if reply.final or radius >= self._largest:
                return Labelled(
                    uri=event.output,
                    clusters=reply.clusters,
                    noise_entities=reply.noise_entities,
                    numbers=_numbers(known, radius, reply),
                    structure=(str(event.tree),),
                )
            radius = min(2 * radius, self._largest)
            files = self._search(known, radius, str(event.components), reply)

    def _climb(
        self, known: _Known, files: tuple[WrittenFile, ...], radius: float
    ) -> tuple[HdbscanEvent, HdbscanReply]:
        """Run one level: core distances, forests and the hierarchy of all levels so far."""
        day = self._day
        known.levels += 1
        known.pairs += sum(file.rows for file in files)
        shards = pack_files(files, self._sizes.shard_rows)
        self._find_core_distances(known, shards)
        trees = [
            ForestEvent(
                kind=MINIMUM,
                candidates=shard.uris,
                point_count=day.point_count,
                output="",
                core_distances=tuple(known.core_distances),
            )
            for shard in shards
        ]
        answers = self._worker.run_named(trees, halve_files)
        known.forests += [answer.event.output for answer in answers]
        event = HdbscanEvent(
            points=day.point_uris,
            forests=tuple(known.forests),
            core_distances=tuple(known.core_distances),
            point_count=day.point_count,
            algorithm=self._parameters,
            threshold=radius,
            output="",
        )
        address = self._worker.address_of(event)
        event = structs.replace(event, components=f"{address}.components", tree=f"{address}.tree")
        (answer,) = self._worker.run_named([event])
        return answer.event, answer.reply

    def _find_core_distances(self, known: _Known, shards: tuple[Shard, ...]) -> None:
        day = self._day
        near = [
            NeighboursEvent(
                points=day.point_uris,
                candidates=shard.uris,
                point_count=day.point_count,
                min_samples=self._min_samples,
                output="",
                known=tuple(known.core_distances),
            )
            for shard in shards
        ]
        neighbours = self._worker.run_named(near, halve_files)
        rows = sum(answer.reply.rows for answer in neighbours)
        events = [
            CoreDistancesEvent(
                points=day.point_uris,
                neighbours=tuple(answer.event.output for answer in neighbours),
                point_count=day.point_count,
                min_samples=self._min_samples,
                output="",
                known=tuple(known.core_distances),
                span=span,
            )
            for span in self._spans(rows)
        ]
        answers = self._worker.run_named(events, halve_span)
        known.core_distances += [answer.event.output for answer in answers if answer.reply.rows]

    def _spans(self, rows: int) -> list[tuple[int, int]]:
        """Return ranges of points whose neighbours fit into one invocation if they are spread evenly."""
        points = self._day.point_count
        least = core_distances_memory_mb(points, 0)
        self._day.refuse_beyond(least, f"core distances of {counted(points, 'point')}")
        share = core_distances_memory_mb(points, rows) - least
        spans = max(1, ceil(share / max(1.0, self._day.memory_mb - least)))
        cuts = [points * number // spans for number in range(spans + 1)]
        return list(pairwise(cuts))

    def _search(
        self, known: _Known, radius: float, components: str, reply: HdbscanReply
    ) -> tuple[WrittenFile, ...]:
        """Find the pairs within a larger radius, except those inside a component."""
        day = self._day
        wider: Comparison = replace(self._comparison, threshold=radius)
        relation = FileRelation((components,), columns=COMPONENTS.columns)
        with PairSearch(
            day.job,
            day.attempt.aside(f"level_{known.levels}"),
            day.points_relation,
            day.point_count,
            wider,
            Refinement(between_components, {"components": relation}),
        ) as search:
            choice = choose_executor(day.job.spec, day.point_count, search.density)
            comparisons = search.count_comparisons(choice)
            if comparisons is not None and comparisons > _MOST_COMPARISONS:
                raise self._undecided(radius, reply, f"take {counted(comparisons, 'comparison')}")
            try:
                found = search.run(choice)
            except TooManyPairsError as error:
                raise self._undecided(radius, reply, f"bring too many pairs: {error.what}") from error
        return found.files

    def _undecided(self, radius: float, reply: HdbscanReply, why: str) -> TooManyPairsError:
        job = self._day.job
        return TooManyPairsError(
            f"hdbscan is not decided at radius {radius / 2:g} ({reply.undecided}), and radius {radius:g} "
            f"would {why}",
            where=f"{job.spec.name}, {job.day}",
            remedy="raise limits.max_pairs, or min_cluster_size; or use dbscan at one radius",
        )


def _numbers(known: _Known, radius: float, reply: HdbscanReply) -> dict[str, Metric]:
    return {
        "levels": known.levels,
        "radius": radius,
        "level_pairs": known.pairs,
        **tree_numbers(reply),
    }
