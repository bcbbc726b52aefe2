"""Stage `clusters`: the worker labels the points, a join hands the labels to their entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.algorithm_spec import CENTRE_ALGORITHMS, COMPONENT_ALGORITHMS, Hdbscan
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.tables import (
    CLUSTERS,
    CLUSTERS_WITH_PROBABILITY,
    LABELS,
    LABELS_WITH_PROBABILITY,
    MEMBERS,
)
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.candidates import CandidatesWork
from cluster_assets.stages.centres import label_by_centres
from cluster_assets.stages.checks import AuditedTable
from cluster_assets.stages.checks_structure import check_clusters
from cluster_assets.stages.components import ComponentLabels
from cluster_assets.stages.forests import ForestLabels
from cluster_assets.stages.invocations import Invocations
from cluster_assets.stages.kept_tables import KeptTables
from cluster_assets.stages.levels import LevelLabels
from cluster_assets.stages.pinned_day import Labelled, PinnedDay
from cluster_assets.stages.stage import StageOutput, sql_digest
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.algorithm_spec import Algorithm
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.checks import Finding
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

_JOIN = "clusters/clusters.sql"


class ClustersStage:
    """Labels of every entity of the day, equal to scikit-learn's on the whole day."""

    name = "clusters"

    def prepare(self, job: DayJob) -> ClustersWork:
        """Pin points and candidates.

        Raises:
            UpstreamMissingError: One of them is not published, or they do not belong together.
        """
        points, candidates = job.ledger.require("points", job.day), job.ledger.require("candidates", job.day)
        wanted = CandidatesWork(job, points).inputs
        if stale := [name for name, digest in wanted.items() if candidates.inputs.get(name) != digest]:
            raise UpstreamMissingError(
                f"candidates of {job.day} were computed from another state of: {', '.join(stale)}",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"materialize candidates too: cluster-assets run {job.spec.name} --day {job.day}",
            )
        return ClustersWork(job, points, candidates)


@dataclass(frozen=True, slots=True)
class ClustersWork:
    """Bounded invocations for the points, then one join for the entities."""

    job: DayJob
    points: Manifest
    candidates: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of points, members and candidates; the algorithm; the worker's contract."""
        return {
            "points": self.points.content_digest,
            "candidates": self.candidates.content_digest,
            # The distance too: some algorithms cut at the threshold, whatever the pairs.
            "spec": digest_of(self.job.spec.part("algorithm", "distance")),
            "sql": sql_digest("clusters"),
            "worker": f"contract {VERSION}",
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Label the points and hand the labels to their entities.

        Raises:
            WorkerError: An invocation failed for good; the subclass says how.
        """
        worker = Invocations(self.job, "clusters", self._salt(attempt))
        contract = clusters_contract(self.job.spec.algorithm)
        if not self.points.tables["members"].files:
            return StageOutput(
                {"clusters": (contract, ())}, self._metrics(Labelled("", clusters=0), worker, 0)
            )
        labelled = self._label(attempt, worker)
        has_probability = contract is CLUSTERS_WITH_PROBABILITY
        labels = LABELS_WITH_PROBABILITY if has_probability else LABELS
        relations = {
            "members": FileRelation(self.job.ledger.uris(self.points, "members"), columns=MEMBERS.columns),
            "labels": FileRelation((labelled.uri,), columns=labels.columns),
        }
        statement = bind(_JOIN, structure={"has_probability": has_probability})
        engine = self.job.backend.engine
        joined = engine.unload(statement, relations, contract, attempt.prefix_uri("clusters"))
        return StageOutput(
            {"clusters": (contract, joined.files), **labelled.tables},
            self._metrics(labelled, worker, joined.statistics.bytes_scanned),
        )

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Every member once, labels dense, roles of the algorithm."""
        table = self.points.tables["members"]
        members = AuditedTable(MEMBERS.columns, self.job.ledger.uris(self.points, "members"), table.rows)
        yield from check_clusters(self.job, self.points.tables["points"].rows, members, tables)

    def _label(self, attempt: Attempt, worker: Invocations) -> Labelled:
        day = PinnedDay(self.job, attempt, self.points, self.candidates)
        spec = self.job.spec
        algorithm = spec.algorithm.model_dump(by_alias=True)
        if isinstance(spec.algorithm, Hdbscan):
            return LevelLabels(day, worker, spec.algorithm).label()
        if isinstance(spec.algorithm, CENTRE_ALGORITHMS):
            return label_by_centres(day, worker, algorithm)
        if isinstance(spec.algorithm, COMPONENT_ALGORITHMS):
            tables = KeptTables(self.job, "clusters", attempt, self._salt(attempt))
            return ComponentLabels(day, worker, tables, algorithm).label()
        if algorithm.pop("dendrogram", None) is not None:
            algorithm["threshold"] = spec.near.threshold
        return ForestLabels(day, worker, algorithm).label()

    def _salt(self, attempt: Attempt) -> str:
        """Whoever forces a day wants it computed, not found."""
        return attempt.id if self.job.force else ""

    def _metrics(self, labelled: Labelled, worker: Invocations, scanned: int) -> dict[str, Metric]:
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
            "bytes_scanned": scanned + labelled.bytes_scanned,
            **labelled.numbers,
            **worker.numbers(),
        }


def clusters_contract(algorithm: Algorithm) -> TableContract:
    """The table `clusters` of an algorithm: some tell how surely an entity belongs to its cluster."""
    return CLUSTERS_WITH_PROBABILITY if isinstance(algorithm, Hdbscan) else CLUSTERS
