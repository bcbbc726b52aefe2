"""Stage `raw`: the source rows of the day, found, counted and checked; nothing is copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.stages.source import locate_source, source_schema
from cluster_assets.stages.stage import StageOutput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Metric
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
        """The state of the source, and the parts of the YAML that say how to read it."""
        return {
            "source": self.source.digest,
            "spec": digest_of(self.job.spec.part("raw", "entity", "features", "on_invalid")),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Count; no table is filled.

        Raises:
            SourceSchemaError: A column is missing or of another type.
            SourceUnreadableError: A file is damaged or of another format.
            InvalidFeaturesError: Rows have no entity and `on_invalid` is `fail`.
        """
        job = self.job
        plan = features.plan(job.spec, job.day, source_schema(job.spec, job.backend, self.source))
        counted = job.backend.engine.fetch(plan.counts, {"raw": self.source.relation})
        rows, null_entities = (int(counted.rows[0][name]) for name in ("rows", "null_entities"))
        if null_entities and job.spec.on_invalid == "fail":
            raise InvalidFeaturesError(
                f"{null_entities:,} of {rows:,} rows have no entity: {job.spec.entity} is null",
                where=f"{job.spec.name}, {job.day}",
                remedy="write `on_invalid: exclude` to leave such rows out and count them, "
                "or filter them with raw.where",
            )
        metrics: dict[str, Metric] = {
            "rows": rows,
            "null_entity_rows": null_entities,
            "source_files": len(self.source.files),
            "source_bytes": self.source.bytes,
            "source_digest": self.source.digest,
            "bytes_scanned": counted.statistics.bytes_scanned,
        }
        return StageOutput({}, metrics)
