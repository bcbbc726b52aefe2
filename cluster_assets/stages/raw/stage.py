"""Stage `raw`: finds, counts and checks the source rows of the day without copying them.

Its table `files` lists the files that hold rows of the day; `points` reads only those.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.domain.tables import SOURCE_FILES
from cluster_assets.stages.day.job import StageOutput
from cluster_assets.stages.day.stage import Stage, StructureCheck, Trend
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.entity_types import compare_types, types_metric
from cluster_assets.stages.raw.foresight import foreseen_cost
from cluster_assets.stages.raw.source import found_types, locate_source, narrow_source, source_schema
from cluster_assets.stages.raw.time_readings import explained_times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.findings import AuditedTable, Finding
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.points.kinds import FeaturePlan
    from cluster_assets.stages.raw.source import DaySource


class RawStage(Stage):
    """Records the state of the source; `points` reads exactly that state."""

    name = "raw"
    numbers = (("rows", "row", None), ("source_files", "file", None))
    checks = (
        StructureCheck(
            "entity_types",
            "Columns of the entities have types that give the same texts as on the days before",
        ),
    )
    trends = (
        Trend(
            "rows",
            "Rows of the source against the median of the days before",
            look="check whether the source is complete, or was delivered twice",
        ),
    )
    tables = (SOURCE_FILES,)
    reads_source = True

    def describe(self, spec: PipelineSpec) -> str:
        """Describe the source, which is not copied."""
        return "Source rows of the day: found, counted, checked against the column contract, digested"

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> RawWork:
        """Find the source.

        Raises:
            SourceMissingError: There is no source.
            ScanLimitError: The source is larger than the limits allow.
        """
        return RawWork(job, locate_source(job.spec, job.backend, job.day))


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of raw have."""
    parts = spec.part("raw", "entity", "on_invalid") | {"columns": features.needed_columns(spec)}
    return {"spec": digest_of(parts)}


@dataclass(frozen=True, slots=True)
class RawWork:
    """Checks every file of the source and counts the day's rows."""

    job: DayJob
    source: DaySource

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the state of the source, the YAML that says how to read it, and the needed columns."""
        return {"source": self.source.digest, **recipe_of(self.job.spec)}

    def compute(self, attempt: Attempt) -> StageOutput:
        """Count the rows, by file if the source is files.

        Raises:
            SourceSchemaError: A column is missing or has another type.
            SourceUnreadableError: A file is damaged or has another format.
            InvalidFeaturesError: Rows have no entity and `on_invalid` is `fail`.
        """
        job = self.job
        schema = source_schema(job.spec, job.backend, self.source)
        with explained_times(job.spec, job.backend, self.source):
            plan = features.plan(job.spec, job.day, schema)
        cost = foreseen_cost(job, self.source)
        with explained_times(job.spec, job.backend, self.source):
            output = self._list_files(attempt, plan) if self.source.files else self._count_rows(plan)
        types = types_metric(found_types(job.spec, job.backend, self.source))
        return replace(output, metrics={**output.metrics, **cost, **types})

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Check that entities have the same text form as on earlier days."""
        if self.job.spec.checks.entity_types.on_failure != "skip":
            yield compare_types(self.job, self.source, metrics)

    def _count_rows(self, plan: FeaturePlan) -> StageOutput:
        counts = self.job.sql.fetch(plan.counts, {"raw": self.source.relation})
        return StageOutput({}, self._metrics(counts, self.source))

    def _list_files(self, attempt: Attempt, plan: FeaturePlan) -> StageOutput:
        """Fill `files`, so that changes to files without rows of the day do not make it stale."""
        written = self.job.sql.unload(
            plan.files, {"raw": self.source.relation}, SOURCE_FILES, attempt.prefix_uri("files")
        )
        rows = list_files(self.job, written.relation)
        source = narrow_source(self.job.spec, self.source, {str(row["uri"]) for row in rows})
        metrics = {**self._metrics(rows, source), "bytes_scanned": written.bytes_scanned}
        return StageOutput({"files": (SOURCE_FILES, written.files)}, metrics)

    def _metrics(self, counts: Sequence[Mapping[str, Any]], source: DaySource) -> dict[str, Metric]:
        rows, null_entities = (sum(int(row[name]) for row in counts) for name in ("rows", "null_entities"))
        spec = self.job.spec
        if null_entities and spec.on_invalid == "fail":
            raise InvalidFeaturesError(
                f"{null_entities:,} of {counted(rows, 'row')} without an entity: {spec.entity} is null",
                where=f"{spec.name}, {self.job.day}",
                remedy="write `on_invalid: exclude` to leave such rows out and count them, "
                "or filter them with raw.where",
            )
        return {
            "rows": rows,
            "null_entity_rows": null_entities,
            "source_files": len(source.files) if rows else 0,
            "source_bytes": source.bytes if rows else 0,
            "source_digest": source.digest,
        }


def list_files(job: DayJob, files: FileRelation) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of the table `files`: uri, rows, null_entities.

    The files of an attempt never change, so a process reads them once.
    """
    known = _LISTED.get(files.uris)
    if known is None:
        known = _LISTED[files.uris] = job.sql.fetch(bind("raw/listed.sql"), {"files": files})
        while len(_LISTED) > _LISTED_MOST:
            _LISTED.popitem(last=False)
    return known


_LISTED: OrderedDict[tuple[str, ...], tuple[Mapping[str, Any], ...]] = OrderedDict()
_LISTED_MOST = 128  # more than the days of the longest window, which are read in order
