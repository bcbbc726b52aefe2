"""Centre-based clustering, which needs points but no pairs: k-means in rounds, the others in one invocation.

K-means gives bit-identical centres for any shards; see `lambda_worker.contract.kmeans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import WorkerMemoryError, WorkerUserError
from cluster_assets.stages.clusters.inputs import Labelled, centres_table
from cluster_assets.stages.points import kinds as features
from lambda_worker.contract import VERSION, Event, Reply, TableReply
from lambda_worker.contract.kmeans import (
    CentresEvent,
    CentresReply,
    GatherEvent,
    GatherReply,
    LearnEvent,
    LearnReply,
    RoundEvent,
    SampleEvent,
    SeedEvent,
    round_memory_mb,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import WrittenFile
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.spec.pipeline import Limits
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.worker.invocations import Invocations

    R = TypeVar("R", bound=Reply)

Invoke = Callable[[Sequence[Event]], Sequence[Reply]]
"""Runs events concurrently and returns the replies in their order; raises if one fails."""

STARTS = "on a sample"
"""How k-means finds its first centres; others give other clusters."""

# Seconds per shard and round: long compared with the start of an invocation, short compared with its limit.
_SHARD_S = 10.0
# Every part of a file reads the whole file, a quarter of a round's time, so that more parts gain little.
_MOST_PARTS = 16
_NUMBER_S, _PRODUCT_S, _MULTIPLY_S = 0.1e-6, 10e-9, 0.3e-9


@dataclass(frozen=True, slots=True)
class Shard:
    """The input of one invocation: whole files, or the k-th of n parts of one file."""

    files: tuple[str, ...]
    rows: int
    part: tuple[int, int] = (0, 1)


@dataclass(frozen=True, slots=True)
class PointTable:
    """The points of a day: their files and the names of their feature columns."""

    files: tuple[WrittenFile, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, job: DayJob, points: Manifest) -> PointTable:
        """Return the points of a published day."""
        columns = features.columns_of(job.spec.features)
        return cls(job.ledger.files(points, "points"), tuple(column.name for column in columns))

    @property
    def rows(self) -> int:
        """Number of points."""
        return sum(file.rows for file in self.files)

    @property
    def numbers(self) -> float:
        """Estimated number of coordinates of a point; a column may hold arrays."""
        return max(len(self.columns), sum(file.bytes for file in self.files) / 8 / max(1, self.rows))


def label_points(
    points: PointTable,
    algorithm: Mapping[str, Any],
    folder: str,
    limits: Limits,
    invoke: Invoke,
    centres_uri: str | None = None,
) -> Labelled:
    """Label all points by `kmeans`, `minibatch_kmeans` or `birch`.

    Args:
        points: At least one point.
        algorithm: Type and parameters, as in the pipeline's YAML.
        folder: Folder for results, without a trailing slash. It must be used for the same points and
            algorithm only, because results found in it are reused.
        limits: Memory and number of invocations.
        invoke: Runs the events.
        centres_uri: Address for the table `centres`; None writes none.

    Raises:
        WorkerMemoryError: The centres do not fit into the memory of an invocation.
        WorkerUserError: The worker refused an event.
    """
    shards = plan_shards(points, centres_of(algorithm, points.rows), limits)
    # Results are named by shard number, so each split into shards has its own folder.
    cut = digest_of(
        {"shards": [[*shard.files, *shard.part] for shard in shards], "version": VERSION, "starts": STARTS}
    )
    runs = _Runs(points, algorithm, f"{folder}/{cut[:16]}", limits, invoke)
    runs.centres_uri = centres_uri
    return runs.rounds(shards) if algorithm["type"] == "kmeans" else runs.learn()


def plan_shards(points: PointTable, centres: int, limits: Limits) -> tuple[Shard, ...]:
    """Distribute the rows over shards: small files together, large ones in parts.

    Args:
        points: At least one file.
        centres: Number of centres.
        limits: There are as many shards as concurrent invocations, or more if a shard would otherwise take
            over a third of the time limit.
    """
    seconds = round_seconds(points.rows, points.numbers, centres)
    least = math.ceil(seconds / (limits.timeout_s / 3))
    wanted = max(least, min(limits.max_concurrency, math.ceil(seconds / _SHARD_S)))
    most_parts = max(_MOST_PARTS, least)
    share = math.ceil(points.rows / max(1, wanted))
    shards: list[Shard] = []
    together: list[WrittenFile] = []
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


def centres_of(algorithm: Mapping[str, Any], points: int) -> int:
    """Return the number of centres; with fewer points than `n_clusters`, each is one."""
    return min(int(algorithm.get("n_clusters") or 1), points)


def round_seconds(points: int, dimensions: float, centres: int) -> float:
    """Estimate the seconds of a round over some points."""
    products = points * centres
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
        self.centres_uri: str | None = None

    def rounds(self, shards: Sequence[Shard]) -> Labelled:
        """Run k-means."""
        self._check_memory()
        centres = self._seed(shards)
        iteration, moving = 0, True
        while iteration < int(self._algorithm["max_iter"]) and moving:
            iteration += 1
            event = CentresEvent(
                centres=centres,
                sums=self._sum(shards, f"round-{iteration:05d}", centres),
                point_count=self._points.rows,
                tol=float(self._algorithm["tol"]),
                output=self._file(f"centres-{iteration:05d}"),
                record=self._record(f"centres-{iteration:05d}"),
            )
            centres, moving = event.output, self._run([event], CentresReply)[0].moving
        found = self._gather(shards, centres)
        return self._labelled(found, iteration, found.converged, len(shards))

    def learn(self) -> Labelled:
        """Run an algorithm that scikit-learn fits in one invocation."""
        event = LearnEvent(
            points=tuple(file.uri for file in self._points.files),
            columns=self._points.columns,
            point_count=self._points.rows,
            algorithm=dict(self._algorithm),
            memory_mb=self._limits.memory_mb,
            output=self._uri("labels"),
            centres_output=self.centres_uri,
            record=self._record("labels"),
        )
        reply = self._run([event], LearnReply)[0]
        return self._labelled(reply, reply.iterations, True, 1)

    def _seed(self, shards: Sequence[Shard]) -> str:
        """Return the URI of the initial centres."""
        clusters, seed = int(self._algorithm["n_clusters"]), int(self._algorithm["seed"])
        events = [
            SampleEvent(
                points=shard.files,
                columns=self._points.columns,
                part=shard.part,
                n_clusters=clusters,
                seed=seed,
                output=self._file(f"sample-{number:05d}"),
                record=self._record(f"sample-{number:05d}"),
            )
            for number, shard in enumerate(shards)
        ]
        self._run(events, TableReply)
        event = SeedEvent(
            samples=tuple(event.output for event in events),
            point_count=self._points.rows,
            n_clusters=clusters,
            n_init=int(self._algorithm["n_init"]),
            seed=seed,
            max_iter=int(self._algorithm["max_iter"]),
            tol=float(self._algorithm["tol"]),
            output=self._file("centres-00000"),
            record=self._record("centres-00000"),
        )
        self._run([event], TableReply)
        return event.output

    def _sum(
        self, shards: Sequence[Shard], name: str, centres: str, labels: Sequence[str | None] = ()
    ) -> tuple[str, ...]:
        """Return the URIs of the sums around some centres; shards with a label URI also write labels."""
        count = centres_of(self._algorithm, self._points.rows)
        events = [
            RoundEvent(
                points=shard.files,
                columns=self._points.columns,
                part=shard.part,
                centres=centres,
                output=self._file(f"{name}-{number:05d}"),
                labels=labels[number] if labels else None,
                record=self._record(f"{name}-{number:05d}"),
                seconds=round_seconds(shard.rows, self._points.numbers, count),
            )
            for number, shard in enumerate(shards)
        ]
        self._run(events, TableReply)
        return tuple(event.output for event in events)

    def _gather(self, shards: Sequence[Shard], centres: str) -> GatherReply:
        """Write the labels."""
        labels = tuple(self._uri(f"labels-{number:05d}") for number in range(len(shards)))
        event = GatherEvent(
            centres=centres,
            sums=self._sum(shards, "last", centres, labels),
            labels=labels,
            point_count=self._points.rows,
            output=self._uri("labels"),
            centres_output=self.centres_uri,
            record=self._record("labels"),
        )
        return self._run([event], GatherReply)[0]

    def _run(self, events: Sequence[Event], kind: type[R]) -> list[R]:
        replies = []
        for reply in self._invoke(events):
            if not isinstance(reply, kind) or not reply.ok:
                raise WorkerUserError(
                    f"the worker refused to cluster around centres: {reply.error_type}: {reply.error}",
                    where=f"algorithm {self._algorithm['type']}, {counted(self._points.rows, 'point')}",
                    remedy="correct what the message names in the pipeline's algorithm or limits; "
                    "else recompute points with --force",
                )
            replies.append(reply)
        return replies

    def _labelled(
        self, reply: GatherReply | LearnReply, iterations: int, converged: bool, shards: int
    ) -> Labelled:
        numbers: dict[str, Metric] = {
            "iterations": iterations,  # rounds or passes over all points
            "converged": str(converged).lower(),
            "inertia": reply.inertia,
            "shards": shards,
        }
        tables = centres_table(self.centres_uri, reply)
        return Labelled(uri=self._uri("labels"), clusters=reply.clusters, numbers=numbers, tables=tables)

    def _check_memory(self) -> None:
        dimensions = round(self._points.numbers)
        clusters = centres_of(self._algorithm, self._points.rows)
        needed = round_memory_mb(clusters, dimensions)
        if needed > self._limits.memory_mb:
            raise WorkerMemoryError(
                f"a round with {counted(clusters, 'centre')} in "
                f"{counted(dimensions, 'dimension')} takes {needed:,.0f} MB; limits.memory_mb is "
                f"{self._limits.memory_mb:,}",
                where=f"algorithm {self._algorithm['type']}",
                remedy=f"raise limits.memory_mb to {math.ceil(needed):,}, or lower algorithm.n_clusters",
            )

    def _file(self, name: str) -> str:
        return f"{self._folder}/{name}.npz"

    def _uri(self, name: str) -> str:
        return f"{self._folder}/{name}.parquet"

    def _record(self, name: str) -> str:
        return f"{self._folder}/{name}.json"


def _whole(files: Sequence[WrittenFile]) -> Shard:
    return Shard(tuple(file.uri for file in files), sum(file.rows for file in files))


def label_by_centres(day: PinnedDay, worker: Invocations, algorithm: dict[str, Any]) -> Labelled:
    """Label every point of a day with at least one point.

    Raises:
        WorkerError: The centres do not fit into an invocation, or an invocation failed permanently.
    """

    def invoke(events: Sequence[Event]) -> list[Reply]:
        return [answer.reply for answer in worker.run(events)]

    table = PointTable.of(day.job, day.points)
    folder = worker.folder_of({"points": day.points.content_digest, "algorithm": algorithm})
    return label_points(table, algorithm, folder, day.job.spec.limits, invoke, day.centres_uri)
