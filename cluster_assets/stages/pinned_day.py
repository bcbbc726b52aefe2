"""What the labels of a day are made from, and what making them leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import WorkerCapacityError
from cluster_assets.domain.shards import PairFile
from cluster_assets.planner import MEMORY_FILL, memory_to_fill
from cluster_assets.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


@dataclass(frozen=True, slots=True)
class PinnedDay:
    """The published points and candidates that one attempt at the clusters of a day reads.

    Attributes:
        attempt: Where files go that only this attempt reads.
    """

    job: DayJob
    attempt: Attempt
    points: Manifest
    candidates: Manifest

    @property
    def point_uris(self) -> tuple[str, ...]:
        """Files of the table `points`."""
        return self.job.ledger.uris(self.points, "points")

    @property
    def point_count(self) -> int:
        """Points of the day."""
        return self.points.tables["points"].rows

    @property
    def has_single_entities(self) -> bool:
        """Whether each point stands for one entity."""
        return self.points.tables["members"].rows == self.point_count

    @property
    def pair_files(self) -> tuple[PairFile, ...]:
        """Files of the table `candidates`, in the order of their names."""
        rows = (file.rows for file in self.candidates.tables["candidates"].files)
        uris = self.job.ledger.uris(self.candidates, "candidates")
        return tuple(PairFile(uri, count) for uri, count in zip(uris, rows, strict=True))

    @property
    def pair_uris(self) -> tuple[str, ...]:
        """Their addresses."""
        return tuple(file.uri for file in self.pair_files)

    @property
    def pair_count(self) -> int:
        """Candidate pairs of the day."""
        return self.candidates.tables["candidates"].rows

    @property
    def core_uris(self) -> tuple[str, ...] | None:
        """Files of the table `cores` where the candidates are a certificate, else None."""
        is_certificate = "cores" in self.candidates.tables
        return self.job.ledger.uris(self.candidates, "cores") if is_certificate else None

    @property
    def memory_mb(self) -> float:
        """Memory that plans may fill in an invocation; the rest is for what no model knows."""
        return memory_to_fill(self.job.spec.limits)

    def refuse_beyond(self, needed_mb: float, what: str) -> None:
        """Refuse what does not fit into an invocation, before anything is paid for.

        Raises:
            WorkerCapacityError: With the memory that would do.
        """
        if needed_mb > self.memory_mb:
            job = self.job
            raise WorkerCapacityError(
                f"{what} takes about {needed_mb:,.0f} MiB in one invocation; "
                f"limits.memory_mb allows {job.spec.limits.memory_mb:,}",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"set limits.memory_mb to {needed_mb / MEMORY_FILL + 1:,.0f} or more",
            )

    @property
    def points_relation(self) -> FileRelation:
        """The table `points`, for statements."""
        return FileRelation(self.point_uris, columns=self.points.tables["points"].columns)

    @property
    def pairs_relation(self) -> FileRelation:
        """The table `candidates`, for statements."""
        return FileRelation(self.pair_uris, columns=self.candidates.tables["candidates"].columns)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of all points of a day.

    Attributes:
        uri: The file of labels, as a `ClusterEvent` or its like wrote it.
        clusters: Clusters found.
        core_points: Points that are core.
        noise_entities: Entities that are noise.
        numbers: More for the day's metadata.
        bytes_scanned: Bytes the SQL engine read.
        tables: Further tables of the stage, by name.
    """

    uri: str
    clusters: int
    core_points: int = 0
    noise_entities: int = 0
    numbers: Mapping[str, Metric] = field(default_factory=dict)
    bytes_scanned: int = 0
    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]] = field(default_factory=dict)
