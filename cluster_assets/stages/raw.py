"""Stage `raw`: the source rows of the day, found, counted and checked; nothing is copied.

Its table `files` says which files hold rows of the day; `points` reads no others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cluster_assets import features
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.domain.tables import SOURCE_FILES
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.foresight import foreseen_cost
from cluster_assets.stages.source import locate_source, narrow_source, source_schema
from cluster_assets.stages.stage import StageOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.features import FeaturePlan
    from cluster_assets.ports import SqlEngine, Statistics
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.source import DaySource
    from cluster_assets.stages.stage import DayJob


class RawStage:
    """Says what the day is made from; `points` reads exactly that state of the source."""

    name = "raw"

    def prepare(self, job: DayJob) -> RawWork:
        """Find the source.

        Raises:
            SourceMissingError: There is none.
            ScanLimitError: It is larger than the limits allow.
        """
        return RawWork(job, locate_source(job.spec, job.backend, job.day))


@dataclass(frozen=True, slots=True)
class RawWork:
    """Check every file of the source and count the day's rows."""

    job: DayJob
    source: DaySource

    @property
    def inputs(self) -> Mapping[str, str]:
        """The state of the source, the parts of the YAML that say how to read it, and the columns needed."""
        spec = self.job.spec
        parts = spec.part("raw", "entity", "on_invalid") | {"columns": features.needed_columns(spec)}
        return {"source": self.source.digest, "spec": digest_of(parts)}

    def compute(self, attempt: Attempt) -> StageOutput:
        """Count the rows, by file where there are files.

        Raises:
            SourceSchemaError: A column is missing or of another type.
            SourceUnreadableError: A file is damaged or of another format.
            InvalidFeaturesError: Rows have no entity and `on_invalid` is `fail`.
        """
        job = self.job
        plan = features.plan(job.spec, job.day, source_schema(job.spec, job.backend, self.source))
        cost = foreseen_cost(job, self.source)
        output = self._list_files(attempt, plan) if self.source.files else self._count_rows(plan)
        return replace(output, metrics={**output.metrics, **cost})

    def _count_rows(self, plan: FeaturePlan) -> StageOutput:
        counted = self.job.backend.engine.fetch(plan.counts, {"raw": self.source.relation})
        return StageOutput({}, self._metrics(counted.rows, self.source, counted.statistics))

    def _list_files(self, attempt: Attempt, plan: FeaturePlan) -> StageOutput:
        """Fill `files`: a file that holds no row of the day may change without making the day stale."""
        engine = self.job.backend.engine
        written = engine.unload(
            plan.files, {"raw": self.source.relation}, SOURCE_FILES, attempt.prefix_uri("files")
        )
        uris = tuple(file.uri for file in written.files)
        rows = list_files(engine, uris)
        source = narrow_source(self.job.spec, self.source, {str(row["uri"]) for row in rows})
        return StageOutput(
            {"files": (SOURCE_FILES, written.files)}, self._metrics(rows, source, written.statistics)
        )

    def _metrics(
        self, counts: Sequence[Mapping[str, Any]], source: DaySource, statistics: Statistics
    ) -> dict[str, Metric]:
        rows, null_entities = (sum(int(row[name]) for row in counts) for name in ("rows", "null_entities"))
        spec = self.job.spec
        if null_entities and spec.on_invalid == "fail":
            raise InvalidFeaturesError(
                f"{null_entities:,} of {rows:,} rows have no entity: {spec.entity} is null",
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
            "bytes_scanned": statistics.bytes_scanned,
        }


def list_files(engine: SqlEngine, uris: tuple[str, ...]) -> tuple[Mapping[str, Any], ...]:
    """The rows of the table `files`: uri, rows, null_entities."""
    files = FileRelation(uris, columns=SOURCE_FILES.columns)
    return engine.fetch(bind("raw/listed.sql"), {"files": files}).rows
