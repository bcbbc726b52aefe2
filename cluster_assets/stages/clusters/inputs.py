"""The input and the result of labelling a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.errors import WorkerCapacityError
from cluster_assets.domain.tables import CENTRES
from cluster_assets.stages.candidates.planner import IN_WORKER, MEMORY_FILL, memory_to_fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from lambda_worker.contract import ClusterReply


@dataclass(frozen=True, slots=True)
class PinnedDay:
    """The published points and candidates that one attempt at the clusters of a day reads.

    Attributes:
        attempt: Provides the prefixes for files that only this attempt reads.
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
        """Number of points of the day."""
        return self.points.tables["points"].rows

    @property
    def has_single_entities(self) -> bool:
        """Whether each point represents exactly one entity."""
        return self.points.tables["members"].rows == self.point_count

    @property
    def pair_files(self) -> tuple[WrittenFile, ...]:
        """Files of the table `candidates`, sorted by name."""
        return self.job.ledger.files(self.candidates, "candidates")

    @property
    def pair_uris(self) -> tuple[str, ...]:
        """URIs of the pair files."""
        return tuple(file.uri for file in self.pair_files)

    @property
    def pair_count(self) -> int:
        """Number of candidate pairs of the day."""
        return self.candidates.tables["candidates"].rows

    @property
    def core_uris(self) -> tuple[str, ...] | None:
        """Files of the table `cores` if the candidates are a certificate, else None."""
        is_certificate = "cores" in self.candidates.tables
        return self.job.ledger.uris(self.candidates, "cores") if is_certificate else None

    @property
    def reads_points(self) -> bool:
        """Whether the algorithm reads points instead of pairs, which were not searched."""
        return self.candidates.metrics.get("executor") == IN_WORKER

    @property
    def memory_mb(self) -> float:
        """Memory in MiB that plans may use in an invocation; the rest is a reserve for unmodelled use."""
        return memory_to_fill(self.job.spec.limits)

    def refuse_beyond(self, needed_mb: float, what: str) -> None:
        """Refuse work that does not fit into an invocation, before it incurs costs.

        Raises:
            WorkerCapacityError: The work does not fit; the error names the memory that would suffice.
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
    def centres_uri(self) -> str:
        """Address for the file of the table `centres`."""
        return f"{self.attempt.prefix_uri('centres')}/part-00000.parquet"

    @property
    def points_relation(self) -> FileRelation:
        """The table `points` as a relation for statements."""
        return self.job.ledger.relation(self.points, "points")

    @property
    def pairs_relation(self) -> FileRelation:
        """The table `candidates` as a relation for statements."""
        return self.job.ledger.relation(self.candidates, "candidates")


def centres_table(
    uri: str | None, reply: ClusterReply
) -> dict[str, tuple[TableContract, tuple[WrittenFile, ...]]]:
    """Return the table `centres` that an event wrote; none if it was not asked to."""
    if uri is None or not reply.centre_rows:
        return {}
    return {CENTRES.name: (CENTRES, (WrittenFile(uri, reply.centre_rows, reply.centre_bytes),))}


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of all points of a day.

    Attributes:
        uri: The file of labels that the worker wrote.
        clusters: Number of clusters.
        core_points: Number of core points.
        noise_entities: Number of entities that are noise.
        numbers: Further metrics for the day's metadata.
        tables: Further tables of the stage, by name.
        structure: The worker's files that become the table `algorithm.structure`; empty for none.
    """

    uri: str
    clusters: int
    core_points: int = 0
    noise_entities: int = 0
    numbers: Mapping[str, Metric] = field(default_factory=dict)
    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]] = field(default_factory=dict)
    structure: tuple[str, ...] = ()
