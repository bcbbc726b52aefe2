"""Stage `report`: a day as people look at it, pictures and one HTML file.

The row of days before, in the pictures `trend` and `flow`, is shown as it stood when the report was made: a
day that is backfilled later does not make the reports of the days after it stale. `--force` draws them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.stages.report_facts import ReportInputs, ReportReader, day_facts, day_numbers
from cluster_assets.stages.report_page import as_markdown, lay_out_page
from cluster_assets.stages.stage import StageOutput, sql_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.page import ClusterRow
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob

PAGE = "report.html"
PICTURES = "pictures.md"
"""The pictures in one text, as the Dagster UI shows them."""

# Counts up when pictures or page look different, so that a day is drawn anew.
_DRAWING = "1"


class ReportStage:
    """Pictures of the day and the page that holds them, as documents of the manifest."""

    name = "report"

    def prepare(self, job: DayJob) -> ReportWork:
        """Pin what is shown.

        Raises:
            UpstreamMissingError: A stage is not published, or they do not belong together.
        """
        points, clusters, lineage, profiles = (
            job.ledger.require(stage, job.day) for stage in ("points", "clusters", "lineage", "profiles")
        )
        _refuse_other(job, clusters, points)
        _refuse_other(job, lineage, clusters)
        _refuse_other(job, profiles, clusters)
        return ReportWork(job, ReportInputs(points, clusters, lineage, profiles))


@dataclass(frozen=True, slots=True)
class ReportWork:
    """Small questions to the SQL engine, then drawing in this process."""

    job: DayJob
    tables: ReportInputs

    @property
    def inputs(self) -> Mapping[str, str]:
        """Contents of the day's tables, what the YAML calls things, and how they are drawn."""
        tables = self.tables
        return {
            "points": tables.points.content_digest,
            "clusters": tables.clusters.content_digest,
            "lineage": tables.lineage.content_digest,
            "profiles": tables.profiles.content_digest,
            "spec": digest_of(self.job.spec.part("description", "features", "distance", "algorithm")),
            "sql": sql_digest("report"),
            "drawing": _DRAWING,
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Draw the day; nothing is written before the ledger does it."""
        reader = ReportReader(self.job, self.tables)
        rows = reader.clusters()
        events = reader.events()
        pictures = self._pictures(reader, rows)
        page = lay_out_page(self.job, self.tables, rows, events, pictures)
        shown = as_markdown(pictures)
        documents = {PAGE: page, PICTURES: shown}
        documents |= {f"{picture.name}.png": picture.png for picture in pictures}
        return StageOutput(
            {},
            {
                "picture_bytes": len(shown),
                "report_bytes": len(page),
                "bytes_scanned": reader.bytes_scanned,
            },
            documents,
        )

    def _pictures(self, reader: ReportReader, rows: tuple[ClusterRow, ...]) -> tuple[Picture, ...]:
        # Here, so that nothing else waits for matplotlib and numpy.
        from cluster_assets.pictures.flow import draw_flow
        from cluster_assets.pictures.heat import draw_tokens
        from cluster_assets.pictures.maps import draw_map
        from cluster_assets.pictures.sizes import draw_sizes
        from cluster_assets.pictures.trend import draw_trend
        from cluster_assets.stages.report_points import point_cloud

        job, tables = self.job, self.tables
        facts = day_facts(job, tables.clusters, rows)
        if job.spec.features.kind == "set":
            inside = draw_tokens(facts, reader.token_shares(facts.clusters))
        else:
            total = tables.points.tables["points"].rows
            inside = draw_map(facts, point_cloud(job.spec, reader, rows, total))
        return (
            draw_sizes(facts),
            inside,
            draw_flow(reader.lives(job.spec.name)),
            draw_trend(job.spec.name, day_numbers(job, tables.clusters)),
        )


def _refuse_other(job: DayJob, manifest: Manifest, upstream: Manifest) -> None:
    """Refuse what was made from another state of its own upstream.

    Raises:
        UpstreamMissingError: With the stage that has to be materialized.
    """
    if manifest.inputs.get(upstream.stage) != upstream.content_digest:
        raise UpstreamMissingError(
            f"{manifest.stage} of {job.day} was computed from another state of {upstream.stage}",
            where=f"{job.spec.name}, {job.day}",
            remedy=f"materialize {manifest.stage} too: cluster-assets run {job.spec.name} --day {job.day}",
        )
