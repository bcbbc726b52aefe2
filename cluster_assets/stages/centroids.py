"""Clusters around centres, which need points and no pairs: k-means in rounds, the others in one invocation.

Whatever the shards, k-means gives the same centres bit for bit, see `lambda_worker.contract.centroids`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import WorkerMemoryError, WorkerUserError
from lambda_worker.contract import VERSION, ClusterReply, Event, Reply
from lambda_worker.contract.centroids import (
    AssignEvent,
    AssignReply,
    CentresEvent,
    CentresReply,
    GatherEvent,
    LearnEvent,
    LearnReply,
    RoundEvent,
    RoundReply,
    SampleEvent,
    SampleReply,
    SeedEvent,
    SeedReply,
    rounded_sum,
)
from lambda_worker.contract.memory import round_memory_mb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.pipeline_spec import Limits

    R = TypeVar("R", bound=Reply)

Invoke = Callable[[Sequence[Event]], Sequence[Reply]]
"""Runs events at the same time and answers in their order; raises where one fails."""

# Seconds a shard should take in a round: long beside the start of an invocation, short beside its end.
_SHARD_S = 10.0
# Every part of a file reads all of it, a quarter of the time of a round: with more parts little is gained.
_MOST_PARTS = 16
_NUMBER_S, _PRODUCT_S, _MULTIPLY_S = 0.1e-6, 10e-9, 0.3e-9


@dataclass(frozen=True, slots=True)
class PointsFile:
    """A file of the table `points`."""

    uri: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Shard:
    """What one invocation reads: files, or the k-th of n parts of one."""

    files: tuple[str, ...]
    rows: int
    part: tuple[int, int] = (0, 1)


@dataclass(frozen=True, slots=True)
class PointLabels:
    """Labels of all points, and what they took.

    Attributes:
        uri: The labels file: `point_id, cluster, role`, in point order.
        clusters: Clusters with points.
        iterations: Rounds of k-means, or passes over the points.
        converged: Whether the rounds ended before `max_iter`.
        inertia: Sum over the entities of the squared distance to their centre.
        shards: Invocations of a round.
        invocations: Of all kinds.
        seconds: Inside all invocations.
        peak_memory_mb: Of the largest.
    """

    uri: str
    clusters: int
    iterations: int
    converged: bool
    inertia: float
    shards: int
    invocations: int
    seconds: float
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class PointTable:
    """The points of a day: their files, and the names of their feature columns."""

    files: tuple[PointsFile, ...]
    columns: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Points."""
        return sum(file.rows for file in self.files)

    @property
    def numbers(self) -> float:
        """Coordinates of a point, about: one column may hold arrays."""
        return max(len(self.columns), sum(file.bytes for file in self.files) / 8 / max(1, self.rows))


def label_points(
    points: PointTable, algorithm: Mapping[str, Any], folder: str, limits: Limits, invoke: Invoke
) -> PointLabels:
    """Label all points by `kmeans`, `minibatch_kmeans` or `birch`.

    Args:
        points: At least one point.
        algorithm: Type and parameters, as in the pipeline's YAML.
        folder: Where results go, without a slash at its end. The same folder is for the same points and the
            same algorithm: what stands there is not done again.
        limits: Memory and number of invocations.
        invoke: Runs them.

    Raises:
        WorkerMemoryError: The centres do not fit into the memory of an invocation.
        WorkerUserError: The worker refused an event.
    """
    clusters = min(int(algorithm.get("n_clusters") or 1), points.rows)
    shards = plan_shards(points, clusters, limits)
    # Results are named by the number of a shard: other shards, another folder.
    cut = digest_of({"shards": [[*shard.files, *shard.part] for shard in shards], "version": VERSION})
    runs = _Runs(points, algorithm, f"{folder}/{cut[:16]}", limits, invoke)
    return runs.rounds(shards) if algorithm["type"] == "kmeans" else runs.learn()


