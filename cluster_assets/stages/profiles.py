"""Stage `profiles`: what the clusters of a day are like, and what tells each from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.tables import CLUSTER_FEATURES, PROFILES
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind, sources_of
from cluster_assets.stages.invocations import Invocations
from cluster_assets.stages.kept_tables import KeptTables
from cluster_assets.stages.pinned_day import PinnedDay
from cluster_assets.stages.profiles_features import feature_statements
from cluster_assets.stages.profiles_measures import DayMeasures, Measures
from cluster_assets.stages.stage import StageOutput, sql_digest
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.ports import Relation, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


class ProfilesStage:
    """Fills `profiles`, a row a cluster and one for noise, and `cluster_features`: what tells them apart."""

    name = "profiles"

    def prepare(self, job: DayJob) -> ProfilesWork:
        """Pin points, clusters and lineage.

        Raises:
            UpstreamMissingError: One of them is not published, or they do not belong together.
        """
        points, clusters = job.ledger.require("points", job.day), job.ledger.require("clusters", job.day)
        lineage = job.ledger.require("lineage", job.day)
        _refuse_other(job, "clusters", clusters, {"points": points})
        _refuse_other(job, "lineage", lineage, {"clusters": clusters})
        return ProfilesWork(job, points, clusters, lineage)


@dataclass(frozen=True, slots=True)
class ProfilesWork:
    """Bounded invocations for what distances tell, SQL for the rest."""

    job: DayJob
    points: Manifest
    clusters: Manifest
    lineage: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of points, clusters and lineage; what is compared and how much of it is measured."""
        limits = self.job.spec.limits
        return {
            "points": self.points.content_digest,
            "clusters": self.clusters.content_digest,
            "lineage": self.lineage.tables["lineage"].content_digest,
            "spec": digest_of(self.job.spec.part("features", "distance", "profiles")),
            # They decide how large samples may be.
            "limits": digest_of({"memory_mb": limits.memory_mb, "timeout_s": limits.timeout_s}),
            "sql": sql_digest("profiles", "ranges"),
            "worker": f"contract {VERSION}",
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Measure the clusters and describe them.

        Raises:
            WorkerError: An invocation failed for good; the subclass says how.
        """
        salt = attempt.id if self.job.force else ""
        worker = Invocations(self.job, "profiles", salt)
        if not self.clusters.tables["clusters"].files:
            return StageOutput(
                {"profiles": (PROFILES, ()), "cluster_features": (CLUSTER_FEATURES, ())},
                {**_NOTHING, "bytes_scanned": 0, **worker.numbers()},
            )
        kept = KeptTables(self.job, "profiles", attempt, salt)
        day = PinnedDay(self.job, attempt, self.points, self.clusters)
        measuring = DayMeasures(day, self._uris(self.clusters, "clusters"), worker, kept)
        measures = measuring.measure()
        tables = _Tables(self.job, attempt, self._relations(day, measures))
        profiles = tables.write_profiles(measures)
        described = tables.write_features()
        summary = tables.summarize(profiles)
        scanned = kept.bytes_scanned + measuring.bytes_scanned + tables.bytes_scanned
        return StageOutput(
            {"profiles": (PROFILES, profiles), "cluster_features": (CLUSTER_FEATURES, described)},
            {**_NOTHING, **summary, **measures.numbers, "bytes_scanned": scanned, **worker.numbers()},
        )

    def _relations(self, day: PinnedDay, measures: Measures) -> dict[str, Relation]:
        def table(manifest: Manifest, name: str) -> FileRelation:
            return FileRelation(self._uris(manifest, name), columns=manifest.tables[name].columns)

        return {
            "points": day.points_relation,
            "clusters": table(self.clusters, "clusters"),
            "lineage": table(self.lineage, "lineage"),
            "medoids": measures.medoids,
            "silhouettes": measures.silhouettes,
        }

    def _uris(self, manifest: Manifest, table: str) -> tuple[str, ...]:
        return self.job.ledger.uris(manifest, table)


# Names of the numbers of a day; those that an average is missing for are left out.
_NOTHING: dict[str, Metric] = {
    "clusters": 0,
    "largest_share": 0.0,
    "separated_clusters": 0,
    "sampled_clusters": 0,
    "silhouette_points": 0,
    "bins": 0,
}


class _Tables:
    """The tables of an attempt."""

    def __init__(self, job: DayJob, attempt: Attempt, relations: Mapping[str, Relation]) -> None:
        self.bytes_scanned = 0
        self._engine = job.backend.engine
        self._spec = job.spec
        self._attempt = attempt
        self._relations = relations

    def write_profiles(self, measures: Measures) -> tuple[WrittenFile, ...]:
        statement = bind(
            "profiles/profiles.sql",
            values={
                "medoid_points": measures.medoid_points,
                "separation_basis": measures.separation_basis,
            },
        )
        names = ("clusters", "medoids", "silhouettes", "lineage")
        relations = {name: self._relations[name] for name in names}
        uri = self._attempt.prefix_uri("profiles")
        written = self._engine.unload(statement, relations, PROFILES, uri)
        self.bytes_scanned += written.statistics.bytes_scanned
        return written.files

    def write_features(self) -> tuple[WrittenFile, ...]:
        files: tuple[WrittenFile, ...] = ()
        folder = self._attempt.prefix_uri("cluster_features")
        for name, statement in feature_statements(self._spec).items():
            read = {table: self._relations[table] for table in sources_of(statement)}
            written = self._engine.unload(statement, read, CLUSTER_FEATURES, f"{folder}/{name}")
            self.bytes_scanned += written.statistics.bytes_scanned
            files += written.files
        return files

    def summarize(self, profiles: tuple[WrittenFile, ...]) -> dict[str, Metric]:
        """Numbers of the day; an average over nothing is left out."""
        relation = FileRelation(tuple(file.uri for file in profiles), columns=PROFILES.columns)
        found = self._engine.fetch(bind("profiles/summary.sql"), {"profiles": relation})
        self.bytes_scanned += found.statistics.bytes_scanned
        return {name: value for name, value in found.rows[0].items() if value is not None}


def _refuse_other(job: DayJob, stage: str, manifest: Manifest, wanted: Mapping[str, Manifest]) -> None:
    """Refuse what was made from another state of its own upstream.

    Raises:
        UpstreamMissingError: With the stage that has to be materialized.
    """
    for name, upstream in wanted.items():
        if manifest.inputs.get(name) != upstream.content_digest:
            raise UpstreamMissingError(
                f"{stage} of {job.day} was computed from another state of {name}",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"materialize {stage} too: cluster-assets run {job.spec.name} --day {job.day}",
            )
