"""Stage `clusters`: the worker labels the points, a join hands the labels to their entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError, WorkerUserError
from cluster_assets.domain.tables import CLUSTERS, LABELS, MEMBERS
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.stage import StageOutput, sql_digest
from lambda_worker.contract import VERSION, ClusterEvent, ClusterReply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
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
        if candidates.inputs["points"] != points.tables["points"].content_digest:
            raise UpstreamMissingError(
                f"candidates of {job.day} were computed from other points than those published now",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"materialize candidates too: cluster-assets run {job.spec.name} --day {job.day}",
            )
        return ClustersWork(job, points, candidates)


@dataclass(frozen=True, slots=True)
class ClustersWork:
    """One bounded invocation, then one join."""

    job: DayJob
    points: Manifest
    candidates: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of points, members and candidates; the algorithm; the worker's contract."""
        return {
            "points": self.points.content_digest,
            "candidates": self.candidates.content_digest,
            "spec": digest_of(self.job.spec.part("algorithm")),
            "sql": sql_digest("clusters"),
            "worker": f"contract {VERSION}",
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Label the points and hand the labels to their entities.

        Raises:
            WorkerError: The invocation failed; the subclass says how.
        """
        if not self.points.tables["members"].files:
            return StageOutput({"clusters": (CLUSTERS, ())}, self._metrics(ClusterReply(ok=True), scanned=0))
        labels_uri = f"{attempt.scratch_uri('labels')}/part-00000.parquet"
        reply = self._label(labels_uri)
        relations = {
            "members": FileRelation(self.job.ledger.uris(self.points, "members"), columns=MEMBERS.columns),
            "labels": FileRelation((labels_uri,), columns=LABELS.columns),
        }
        engine = self.job.backend.engine
        joined = engine.unload(bind(_JOIN), relations, CLUSTERS, attempt.prefix_uri("clusters"))
        return StageOutput(
            {"clusters": (CLUSTERS, joined.files)},
            self._metrics(reply, scanned=joined.statistics.bytes_scanned),
        )

    def _label(self, labels_uri: str) -> ClusterReply:
        job = self.job
        event = ClusterEvent(
            points=job.ledger.uris(self.points, "points"),
            candidates=job.ledger.uris(self.candidates, "candidates"),
            point_count=self.points.tables["points"].rows,
            output=labels_uri,
            algorithm=job.spec.algorithm.model_dump(),
            cores=job.ledger.uris(self.candidates, "cores") if "cores" in self.candidates.tables else None,
        )
        reply = ClusterReply.from_json(dict(job.backend.invoker_for(job.spec.limits).invoke(event.to_json())))
        if not reply.ok:
            raise WorkerUserError(
                f"the worker refused the day: {reply.error_type}: {reply.error}",
                where=f"{job.spec.name}, {job.day}",
                remedy="recompute points and candidates of the day with --force",
            )
        return reply

    def _metrics(self, reply: ClusterReply, *, scanned: int) -> dict[str, Metric]:
        entities = self.points.tables["members"].rows
        return {
            "entities": entities,
            "points": self.points.tables["points"].rows,
            "pairs": self.candidates.tables["candidates"].rows,
            "clusters": reply.clusters,
            "noise": reply.noise_entities,
            "noise_ratio": round(reply.noise_entities / entities, 6) if entities else 0.0,
            "core_points": reply.core_points,
            "worker_seconds": round(reply.seconds, 3),
            "worker_peak_memory_mb": round(reply.peak_memory_mb, 1),
            "bytes_scanned": scanned,
            "cost_usd": 0.0,
        }
