"""Labels by spanning forests: the labels are the same for any number of shards.

A small day is one invocation. On a large day each shard is reduced to a forest with fewer pairs than the day
has points. Forests are merged until one invocation can read them all and label the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.counts import counted
from cluster_assets.domain.tables import DENDROGRAM
from cluster_assets.stages.clusters.inputs import Labelled
from cluster_assets.stages.clusters.shards import pack_files
from cluster_assets.stages.worker.dispatch import halve_files
from lambda_worker.contract import (
    ClusterEvent,
    ClusterReply,
    CoresEvent,
    DegreesEvent,
    DendrogramEvent,
    ForestEvent,
)
from lambda_worker.contract.clusters import cluster_memory_mb
from lambda_worker.contract.forests import FOREST_KINDS, NEEDS_CORES, dendrogram_memory_mb
from lambda_worker.contract.memory import cluster_seconds, rows_within

if TYPE_CHECKING:
    from typing import Any

    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.clusters.shards import Shard
    from cluster_assets.stages.worker.invocations import Invocations

# Merging stops after a round that leaves a larger share of the pairs than this.
_WORTH_MERGING = 0.9


@dataclass(frozen=True, slots=True)
class ShardSizes:
    """The amount of work per invocation.

    Attributes:
        one_s: A day estimated to take no longer than this many seconds is one invocation, which reads the
            pairs once; above that, parallel shards are worth their two passes.
        shard_rows: Pairs per shard, which take long compared with the start of an invocation and short
            compared with its time limit.
    """

    one_s: float
    shard_rows: int

    @classmethod
    def within(cls, timeout_s: float) -> ShardSizes:
        """Return sizes that stay well below the time limit of an invocation."""
        return cls(min(20.0, timeout_s / 3), rows_within(min(8.0, timeout_s / 4)))


class ForestLabels:
    """Labels the points of a day by forests of its pairs."""

    def __init__(
        self,
        day: PinnedDay,
        worker: Invocations,
        algorithm: dict[str, Any],
        sizes: ShardSizes | None = None,
    ) -> None:
        """Set what the labels are computed from.

        Args:
            day: The points and pairs.
            worker: Runs the events.
            algorithm: Type and parameters, as in a `ClusterEvent`.
            sizes: Derived from the pipeline's limits by default.
        """
        self._day = day
        self._worker = worker
        self._algorithm = algorithm
        self._type: str = algorithm["type"]
        self._kind = FOREST_KINDS[self._type]
        limits = day.job.spec.limits
        self._sizes = sizes or ShardSizes.within(limits.timeout_s)

    def label(self) -> Labelled:
        """Label every point.

        Raises:
            WorkerCapacityError: The points alone do not fit into one invocation.
            WorkerError: An invocation failed permanently.
        """
        self._refuse_too_many_points()
        day, cores = self._day, self._day.core_uris
        files = day.pair_files
        shards = 1
        if cluster_seconds(self._type, day.point_count, day.pair_count) > self._sizes.one_s:
            if self._type in NEEDS_CORES and cores is None:
                cores = self._find_cores()
            packed = pack_files(files, self._sizes.shard_rows)
            shards = len(packed)
            files = self._merge(self._reduce(packed, cores), cores)
        event = ClusterEvent(
            points=day.point_uris,
            candidates=tuple(file.uri for file in files),
            point_count=day.point_count,
            output="",
            algorithm=self._algorithm,
            cores=cores,
        )
        (answer,) = self._worker.run_named([event])
        return Labelled(
            uri=answer.event.output,
            clusters=answer.reply.clusters,
            core_points=answer.reply.core_points,
            noise_entities=answer.reply.noise_entities,
            numbers={
                "shards": shards,
                "forest_pairs": sum(file.rows for file in files),
                **self._foreseen(answer.reply, files),
            },
            tables={"dendrogram": (DENDROGRAM, self._draw(files))} if self._wants_dendrogram else {},
        )

    def _foreseen(self, reply: ClusterReply, files: tuple[WrittenFile, ...]) -> dict[str, float]:
        """Return the estimates for the last invocation next to the measured values."""
        if reply.reused:
            return {}
        pairs = sum(file.rows for file in files)
        return {
            "label_seconds": round(reply.seconds, 3),
            "label_seconds_foreseen": round(cluster_seconds(self._type, self._day.point_count, pairs), 3),
            "label_memory_mb": reply.peak_memory_mb,
            "label_memory_mb_foreseen": round(cluster_memory_mb(self._type, self._day.point_count, pairs), 1),
        }

    @property
    def _wants_dendrogram(self) -> bool:
        return bool(getattr(self._day.job.spec.algorithm, "dendrogram", False))

    def _refuse_too_many_points(self) -> None:
        points = self._day.point_count
        needed = cluster_memory_mb(self._type, points, self._day.pair_count)
        if self._wants_dendrogram:
            needed = max(needed, dendrogram_memory_mb(points, self._day.pair_count))
        self._day.refuse_beyond(needed, f"labelling {counted(points, 'point')}")

    def _find_cores(self) -> tuple[str, ...]:
        """Find the core points from the degrees in each shard."""
        day = self._day
        shards = pack_files(day.pair_files, self._sizes.shard_rows)
        events = [
            DegreesEvent(
                points=() if day.has_single_entities else day.point_uris,
                candidates=shard.uris,
                point_count=day.point_count,
                output="",
            )
            for shard in shards
        ]
        degrees = self._worker.run_named(events, halve_files)
        event = CoresEvent(
            points=day.point_uris,
            degrees=tuple(answer.event.output for answer in degrees),
            point_count=day.point_count,
            min_samples=self._algorithm["min_samples"],
            output="",
        )
        (found,) = self._worker.run_named([event])
        return (found.event.output,)

    def _reduce(self, shards: tuple[Shard, ...], cores: tuple[str, ...] | None) -> tuple[WrittenFile, ...]:
        """Compute the forest of each shard."""
        events = [
            ForestEvent(
                kind=self._kind,
                candidates=shard.uris,
                point_count=self._day.point_count,
                output="",
                cores=cores,
            )
            for shard in shards
        ]
        answers = self._worker.run_named(events, halve_files)
        return tuple(
            WrittenFile(answer.event.output, answer.reply.rows, answer.reply.bytes) for answer in answers
        )

    def _merge(
        self, forests: tuple[WrittenFile, ...], cores: tuple[str, ...] | None
    ) -> tuple[WrittenFile, ...]:
        """Merge forests until one invocation can read them in time, or merging drops no more pairs."""
        while len(forests) > 1:
            rows = sum(file.rows for file in forests)
            if cluster_seconds(self._type, self._day.point_count, rows) <= self._sizes.one_s:
                break
            groups = pack_files(forests, self._sizes.shard_rows)
            if len(groups) == len(forests):
                # No two shards fit together: merge neighbours in pairs, which halves their number.
                groups = pack_files(forests, 2 * max(file.rows for file in forests))
            merged = self._reduce(groups, cores)
            if sum(file.rows for file in merged) > _WORTH_MERGING * rows:
                return merged
            forests = merged
        return forests

    def _draw(self, forests: tuple[WrittenFile, ...]) -> tuple[WrittenFile, ...]:
        """Write all merges of single linkage as a table of the day."""
        day = self._day
        if not forests:
            return ()
        event = DendrogramEvent(
            forests=tuple(file.uri for file in forests),
            point_count=day.point_count,
            output=f"{day.attempt.prefix_uri('dendrogram')}/part-00000.parquet",
        )
        (answer,) = self._worker.run([event])
        return (WrittenFile(event.output, answer.reply.rows, answer.reply.bytes),)
