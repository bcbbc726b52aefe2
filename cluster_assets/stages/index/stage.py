"""Stage `index`: one invocation of the worker builds the files that the API answers from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.domain.tables import CONDENSED_TREE
from cluster_assets.stages.candidates.planner import IN_WORKER
from cluster_assets.stages.clusters.inputs import PinnedDay
from cluster_assets.stages.day.job import StageOutput
from cluster_assets.stages.day.stage import Stage
from cluster_assets.stages.index.documents import ARRAYS, ENTITIES, SOURCES
from cluster_assets.stages.index.space import scales_of, space_of
from cluster_assets.stages.ledger.published import refuse_other
from cluster_assets.stages.worker.invocations import Invocations
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract import VERSION
from lambda_worker.contract.serving import IndexEvent, IndexReply, index_memory_mb, index_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.plans import DayFacts

# Increased when the files change, so that days are built again.
_FILES = "2"


class IndexStage(Stage):
    """Builds both files; they are documents of the manifest, so a day is flipped as a whole."""

    name = "index"
    deps = ("points", "candidates", "clusters", "lineage", "profiles")
    numbers = (("index_entities", "indexed entity", "indexed entities"),)

    def describe(self, spec: PipelineSpec) -> str:
        """Describe what is answered from the index."""
        return "Files from which the API answers: the cluster of an entity, and where a new item would belong"

    def kinds(self, engine: str) -> frozenset[str]:
        """Return the kinds; the worker does all work."""
        return frozenset({"python", "sqlite"})

    def plan_events(self, facts: DayFacts) -> Plan:
        """Plan the only event."""
        has_tree = _has_tree(facts.spec)
        seconds = index_seconds(facts.points, facts.entities, has_tree=has_tree)
        memory = index_memory_mb(
            facts.spec.features.kind, facts.points, facts.table.numbers * 8, has_tree=has_tree
        )
        return Plan((facts.step(IndexEvent, 1, seconds, memory),))

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: how items are compared, and the version of the files."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> IndexWork:
        """Pin all tables that the index copies.

        Raises:
            UpstreamMissingError: A stage is not published, or they do not belong together.
        """
        points, candidates, clusters, lineage, profiles = (
            job.ledger.require(stage, job.day) for stage in self.deps
        )
        refuse_other(job.ledger, clusters, points)
        refuse_other(job.ledger, clusters, candidates)
        refuse_other(job.ledger, lineage, clusters)
        refuse_other(job.ledger, profiles, clusters)
        return IndexWork(job, points, candidates, clusters, lineage, profiles)


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of the index have."""
    compared = spec.part("features", "distance", "algorithm", "blocking")
    sources = _published(spec).get(SOURCES)
    return {
        "spec": digest_of(compared if sources is None else compared | {SOURCES: sources}),
        "files": _FILES,
        "worker": f"contract {VERSION}",
    }


def _published(spec: PipelineSpec) -> dict[str, int | float | str]:
    """Return what the API reads of `serve`; the sources are JSON, and only there if there are any."""
    if spec.serve is None:
        return {}
    plain = spec.serve.model_dump(mode="json")
    named = plain.pop("enrich")
    sources = [{"name": name, **source} for name, source in sorted(named.items())]
    return {**plain, **({SOURCES: msgspec.json.encode(sources).decode()} if sources else {})}


def _has_tree(spec: PipelineSpec) -> bool:
    return spec.algorithm.structure == CONDENSED_TREE.name


@dataclass(frozen=True, slots=True)
class IndexWork:
    """One invocation that writes into the folder of the attempt."""

    job: DayJob
    points: Manifest
    candidates: Manifest
    clusters: Manifest
    lineage: Manifest
    profiles: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digests of the tables, how items are compared, and the version of the files."""
        tables = {
            stage.stage: stage.content_digest
            for stage in (self.points, self.candidates, self.clusters, self.lineage, self.profiles)
        }
        return {
            **tables,
            **recipe_of(self.job.spec),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Build the index.

        Raises:
            WorkerError: The points do not fit into an invocation, or it failed permanently.
        """
        event = self._event(attempt)
        table = self.points.tables["points"]
        day = PinnedDay(self.job, attempt, self.points, self.candidates)
        bytes_a_point = table.bytes / max(1, table.rows)
        day.refuse_beyond(
            index_memory_mb(
                self.job.spec.features.kind,
                table.rows,
                bytes_a_point,
                has_tree=_has_tree(self.job.spec),
            ),
            f"the index of {counted(table.rows, 'point')}",
        )
        worker = Invocations(self.job, "index")
        (answer,) = worker.run([event])
        reply = answer.reply
        assert isinstance(reply, IndexReply)  # noqa: S101  # the operation has no other
        return StageOutput(
            {},
            {
                "index_entities": reply.rows,
                "index_bytes": reply.bytes + reply.entity_bytes,
                "rule": reply.rule,
                **_published(self.job.spec),
                **worker.numbers(),
            },
            {
                ARRAYS: WrittenFile(event.output, 0, reply.bytes),
                ENTITIES: WrittenFile(event.entities, reply.rows, reply.entity_bytes),
            },
        )

    def _table_of_clusters(self, name: str, *, is_needed: bool) -> tuple[str, ...] | None:
        """Return the files of a further table of `clusters`, which a day without points does not have.

        Raises:
            UpstreamMissingError: An older version computed the clusters, without the table.
        """
        spec, tables = self.job.spec, self.clusters.tables
        if not is_needed or not tables["clusters"].files:
            return None
        if name not in tables:
            raise UpstreamMissingError(
                f"clusters of {self.job.day} were computed before the table {name} was published",
                where=f"{spec.name}, {self.job.day}",
                remedy=f"compute them again: cluster-assets run {spec.name} --day {self.job.day} --force",
            )
        return self.job.ledger.uris(self.clusters, name)

    def _event(self, attempt: Attempt) -> IndexEvent:
        spec, uris = self.job.spec, self.job.ledger.uris
        points, entities = self.points.tables["points"].rows, self.clusters.tables["clusters"].rows
        # A certificate or hashing lists too few pairs to count neighbours; days of the worker list none.
        in_worker = self.candidates.metrics.get("executor") == IN_WORKER
        lists_all = "cores" not in self.candidates.tables and spec.blocking.type != "lsh" and not in_worker
        pairs = uris(self.candidates, "candidates")
        return IndexEvent(
            points=uris(self.points, "points"),
            point_count=points,
            output=f"{attempt.uri}/{ARRAYS}",
            entities=f"{attempt.uri}/{ENTITIES}",
            pipeline=spec.name,
            day=self.job.day.key,
            space=space_of(spec),
            algorithm=spec.algorithm.model_dump(mode="json", by_alias=True),
            scales=scales_of(self.job, self.points),
            clusters=uris(self.clusters, "clusters"),
            candidates=pairs if lists_all and spec.algorithm.uses_pairs else None,
            lineage=uris(self.lineage, "lineage"),
            profiles=uris(self.profiles, "profiles"),
            centres=self._table_of_clusters("centres", is_needed=spec.algorithm.has_centres),
            condensed_tree=self._table_of_clusters(CONDENSED_TREE.name, is_needed=_has_tree(spec)) or (),
            seconds=round(index_seconds(points, entities, has_tree=_has_tree(spec)), 1),
        )
