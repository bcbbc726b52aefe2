"""Stage `points`: entities with identical features become one weighted point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import InvalidFeaturesError, SourceChangedError
from cluster_assets.domain.tables import MEMBERS, features_contract, points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.stages.raw import list_files
from cluster_assets.stages.source import locate_source, narrow_source, source_schema
from cluster_assets.stages.stage import StageOutput, sql_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.features import FeaturePlan
    from cluster_assets.ports import Relation, UnloadResult
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.source import DaySource
    from cluster_assets.stages.stage import DayJob


class PointsStage:
    """Fills `points` and `members`. Pairs grow with points squared, so this saves the most."""

    name = "points"

    def prepare(self, job: DayJob) -> PointsWork:
        """Pin what `raw` recorded."""
        return PointsWork(job, job.ledger.require("raw", job.day))


@dataclass(frozen=True, slots=True)
class PointsWork:
    """Features of the entities, then points, then members."""

    job: DayJob
    raw: Manifest

    @property
    def inputs(self) -> Mapping[str, str]:
        """The state of the source that `raw` recorded, and how features are made of it."""
        return {
            "source": str(self.raw.metrics["source_digest"]),
            "spec": digest_of(self.job.spec.part("raw", "entity", "features", "on_invalid")),
            "sql": sql_digest("features", "points", "members"),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Fill both tables.

        Raises:
            SourceChangedError: The source is no longer what `raw` recorded.
            InvalidFeaturesError: Entities have features no distance is defined for.
        """
        source = _unchanged_source(self.job, self.raw)
        plan = features.plan(
            self.job.spec, self.job.day, source_schema(self.job.spec, self.job.backend, source)
        )
        entities, excluded, scanned = self._valid_features(attempt, plan, source.relation)
        engine = self.job.backend.engine
        contract = points_contract(plan.columns)
        points = engine.unload(plan.points, {"features": entities}, contract, attempt.prefix_uri("points"))
        relations = {"features": entities, "points": _written(points, contract)}
        members = engine.unload(plan.members, relations, MEMBERS, attempt.prefix_uri("members"))
        metrics: dict[str, Metric] = {
            "rows": self.raw.metrics["rows"],
            "entities": sum(file.rows for file in members.files),
            "excluded": excluded,
            "points": sum(file.rows for file in points.files),
            "bytes_scanned": scanned,
        }
        return StageOutput({"points": (contract, points.files), "members": (MEMBERS, members.files)}, metrics)

    def _valid_features(
        self, attempt: Attempt, plan: FeaturePlan, raw: Relation
    ) -> tuple[FileRelation, int, int]:
        """The features in scratch, scaled where asked for; entities left out; bytes of source scanned."""
        engine = self.job.backend.engine
        contract = features_contract(plan.columns)
        found = engine.unload(plan.features, {"raw": raw}, contract, attempt.scratch_uri("features"))
        entities = _written(found, contract)
        summary = engine.fetch(plan.summary, {"features": entities}).rows[0]
        excluded = self._count_invalid(plan, summary)
        if plan.scaled is not None:
            scaled = engine.unload(
                plan.scaled, {"features": entities}, contract, attempt.scratch_uri("scaled")
            )
            entities = _written(scaled, contract)
        return entities, excluded, found.statistics.bytes_scanned

    def _count_invalid(self, plan: FeaturePlan, summary: Mapping[str, int]) -> int:
        """Entities left out; an error instead where the YAML says so."""
        invalid = int(summary["entities"]) - int(summary["valid"])
        spec = self.job.spec
        if invalid and spec.on_invalid == "fail":
            reasons = ", ".join(f"{count:,} {words}" for words, count in plan.invalid(summary).items())
            raise InvalidFeaturesError(
                f"{invalid:,} of {int(summary['entities']):,} entities have no valid "
                f"{spec.features.kind}: {reasons}",
                where=f"{spec.name}, {self.job.day}, features.{spec.features.kind}",
                remedy="write `on_invalid: exclude` to leave them out and count them, "
                "or filter them with raw.where",
            )
        return invalid


def _written(result: UnloadResult, contract: TableContract) -> FileRelation:
    return FileRelation(tuple(file.uri for file in result.files), columns=contract.columns)


def _unchanged_source(job: DayJob, raw: Manifest) -> DaySource:
    source = locate_source(job.spec, job.backend, job.day)
    if "files" in raw.tables:
        rows = list_files(job.backend.engine, job.ledger.uris(raw, "files"))
        source = narrow_source(job.spec, source, {str(row["uri"]) for row in rows})
    if source.digest != raw.metrics["source_digest"]:
        raise SourceChangedError(
            f"the source of {job.day} changed after `raw` was materialized",
            where=job.spec.raw.files or job.spec.raw.table,
            remedy=f"materialize raw again: cluster-assets run {job.spec.name} --day {job.day}",
        )
    return source
