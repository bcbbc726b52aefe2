"""HDBSCAN level by level, until nothing beyond a radius could change a label.

The first level has the pairs of the day, and the threshold for its radius; each further one has the pairs
within twice the radius of the one before. What a level knows and why it may be final stands in
`lambda_worker.hierarchy`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.distance_spec import LARGEST
from cluster_assets.domain.errors import TooManyPairsError
from cluster_assets.domain.shards import PairFile, pack_files
from cluster_assets.metrics.levels import COMPONENTS, between_components
from cluster_assets.ports import FileRelation
from cluster_assets.stages.forests import ShardSizes
from cluster_assets.stages.halves import halve_files, halve_span
from cluster_assets.stages.joins import Refinement
from cluster_assets.stages.pinned_day import Labelled
from cluster_assets.stages.search import PairSearch
from lambda_worker.contract import ForestEvent
from lambda_worker.contract.forests import MINIMUM
from lambda_worker.contract.hierarchies import (
    CoreDistancesEvent,
    HdbscanEvent,
    HdbscanReply,
    NeighboursEvent,
)
from lambda_worker.contract.memory import core_distances_memory_mb, hdbscan_memory_mb

if TYPE_CHECKING:
    from typing import Any

    from cluster_assets.algorithm_spec import Hdbscan
    from cluster_assets.domain.shards import Shard
    from cluster_assets.metrics import Comparison
    from cluster_assets.stages.invocations import Invocations
    from cluster_assets.stages.pinned_day import PinnedDay

# Distances are squared; beyond this they overflow.
_LARGEST_RADIUS = 1e150
# A join measures some 10^8 pairs a second; a level that takes longer than minutes is refused, not begun.
_MOST_COMPARISONS = 20_000_000_000


@dataclass(slots=True)
class _Known:
    """What the levels so far have found: addresses of forests and of core distances, and numbers."""

    forests: list[str] = field(default_factory=list)
    core_distances: list[str] = field(default_factory=list)
    levels: int = 0
    pairs: int = 0
    bytes_scanned: int = 0


class LevelLabels:
    """Clusters a day by HDBSCAN."""

    def __init__(
        self, day: PinnedDay, worker: Invocations, algorithm: Hdbscan, sizes: ShardSizes | None = None
    ) -> None:
        """Nothing is invoked yet.

        Args:
            day: What it is made from.
            worker: Runs the events.
            algorithm: Parameters.
            sizes: By default what suits the limits of the pipeline.
        """
        self._day = day
        self._worker = worker
        self._parameters: dict[str, Any] = algorithm.model_dump()
        self._min_samples = algorithm.min_samples or algorithm.min_cluster_size
        self._sizes = sizes or ShardSizes.within(day.job.spec.limits.timeout_s)
        self._comparison = features.comparison_of(day.job.spec)
        kind = (self._comparison.kind, self._comparison.metric)
        self._largest = LARGEST.get(kind, _LARGEST_RADIUS)

    def label(self) -> Labelled:
        """Label every point.

        Raises:
            TooManyPairsError: The labels are not final at a radius, and the next would take too many pairs.
            WorkerError: An invocation failed for good.
        """
        points = self._day.point_count
        self._day.refuse_beyond(hdbscan_memory_mb(points, points), f"the hierarchy of {points:,} points")
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
                    bytes_scanned=known.bytes_scanned,
                )
            radius = min(2 * radius, self._largest)
            files = self._search(known, radius, str(event.components), reply)

    def _climb(
        self, known: _Known, files: tuple[PairFile, ...], radius: float
    ) -> tuple[HdbscanEvent, HdbscanReply]:
        """One level: core distances, forests, and the hierarchy of all levels so far."""
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
        event = replace(event, components=f"{self._worker.address_of(event)}.components")
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
        """Ranges of points whose neighbours fit into an invocation each, were they spread evenly."""
        points = self._day.point_count
        least = core_distances_memory_mb(points, 0)
        self._day.refuse_beyond(least, f"core distances of {points:,} points")
        share = core_distances_memory_mb(points, rows) - least
        spans = max(1, ceil(share / max(1.0, self._day.memory_mb - least)))
        cuts = [points * number // spans for number in range(spans + 1)]
        return list(pairwise(cuts))

    def _search(
        self, known: _Known, radius: float, components: str, reply: HdbscanReply
    ) -> tuple[PairFile, ...]:
        """The pairs within a wider radius, without those inside a component."""
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
            choice = search.choose()
            comparisons = search.count_comparisons(choice)
            if comparisons is not None and comparisons > _MOST_COMPARISONS:
                raise self._undecided(radius, reply, f"take {comparisons:,} comparisons")
            try:
                found = search.run(choice)
            except TooManyPairsError as error:
                raise self._undecided(radius, reply, f"bring too many pairs: {error.what}") from error
        known.bytes_scanned += found.bytes_scanned
        return tuple(PairFile(file.uri, file.rows) for file in found.files)

    def _undecided(self, radius: float, reply: HdbscanReply, why: str) -> TooManyPairsError:
        job = self._day.job
        return TooManyPairsError(
            f"hdbscan is not decided at radius {radius / 2:g} ({reply.undecided}), and radius {radius:g} "
            f"would {why}",
            where=f"{job.spec.name}, {job.day}",
            remedy="raise limits.max_pairs, or min_cluster_size; or use dbscan at one radius",
        )


def _numbers(known: _Known, radius: float, reply: HdbscanReply) -> dict[str, int | float | str]:
    return {
        "levels": known.levels,
        "radius": radius,
        "level_pairs": known.pairs,
        "contested_merges": reply.contested,
        # Beyond the radius nobody looked: only the tree of one component is whole.
        **({"tree_weight": reply.tree_weight} if reply.components <= 1 else {}),
    }