def plan_shards(points: PointTable, clusters: int, limits: Limits) -> tuple[Shard, ...]:
    """Share the rows out: small files together, large ones in parts.

    Args:
        points: At least one file.
        clusters: Centres.
        limits: As many shards as invocations at a time, or more where a third of their time asks for it.
    """
    seconds = round_seconds(points.rows, points.numbers, clusters)
    least = math.ceil(seconds / (limits.timeout_s / 3))
    wanted = max(least, min(limits.max_concurrency, math.ceil(seconds / _SHARD_S)))
    most_parts = max(_MOST_PARTS, least)
    share = math.ceil(points.rows / max(1, wanted))
    shards: list[Shard] = []
    together: list[PointsFile] = []
    for file in points.files:
        parts = min(most_parts, math.ceil(file.rows / share))
        if parts > 1:
            shards += [Shard((file.uri,), file.rows // parts, (part, parts)) for part in range(parts)]
            continue
        if together and sum(other.rows for other in together) + file.rows > share:
            shards.append(_whole(together))
            together = []
        together.append(file)
    return (*shards, _whole(together)) if together else tuple(shards)


def round_seconds(points: int, dimensions: float, clusters: int) -> float:
    """Seconds a round over some points takes, about."""
    products = points * clusters
    return points * dimensions * _NUMBER_S + products * _PRODUCT_S + products * dimensions * _MULTIPLY_S


class _Runs:
    """The invocations of one day."""

    def __init__(
        self,
        points: PointTable,
        algorithm: Mapping[str, Any],
        folder: str,
        limits: Limits,
        invoke: Invoke,
    ) -> None:
        self._points = points
        self._algorithm = algorithm
        self._folder = folder
        self._limits = limits
        self._invoke = invoke
        self._invocations, self._seconds, self._peak_mb = 0, 0.0, 0.0

    def rounds(self, shards: Sequence[Shard]) -> PointLabels:
        """K-means."""
        clusters = min(int(self._algorithm["n_clusters"]), self._points.rows)
        self._check_memory(clusters)
        centres = self._uri("centres-00000")
        tolerance = self._seed(shards, centres)
        iteration, converged = 0, False
        while iteration < int(self._algorithm["max_iter"]) and not converged:
            iteration += 1
            moved = self._uri(f"centres-{iteration:05d}")
            converged = self._round(shards, iteration, (centres, moved), tolerance)
            centres = moved
        inertia, labels = self._assign(shards, centres)
        return self._labels(labels.clusters, iteration, converged, inertia, len(shards))

    def learn(self) -> PointLabels:
        """What scikit-learn learns in one invocation."""
        event = LearnEvent(
            points=tuple(file.uri for file in self._points.files),
            columns=self._points.columns,
            point_count=self._points.rows,
            algorithm=dict(self._algorithm),
            memory_mb=self._limits.memory_mb,
            output=self._uri("labels"),
            record=self._record("labels"),
        )
        reply = self._run([event], LearnReply)[0]
        return self._labels(reply.clusters, reply.iterations, True, reply.inertia, 1)

    def _seed(self, shards: Sequence[Shard], centres: str) -> float:
        """Write the first centres; the tolerance of the rounds."""
        wanted, seed = int(self._algorithm["n_clusters"]), int(self._algorithm["seed"])
        events = [
            SampleEvent(
                points=shard.files,
                columns=self._points.columns,
                part=shard.part,
                n_clusters=wanted,
                seed=seed,
                output=self._uri(f"sample-{number:05d}"),
                sums=self._uri(f"spread-{number:05d}"),
                record=self._record(f"sample-{number:05d}"),
            )
            for number, shard in enumerate(shards)
        ]
        self._run(events, SampleReply)
        event = SeedEvent(
            samples=tuple(event.output for event in events),
            sums=tuple(event.sums for event in events),
            point_count=self._points.rows,
            n_clusters=wanted,
            seed=seed,
            tol=float(self._algorithm["tol"]),
            output=centres,
            record=self._record("seed"),
        )
        return self._run([event], SeedReply)[0].tolerance

    def _round(
        self, shards: Sequence[Shard], iteration: int, centres: tuple[str, str], tolerance: float
    ) -> bool:
        """Move the centres from one file to the other; whether they have converged."""
        name = f"round-{iteration:05d}"
        clusters = int(self._algorithm["n_clusters"])
        events = [
            RoundEvent(
                points=shard.files,
                columns=self._points.columns,
                part=shard.part,
                centres=centres[0],
                output=self._uri(f"{name}-{number:05d}"),
                farthest=self._uri(f"{name}-{number:05d}-farthest"),
                record=self._record(f"{name}-{number:05d}"),
                seconds=round_seconds(shard.rows, self._points.numbers, clusters),
            )
            for number, shard in enumerate(shards)
        ]
        self._run(events, RoundReply)
        event = CentresEvent(
            centres=centres[0],
            sums=tuple(event.output for event in events),
            farthest=tuple(event.farthest for event in events),
            point_count=self._points.rows,
            tolerance=tolerance,
            output=centres[1],
            record=self._record(name),
        )
        return self._run([event], CentresReply)[0].converged

    def _assign(self, shards: Sequence[Shard], centres: str) -> tuple[float, ClusterReply]:
        """Write the labels; the inertia, and what was found."""
        events = [
            AssignEvent(
                points=shard.files,
                columns=self._points.columns,
                part=shard.part,
                centres=centres,
                output=self._uri(f"assigned-{number:05d}"),
                record=self._record(f"assigned-{number:05d}"),
            )
            for number, shard in enumerate(shards)
        ]
        inertia = rounded_sum(reply.inertia for reply in self._run(events, AssignReply))
        event = GatherEvent(
            parts=tuple(event.output for event in events),
            point_count=self._points.rows,
            output=self._uri("labels"),
            record=self._record("labels"),
        )
        return inertia, self._run([event], ClusterReply)[0]

    def _run(self, events: Sequence[Event], kind: type[R]) -> list[R]:
        replies = []
        for reply in self._invoke(events):
            if not isinstance(reply, kind) or not reply.ok:
                raise WorkerUserError(
                    f"the worker refused to cluster around centres: {reply.error_type}: {reply.error}",
                    where=f"algorithm {self._algorithm['type']}, {self._points.rows:,} points",
                    remedy="mend what the message names, in the algorithm of the pipeline or in its limits; "
                    "else recompute points with --force",
                )
            replies.append(reply)
            self._seconds += reply.seconds
            self._peak_mb = max(self._peak_mb, reply.peak_memory_mb)
        self._invocations += len(events)
        return replies

    def _labels(
        self, clusters: int, iterations: int, converged: bool, inertia: float, shards: int
    ) -> PointLabels:
        return PointLabels(
            uri=self._uri("labels"),
            clusters=clusters,
            iterations=iterations,
            converged=converged,
            inertia=inertia,
            shards=shards,
            invocations=self._invocations,
            seconds=round(self._seconds, 6),
            peak_memory_mb=self._peak_mb,
        )

    def _check_memory(self, clusters: int) -> None:
        dimensions = round(self._points.numbers)
        needed = round_memory_mb(clusters, dimensions)
        if needed > self._limits.memory_mb:
            raise WorkerMemoryError(
                f"a round with {clusters:,} centres in {dimensions:,} dimensions takes "
                f"{needed:,.0f} MB; limits.memory_mb is {self._limits.memory_mb:,}",
                where=f"algorithm {self._algorithm['type']}",
                remedy=f"raise limits.memory_mb to {math.ceil(needed):,}, or lower algorithm.n_clusters",
            )

    def _uri(self, name: str) -> str:
        return f"{self._folder}/{name}.parquet"

    def _record(self, name: str) -> str:
        return f"{self._folder}/{name}.json"


def _whole(files: Sequence[PointsFile]) -> Shard:
    return Shard(tuple(file.uri for file in files), sum(file.rows for file in files))
