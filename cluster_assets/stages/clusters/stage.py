"""Stage `clusters`: the worker labels the points, and a join assigns the labels to their entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.scratch_tables import LABELS, LABELS_WITH_PROBABILITY, PLOT, TREE
from cluster_assets.domain.tables import (
    CENTRES,
    CLUSTERS,
    CLUSTERS_WITH_PROBABILITY,
    CONDENSED_TREE,
    DENDROGRAM,
    MEMBERS,
    REACHABILITY,
)
from cluster_assets.stages.candidates.stage import inputs_of as candidates_inputs
from cluster_assets.stages.clusters.components import ComponentLabels
from cluster_assets.stages.clusters.forests import ForestLabels
from cluster_assets.stages.clusters.hdbscan_points import label_by_coordinates
from cluster_assets.stages.clusters.inputs import Labelled, PinnedDay
from cluster_assets.stages.clusters.kmeans import STARTS, label_by_centres
from cluster_assets.stages.clusters.plans import plan_labels
from cluster_assets.stages.day.findings import AuditedTable
from cluster_assets.stages.day.job import StageOutput, sql_digest
from cluster_assets.stages.day.stage import Stage, StructureCheck, Trend
from cluster_assets.stages.day.structure import ENTITIES_ONCE, check_clusters
from cluster_assets.stages.worker.invocations import Invocations
from cluster_assets.stages.worker.kept_tables import KeptTables
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.backends.ports import WrittenFile
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.algorithm import Algorithm
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.findings import Finding
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.plans import DayFacts, Plan

STRUCTURES = (DENDROGRAM, CONDENSED_TREE, REACHABILITY)
"""The tables that describe how clusters arise; an algorithm has at most one of them."""

_JOIN = "clusters/clusters.sql"
# By table: its contract, the statement that fills it and the worker's files that the statement reads.
_STRUCTURES = {
    CONDENSED_TREE.name: (CONDENSED_TREE, "clusters/condensed_tree.sql", TREE),
    REACHABILITY.name: (REACHABILITY, "clusters/reachability.sql", PLOT),
}
_TIES = "larger first"  # how HDBSCAN orders equal merges; another order makes other clusters


class ClustersStage(Stage):
    """Labels every entity of the day; the labels equal scikit-learn's on the whole day."""

    name = "clusters"
    deps = ("points", "candidates")
    numbers = (
        ("entities", "entity", None),
        ("clusters", "cluster", None),
        ("noise", "noise entity", None),
    )
    checks = (
        ENTITIES_ONCE,
        StructureCheck("labels_dense", "Cluster numbers count from 0 without a gap, and a point has one"),
        StructureCheck(
            "roles_valid", "Roles as the algorithm has them: noise is -1, a DBSCAN cluster has a core"
        ),
    )
    trends = (
        Trend(
            "clusters",
            "Clusters against the median of the days before",
            look="look at the features and at the largest clusters of the day",
        ),
        Trend(
            "noise_ratio",
            "Share of noise against the median of the days before",
            look="look whether features changed their unit or lost values",
        ),
    )
    tables = (CLUSTERS_WITH_PROBABILITY, *STRUCTURES, CENTRES)

    def describe(self, spec: PipelineSpec) -> str:
        """Name the algorithm; its labels equal scikit-learn's on the whole day."""
        return f"Cluster and role of every entity ({spec.algorithm.type}); cluster -1 is noise"

    def kinds(self, engine: str) -> frozenset[str]:
        """Add the worker, which labels the points."""
        return frozenset({"python", "scikitlearn", "parquet"})

    def plan_events(self, facts: DayFacts) -> Plan:
        """Plan the events from what is known about the day."""
        return plan_labels(facts)

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> ClustersWork:
        """Pin points and candidates.

        Raises:
            UpstreamMissingError: One of them is not published, or they do not belong together.
        """
        points, candidates = job.ledger.require("points", job.day), job.ledger.require("candidates", job.day)
        if stale := candidates.changed_inputs(candidates_inputs(job.spec, points)):
            raise UpstreamMissingError(
                f"candidates of {job.day} were computed from another state of: {', '.join(stale)}",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"materialize candidates too: cluster-assets run {job.spec.name} --day {job.day}",
            )
        return ClustersWork(job, points, candidates)


