"""Stage `points`: merges entities with identical features into one weighted point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.tables import HISTOGRAMS, MEMBERS, SCALES, points_contract
from cluster_assets.stages.day.job import StageOutput, sql_digest
from cluster_assets.stages.day.stage import Stage, StructureCheck, Trend
from cluster_assets.stages.day.structure import ENTITIES_ONCE, check_points, check_source_rows
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.entity_features import FeatureSteps
from cluster_assets.stages.points.reference import find_reference, reference_day
from cluster_assets.stages.points.window import pin_window
from cluster_assets.stages.raw.file_rows import find_miscounted
from cluster_assets.stages.raw.source import source_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.findings import AuditedTable, Finding
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.points.window import PinnedWindow


class PointsStage(Stage):
    """Fills `points`, `members`, `histograms` and, if a day scales itself, `scales`.

    The number of pairs grows with the square of the points, so merging entities saves the most work.
    """

    name = "points"
    deps = ("raw",)
    deps_window = ("raw",)
    numbers = (("entities", "entity", None), ("points", "point", None))
    checks = (
        StructureCheck(
            "source_rows", "Every row and entity of the source is in the points, or left out and counted"
        ),
        StructureCheck("ids_dense", "Point ids count from 0 without a gap"),
        ENTITIES_ONCE,
    )
    trends = (
        Trend(
            "entities",
            "Entities against the median of the days before",
            look="look at the source and at the expression `entity`",
        ),
        Trend(
            "drift",
            "Distributions of the features against the days before, and how much those differed",
            of_histograms=True,
        ),
    )
    tables = (points_contract(()), MEMBERS, SCALES, HISTOGRAMS)
    reads_source = True

    def describe(self, spec: PipelineSpec) -> str:
        """Describe what entities of a point have in common, by feature kind, and the days of their rows."""
        window = "" if spec.window is None else f" in the {counted(spec.window.days, 'day')} up to the day"
        return (
            f"One weighted point per distinct {spec.features.kind}{window}; `members` maps entities to them"
        )

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return inputs_of(spec)

    def prepare(self, job: DayJob) -> PointsWork:
        """Pin the days of `raw` and, if the YAML names one, the reference day.

        Raises:
            UpstreamMissingError: One of them is not published or outdated, or the window has too few days.
            InvalidFeaturesError: The reference day has no valid entity.
        """
        return PointsWork(job, pin_window(job), find_reference(job, _recipe(job.spec)))


@dataclass(frozen=True, slots=True)
class PointsWork:
    """Computes the features of the entities, then points, then members."""

    job: DayJob
    window: PinnedWindow
    reference: Manifest | None = None

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the states of the source that `raw` recorded, and how features are computed from them."""
        inputs = {**self.window.inputs, **inputs_of(self.job.spec)}
        if self.reference is not None:
            inputs["scales"] = self.reference.tables["scales"].content_digest
        return inputs

    def compute(self, attempt: Attempt) -> StageOutput:
        """Fill the tables.

        Raises:
            SourceChangedError: The source has changed since `raw` recorded it.
            InvalidFeaturesError: No distance is defined for the features of some entities.
        """
        source = self.window.source(self.job)
        schema = source_schema(self.job.spec, self.job.backend, source)
        plan = features.plan(self.job.spec, self.job.day, schema, self.window.days)
        sql = self.job.sql
        foreseen = sql.engine.scan_bytes(source.relation, features.needed_columns(self.job.spec))
        contract = points_contract(plan.columns)
        with sql.scratch(attempt.scratch_uri("tables")) as fill:
            steps = FeatureSteps(self.job, attempt, plan, fill, self._reference_scales())
            found = steps.run(source.relation)
            relations = {"features": found.relation}
            points = sql.unload(plan.points, relations, contract, attempt.prefix_uri("points"))
            relations["points"] = points.relation
            members = sql.unload(plan.members, relations, MEMBERS, attempt.prefix_uri("members"))
            histograms = sql.unload(
                plan.histograms, {"features": found.measured}, HISTOGRAMS, attempt.prefix_uri("histograms")
            )
            lost = steps.lost_in_scaling(found, members.rows)
        metrics: dict[str, Metric] = {
            "rows": self.window.total("rows"),
            "entities": members.rows,
            "excluded": found.excluded + lost,
            "points": points.rows,
            "bytes_foreseen": foreseen,
            "bytes_scanned": found.bytes_scanned,
            **found.metrics,
            **self.window.metrics,
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
        """Check dense ids, unique entities, and that every row of the source is accounted for."""
        yield from check_points(self.job, tables)
        source = self.window.source(self.job)
        kept = {name: int(metrics[name]) for name in ("entities", "excluded")}
        schema = source_schema(self.job.spec, self.job.backend, source)
        if self.job.spec.checks.source_rows.on_failure != "skip":
            # A second reader counts the whole files too, because the engine's reader drops a row every time.
            days = self.window.days
            miscounted = find_miscounted(self.job.spec, self.job.backend, days, self.job.sql.fetch)
            statement = features.source_counts(self.job.spec, days, schema)
            (seen,) = self.job.sql.fetch(statement, {"raw": source.relation})
            recorded = {name: self.window.total(name) for name in ("rows", "null_entity_rows")}
            yield check_source_rows(seen, recorded, kept, miscounted)

    def _reference_scales(self) -> FileRelation | None:
        return None if self.reference is None else self.job.ledger.relation(self.reference, "scales")

    def _reference_metrics(self) -> dict[str, Metric]:
        """Return the day whose statistics were used and, for another day, the digest of their table."""
        day = reference_day(self.job)
        if day is None:
            return {}
        if self.reference is None:
            return {"reference_day": day.key}
        return {"reference_day": day.key, "reference_digest": self.reference.tables["scales"].content_digest}


def inputs_of(spec: PipelineSpec) -> dict[str, str]:
    """Return the inputs of a day of points, except its source and the statistics of another day."""
    weights = spec.features.weights
    return _recipe(spec) | ({} if weights is None else {"weights": digest_of({"weights": weights})})


def _recipe(spec: PipelineSpec) -> dict[str, str]:
    """Return the inputs that decide how features are measured and scaled by their own statistics.

    Weights and the reference day do not change the statistics, so they are separate inputs.
    """
    parts = spec.model_dump(
        mode="json",
        include={"raw", "entity", "features", "on_invalid"},
        exclude={"features": {"weights": True, "scale": {"reference_day"}}},
    )
    # Only with a window, so that days of other pipelines are not computed again.
    window = {} if spec.window is None else {"window": str(spec.window.days)}
    return {"spec": digest_of(parts), "sql": sql_digest("points"), **window}
