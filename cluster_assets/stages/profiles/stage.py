"""Stage `profiles`: the properties of each cluster, and what distinguishes it from the others."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.backends.batches import Query
from cluster_assets.backends.statements import bind, sources_of
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.tables import CLUSTER_FEATURES, NAMES, PROFILES
from cluster_assets.stages.clusters.inputs import PinnedDay
from cluster_assets.stages.day.job import StageOutput, sql_digest
from cluster_assets.stages.day.sql import WrittenTable
from cluster_assets.stages.day.stage import Stage
from cluster_assets.stages.ledger.published import refuse_other
from cluster_assets.stages.lineage.memory import oldest_of
from cluster_assets.stages.profiles.features import feature_statements
from cluster_assets.stages.profiles.measures import DayMeasures, Measures
from cluster_assets.stages.profiles.naming import NAMING, Naming, names_before
from cluster_assets.stages.profiles.plans import plan_measures
from cluster_assets.stages.worker.invocations import Invocations
from cluster_assets.stages.worker.kept_tables import KeptTables
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Relation, WrittenFile
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.plans import DayFacts, Plan


LARGEST_CLUSTERS = "largest_clusters"
"""The manifest metric that names the largest clusters, as JSON."""

_LARGEST = 10


class ProfilesStage(Stage):
    """Fills `profiles`, with a row per cluster and one for noise, `cluster_features` and `names`."""

    name = "profiles"
    deps = ("points", "clusters", "lineage")
    deps_before = ("profiles",)
    numbers = (("clusters", "profiled cluster", None), ("new_names", "new name", None))
    tables = (PROFILES, CLUSTER_FEATURES, NAMES)

    def describe(self, spec: PipelineSpec) -> str:
        """Describe both tables; noise has a row as well."""
        return (
            "Name, size, medoid, exemplars, cohesion and separation of every cluster; "
            "`cluster_features` lists what distinguishes it"
        )

    def kinds(self, engine: str) -> frozenset[str]:
        """Add the worker, which measures distances; SQL does the rest."""
        return frozenset({engine, "python", "parquet"})

    def plan_events(self, facts: DayFacts) -> Plan:
        """Plan the events from what is known about the day."""
        return plan_measures(facts)

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def day_after(self, job: DayJob) -> Day | None:
        """Return the next published day if other names or ids before it would change its names.

        A day that is stale for other reasons is left to its own run.
        """
        later = [day for day in job.ledger.days(self.name) if day > job.day]
        if not later or oldest_of(job.spec, later[0]) > job.day:
            return None
        try:
            inputs = self.prepare(replace(job, day=later[0])).inputs
        except UpstreamMissingError:
            return None
        changed = set(job.ledger.require(self.name, later[0]).changed_inputs(inputs))
        return later[0] if changed and changed <= {"names", "lineage"} else None

    def prepare(self, job: DayJob) -> ProfilesWork:
        """Pin points, clusters, lineage and the names of the day before.

        Raises:
            UpstreamMissingError: One of them is not published, or they do not belong together.
        """
        points, clusters = job.ledger.require("points", job.day), job.ledger.require("clusters", job.day)
        lineage = job.ledger.require("lineage", job.day)
        refuse_other(job.ledger, clusters, points)
        refuse_other(job.ledger, lineage, clusters)
        return ProfilesWork(job, points, clusters, lineage, names_before(job))


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of profiles have."""
    limits = spec.limits
    return {
        "naming": f"{NAMING}, gap {spec.lineage.gap_days}",
        "spec": digest_of(spec.part("features", "distance", "profiles")),
        # These limits decide how large the samples may be.
        "limits": digest_of({"memory_mb": limits.memory_mb, "timeout_s": limits.timeout_s}),
        "sql": sql_digest("profiles"),
        "worker": f"contract {VERSION}",
    }


