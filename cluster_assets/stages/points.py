"""Stage `points`: entities with identical features become one weighted point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import SourceChangedError
from cluster_assets.domain.tables import HISTOGRAMS, MEMBERS, SCALES, points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.stages.checks_structure import check_points, check_source_rows
from cluster_assets.stages.entity_features import FeatureSteps, written
from cluster_assets.stages.raw import list_files
from cluster_assets.stages.reference import find_reference, reference_day
from cluster_assets.stages.source import locate_source, narrow_source, source_schema
from cluster_assets.stages.stage import StageOutput, sql_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.checks import AuditedTable, Finding
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.source import DaySource
    from cluster_assets.stages.stage import DayJob


class PointsStage:
    """Fills `points`, `members`, `histograms` and, where a day scales itself, `scales`.

    Pairs grow with points squared, so making points of entities saves the most.
    """

    name = "points"

    def prepare(self, job: DayJob) -> PointsWork:
        """Pin what `raw` recorded and, where the YAML names one, the reference day.

        Raises:
            UpstreamMissingError: One of them is not published, or the reference day is out of date.
            InvalidFeaturesError: The reference day has no valid entity.
        """
        raw = job.ledger.require("raw", job.day)
        return PointsWork(job, raw, find_reference(job, _recipe(job.spec)))


@dataclass(frozen=True, slots=True)
class PointsWork:
    """Features of the entities, then points, then members."""

    job: DayJob
    raw: Manifest
    reference: Manifest | None = None

    @property
    def inputs(self) -> Mapping[str, str]:
        """The state of the source that `raw` recorded, and how features are made of it."""
        inputs = {"source": str(self.raw.metrics["source_digest"]), **_recipe(self.job.spec)}
        weights = self.job.spec.features.weights
        if weights is not None:
            inputs["weights"] = digest_of({"weights": weights})
        if self.reference is not None:
            inputs["scales"] = self.reference.tables["scales"].content_digest
        return inputs

    def compute(self, attempt: Attempt) -> StageOutput:
        """Fill the tables.

        Raises:
            SourceChangedError: The source is no longer what `raw` recorded.
            InvalidFeaturesError: Entities have features no distance is defined for.
        """
        source = _unchanged_source(self.job, self.raw)
        plan = features.plan(
            self.job.spec, self.job.day, source_schema(self.job.spec, self.job.backend, source)
        )
        engine = self.job.backend.engine
        foreseen = engine.scan_bytes(source.relation, features.needed_columns(self.job.spec))
        steps = FeatureSteps(self.job, attempt, plan, self._reference_scales())
        found = steps.run(source.relation)
        contract = points_contract(plan.columns)
        points = engine.unload(
            plan.points, {"features": found.relation}, contract, attempt.prefix_uri("points")
        )
        relations = {"features": found.relation, "points": written(points, contract)}
        members = engine.unload(plan.members, relations, MEMBERS, attempt.prefix_uri("members"))
        histograms = engine.unload(
            plan.histograms, {"features": found.measured}, HISTOGRAMS, attempt.prefix_uri("histograms")
        )
        entities = sum(file.rows for file in members.files)
        metrics: dict[str, Metric] = {
            "rows": self.raw.metrics["rows"],
            "entities": entities,
            "excluded": found.excluded + steps.lost_in_scaling(found, entities),
            "points": sum(file.rows for file in points.files),
            "bytes_foreseen": foreseen,
            "bytes_scanned": found.bytes_scanned,
            **found.metrics,
            **self._reference_metrics(),
        }
        tables = {
            "points": (contract, points.files),
            "members": (MEMBERS, members.files),
            "histograms": (HISTOGRAMS, histograms.files),
        }
        if found.scales is not None:
            tables["scales"] = (SCALES, found.scales)
        return StageOutput(tables, metrics)

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Dense ids, entities once, and every row of the source accounted for."""
        yield from check_points(self.job, tables)
        source = _unchanged_source(self.job, self.raw)
        counted = {name: int(metrics[name]) for name in ("entities", "excluded")}
        schema = source_schema(self.job.spec, self.job.backend, source)
        yield from check_source_rows(self.job, self.raw.metrics, (source.relation, schema), counted)

    def _reference_scales(self) -> FileRelation | None:
        if self.reference is None:
            return None
        uris = self.job.ledger.uris(self.reference, "scales")
        return FileRelation(uris, columns=SCALES.columns)

    def _reference_metrics(self) -> dict[str, Metric]:
        """Which day's statistics scaled this one, and the digest of their table where it is another day."""
        day = reference_day(self.job)
        if day is None:
            return {}
        if self.reference is None:
            return {"reference_day": day.key}
        return {"reference_day": day.key, "reference_digest": self.reference.tables["scales"].content_digest}


def _recipe(spec: PipelineSpec) -> dict[str, str]:
    """Inputs that days share whose features are measured, and scaled by their own statistics, in one way.

    Weights and the name of the reference day change no statistics: they are inputs of their own.
    """
    parts = spec.model_dump(
        mode="json",
        include={"raw", "entity", "features", "on_invalid"},
        exclude={"features": {"weights": True, "scale": {"reference_day"}}},
    )
    return {
        "spec": digest_of(parts),
        "sql": sql_digest("features", "scales", "histograms", "points", "members"),
    }


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