def inputs_of(spec: PipelineSpec, points: Manifest, candidates: Manifest) -> Mapping[str, str]:
    """Return the inputs of a day of clusters."""
    return {
        "points": points.content_digest,
        "candidates": candidates.content_digest,
        **recipe_of(spec),
    }


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of clusters have."""
    return {
        # The distance too: some algorithms cut at the threshold, independently of the pairs.
        "spec": digest_of(spec.part("algorithm", "distance")),
        "sql": sql_digest("clusters"),
        "worker": f"contract {VERSION}",
        **({"ties": _TIES} if spec.algorithm.searches_again else {}),
        **({"starts": STARTS} if spec.algorithm.type == "kmeans" else {}),
    }


@dataclass(frozen=True, slots=True)
class ClustersWork:
    """Bounded invocations for the points, then one join for the entities."""

    job: DayJob
    points: Manifest
    candidates: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digests of points, members and candidates, the algorithm and the worker's contract."""
        return inputs_of(self.job.spec, self.points, self.candidates)

    def compute(self, attempt: Attempt) -> StageOutput:
        """Label the points and assign the labels to their entities.

        Raises:
            WorkerError: An invocation failed permanently; the subclass says how.
        """
        worker = Invocations(self.job, "clusters", self._salt(attempt))
        contract = clusters_contract(self.job.spec.algorithm)
        if not self.points.tables["members"].files:
            return StageOutput({"clusters": (contract, ())}, self._metrics(Labelled("", clusters=0), worker))
        labelled = self._label(attempt, worker)
        has_probability = contract is CLUSTERS_WITH_PROBABILITY
        labels = LABELS_WITH_PROBABILITY if has_probability else LABELS
        relations = {
            "members": self.job.ledger.relation(self.points, "members"),
            "labels": FileRelation((labelled.uri,), columns=labels.columns),
        }
        statement = bind(_JOIN, structure={"has_probability": has_probability})
        joined = self.job.sql.unload(statement, relations, contract, attempt.prefix_uri("clusters"))
        return StageOutput(
            {"clusters": (contract, joined.files), **labelled.tables, **self._structure(attempt, labelled)},
            self._metrics(labelled, worker),
        )

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Check that every member occurs once, labels are dense and roles are the algorithm's."""
        table = self.points.tables["members"]
        members = AuditedTable(MEMBERS.columns, self.job.ledger.uris(self.points, "members"), table.rows)
        yield from check_clusters(self.job, self.points.tables["points"].rows, members, tables)

    def _label(self, attempt: Attempt, worker: Invocations) -> Labelled:
        day = PinnedDay(self.job, attempt, self.points, self.candidates)
        spec = self.job.spec
        algorithm = spec.algorithm.model_dump(by_alias=True)
        match spec.algorithm.family:
            case "hdbscan":
                if day.reads_points:
                    return label_by_coordinates(day, worker, algorithm)
                # Imported here, because it loads numpy.
                from cluster_assets.stages.clusters.hdbscan import LevelLabels

                return LevelLabels(day, worker, algorithm).label()
            case "centres":
                return label_by_centres(day, worker, algorithm)
            case "components":
                tables = KeptTables(self.job, "clusters", attempt, self._salt(attempt))
                return ComponentLabels(day, worker, tables, algorithm).label()
            case "forest":
                if algorithm.pop("dendrogram", None) is not None:
                    algorithm["threshold"] = spec.near.threshold
                return ForestLabels(day, worker, algorithm).label()

    def _structure(
        self, attempt: Attempt, labelled: Labelled
    ) -> dict[str, tuple[TableContract, tuple[WrittenFile, ...]]]:
        """Publish what the worker knows about how the clusters arise."""
        if not labelled.structure:
            return {}
        table = self.job.spec.algorithm.structure
        contract, path, scratch = _STRUCTURES[table]
        relations = {scratch.name: FileRelation(labelled.structure, columns=scratch.columns)}
        written = self.job.sql.unload(bind(path), relations, contract, attempt.prefix_uri(table))
        return {table: (contract, written.files)}

    def _salt(self, attempt: Attempt) -> str:
        """Return a salt that prevents the reuse of results if the day is forced."""
        return attempt.id if self.job.force else ""

    def _metrics(self, labelled: Labelled, worker: Invocations) -> dict[str, Metric]:
        entities = self.points.tables["members"].rows
        noise = labelled.noise_entities
        return {
            "entities": entities,
            "points": self.points.tables["points"].rows,
            "pairs": self.candidates.tables["candidates"].rows,
            "clusters": labelled.clusters,
            "noise": noise,
            "noise_ratio": round(noise / entities, 6) if entities else 0.0,
            "core_points": labelled.core_points,
            **labelled.numbers,
            **worker.numbers(),
        }


def clusters_contract(algorithm: Algorithm) -> TableContract:
    """Return the contract of `clusters`; some algorithms add columns on the strength of membership."""
    return CLUSTERS_WITH_PROBABILITY if algorithm.has_probability else CLUSTERS