@dataclass(frozen=True, slots=True)
class ProfilesWork:
    """Measures distances in bounded invocations and computes the rest in SQL."""

    job: DayJob
    points: Manifest
    clusters: Manifest
    lineage: Manifest
    before: Manifest | None

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digests of the day's tables and earlier names, the distance and the sample sizes."""
        return {
            "points": self.points.content_digest,
            "clusters": self.clusters.content_digest,
            "lineage": self.lineage.tables["lineage"].content_digest,
            "names": self.before.tables[NAMES.name].content_digest if self.before else "",
            **recipe_of(self.job.spec),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Measure the clusters and describe them.

        Raises:
            WorkerError: An invocation failed permanently; the subclass says how.
        """
        salt = attempt.id if self.job.force else ""
        worker = Invocations(self.job, "profiles", salt)
        naming = Naming(self.job, attempt, self.before)
        if not self.clusters.tables["clusters"].files:
            remembered = naming.write_remembered(self.job.ledger.relation(self.lineage, "lineage"))
            return _output({**_NOTHING, **worker.numbers()}, names=remembered)
        kept = KeptTables(self.job, "profiles", attempt, salt)
        day = PinnedDay(self.job, attempt, self.points, self.clusters)
        clusters = self.job.ledger.relation(self.clusters, "clusters")
        measures = DayMeasures(day, clusters.uris, worker, kept).measure()
        tables = _Tables(self.job, attempt, self._relations(day, measures))
        described = tables.write_features()
        names = tables.write_names(naming, described, int(self.clusters.metrics["clusters"]))
        profiles = tables.write_profiles(measures, names)
        summary = tables.summarize(profiles)
        numbers = {**_NOTHING, **summary, **naming.numbers, **measures.numbers, **worker.numbers()}
        return _output(numbers, profiles, described, names=names)

    def _relations(self, day: PinnedDay, measures: Measures) -> dict[str, Relation]:
        table = self.job.ledger.relation
        return {
            "points": day.points_relation,
            "clusters": table(self.clusters, "clusters"),
            "lineage": table(self.lineage, "lineage"),
            "medoids": measures.medoids,
            "silhouettes": measures.silhouettes,
        }


_NO_PROFILES, _NO_FEATURES = WrittenTable((), PROFILES), WrittenTable((), CLUSTER_FEATURES)


def _output(
    numbers: Mapping[str, Metric],
    profiles: WrittenTable = _NO_PROFILES,
    described: WrittenTable = _NO_FEATURES,
    *,
    names: WrittenTable,
) -> StageOutput:
    tables = {one.contract.name: (one.contract, one.files) for one in (profiles, described, names)}
    return StageOutput(tables, numbers)


# Metrics of a day; averages over no rows are left out.
_NOTHING: dict[str, Metric] = {
    "clusters": 0,
    "kept_names": 0,
    "new_names": 0,
    "largest_share": 0.0,
    "separated_clusters": 0,
    "sampled_clusters": 0,
    "silhouette_points": 0,
    "bins": 0,
}


class _Tables:
    """The tables of an attempt."""

    def __init__(self, job: DayJob, attempt: Attempt, relations: Mapping[str, Relation]) -> None:
        self._sql = job.sql
        self._spec = job.spec
        self._attempt = attempt
        self._relations = relations

    def write_names(self, naming: Naming, described: WrittenTable, clusters: int) -> WrittenTable:
        relations = {name: self._relations[name] for name in ("lineage", "clusters", "medoids")}
        return naming.write({**relations, "cluster_features": described.relation}, clusters)

    def write_profiles(self, measures: Measures, names: WrittenTable) -> WrittenTable:
        statement = bind(
            "profiles/profiles.sql",
            values={
                "medoid_points": measures.medoid_points,
                "separation_basis": measures.separation_basis,
            },
        )
        read = ("clusters", "medoids", "silhouettes", "lineage")
        relations = {**{name: self._relations[name] for name in read}, "names": names.relation}
        return self._sql.unload(statement, relations, PROFILES, self._attempt.prefix_uri("profiles"))

    def write_features(self) -> WrittenTable:
        files: tuple[WrittenFile, ...] = ()
        folder = self._attempt.prefix_uri("cluster_features")
        for name, statement in feature_statements(self._spec).items():
            read = {table: self._relations[table] for table in sources_of(statement)}
            files += self._sql.unload(statement, read, CLUSTER_FEATURES, f"{folder}/{name}").files
        return WrittenTable(files, CLUSTER_FEATURES)

    def summarize(self, profiles: WrittenTable) -> dict[str, Metric]:
        """Return the metrics of the day; averages over no rows are left out."""
        relations = {"profiles": profiles.relation}
        statements = (bind("profiles/summary.sql"), bind("profiles/largest.sql", values={"most": _LARGEST}))
        (row,), largest = self._sql.fetch_all([Query(one, relations) for one in statements])
        numbers = {name: value for name, value in row.items() if value is not None}
        return {**numbers, LARGEST_CLUSTERS: json.dumps([dict(one) for one in largest])}
