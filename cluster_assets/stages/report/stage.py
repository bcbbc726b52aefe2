"""Stage `report`: pictures of a day and one HTML file.

The pictures `trend` and `flow` show earlier days as they were when the report was drawn. A day that is
backfilled later does not make the reports of later days stale; `--force` redraws them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.stages.clusters.inputs import PinnedDay
from cluster_assets.stages.day.job import Shown, StageOutput, sql_digest
from cluster_assets.stages.day.stage import Stage
from cluster_assets.stages.ledger.published import refuse_other
from cluster_assets.stages.profiles.spaces import MEAN_SIZES, mean_sizes
from cluster_assets.stages.report.facts import ReportInputs, ReportReader
from cluster_assets.stages.report.page import PAGE, Drawn, as_markdown, lay_out_page
from cluster_assets.stages.report.sketch import plan_sketch, sketch_day
from cluster_assets.stages.worker.invocations import Invocations
from cluster_assets.stages.worker.kept_tables import KeptTables
from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.worker.plans import DayFacts, Plan

PICTURES = "pictures.md"
"""The document with all pictures as Markdown, for the Dagster UI."""

# Increased when the layout of pictures or page changes, so that days are redrawn.
_DRAWING = "5"

_S3 = "s3://"
_CONSOLE = "https://s3.console.aws.amazon.com/s3/object/"


class ReportStage(Stage):
    """Draws the pictures of the day and the page with them; both are documents of the manifest."""

    name = "report"
    deps = ("points", "clusters", "lineage", "profiles")
    numbers = (("report_bytes", "byte", None),)

    def describe(self, spec: PipelineSpec) -> str:
        """Describe the pictures, kept in the day's metadata, and the page, a document of the manifest."""
        return "The day in pictures, and an HTML report of its clusters, what changed, checks and cost"

    def kinds(self, engine: str) -> frozenset[str]:
        """Return the kinds; drawing happens in the process of the step."""
        return frozenset({"python", engine, "html"})

    def plan_events(self, facts: DayFacts) -> Plan:
        """Plan the event that measures a sample of the points."""
        return plan_sketch(facts)

    def show(self, job: DayJob, manifest: Manifest) -> Shown:
        """Return the pictures and the URI of the page; a reused day shows the same as before."""
        pictures = job.ledger.read_document(manifest, PICTURES).decode()
        uri = job.ledger.document_uri(manifest, PAGE)
        return Shown(pictures, uri, console_url(uri) if uri.startswith(_S3) else "")

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> ReportWork:
        """Pin the manifests to be shown.

        Raises:
            UpstreamMissingError: A stage is not published, or they do not belong together.
        """
        points, clusters, lineage, profiles = (
            job.ledger.require(stage, job.day) for stage in ("points", "clusters", "lineage", "profiles")
        )
        refuse_other(job.ledger, clusters, points)
        refuse_other(job.ledger, lineage, clusters)
        refuse_other(job.ledger, profiles, clusters)
        if "names" not in profiles.tables:
            raise UpstreamMissingError(
                f"profiles of {job.day} were computed by an earlier version and have no names",
                where=f"{job.spec.name}, {job.day}",
                remedy=f"materialize profiles too: cluster-assets run {job.spec.name} --day {job.day}",
            )
        return ReportWork(job, ReportInputs(points, clusters, lineage, profiles))


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of reports have."""
    return {
        "spec": digest_of(spec.part("description", "features", "distance", "algorithm")),
        "sql": sql_digest("report"),
        "drawing": _DRAWING,
        "worker": f"contract {VERSION}",
    }


@dataclass(frozen=True, slots=True)
class ReportWork:
    """Runs small queries on the SQL engine, then draws in this process."""

    job: DayJob
    tables: ReportInputs

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the digests of the day's tables, the names in the YAML and the version of the layout."""
        tables = self.tables
        return {
            "points": tables.points.content_digest,
            "clusters": tables.clusters.content_digest,
            "lineage": tables.lineage.content_digest,
            "profiles": tables.profiles.content_digest,
            **recipe_of(self.job.spec),
        }

    def compute(self, attempt: Attempt) -> StageOutput:
        """Draw the day; the ledger writes the documents."""
        salt = attempt.id if self.job.force else ""
        worker = Invocations(self.job, "report", salt)
        day = PinnedDay(self.job, attempt, self.tables.points, self.tables.clusters)
        clusters = self.job.ledger.relation(self.tables.clusters, "clusters")
        kept = KeptTables(self.job, "report", attempt, salt)
        sketch = sketch_day(day, clusters, worker, kept, self._mean_sizes(day))
        reader = ReportReader(self.job, self.tables)
        found = reader.read_day()
        # Imported here, so that other stages do not load numpy.
        from cluster_assets.stages.report.drawing import DayDrawing
        from cluster_assets.stages.report.pictures import flow, palette, sizes

        largest = (row.identity for row in found.clusters[: sizes.SHOWN])
        looks = palette.looks_of((*largest, *flow.lanes_of(found.lives.stretches)))
        pictures = DayDrawing(self.job, self.tables, reader, found.clusters).draw(found.lives, sketch, looks)
        page = lay_out_page(self.job, self.tables, Drawn(found.clusters, found.events, pictures, looks))
        shown = as_markdown(pictures)
        documents = {PAGE: page, PICTURES: shown}
        documents |= {f"{picture.name}.svg": picture.svg for picture in pictures}
        metrics = {"picture_bytes": len(shown), "report_bytes": len(page), **worker.numbers()}
        return StageOutput({}, metrics, documents)

    def _mean_sizes(self, day: PinnedDay) -> Mapping[str, float]:
        known = self.tables.profiles.metrics.get(MEAN_SIZES)
        if known is not None:
            sizes: dict[str, float] = json.loads(str(known))
            return sizes
        # A day without clusters, or one that an earlier version published.
        return mean_sizes(day) if day.point_count else {}


def console_url(uri: str) -> str:
    """Return the URL at which the AWS console shows an object.

    >>> console_url("s3://lake/a/day=2013-03-04/report.html")
    'https://s3.console.aws.amazon.com/s3/object/lake?prefix=a/day%3D2013-03-04/report.html'
    """
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    return f"{_CONSOLE}{bucket}?prefix={quote(key)}"
