"""Asset `report`: the day in pictures and one HTML file, shown where people look at the asset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.stages.report import PAGE, PICTURES, ReportStage
from cluster_assets.stages.stage import DayJob, DayResult, Shown, Stage, run_day

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec

_S3 = "s3://"
_CONSOLE = "https://s3.console.aws.amazon.com/s3/object/"


def report_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """Pictures in the metadata of each day, and where its report lies."""
    shape = AssetShape(
        stage=ReportStage(),
        description="The day in pictures, and an HTML report of its clusters, what changed, checks and cost",
        kinds=frozenset({"python", "sql", "html"}),
        deps=("points", "clusters", "lineage", "profiles"),
        columns=(),
        publish=publish_report,
    )
    return daily_asset(spec, shape, policy)


def publish_report(stage: Stage, job: DayJob) -> DayResult:
    """Publish the day, and hand over what its metadata shows; a reused day shows what it showed before.

    Raises:
        ClusterAssetsError: As `run_day`.
    """
    result = run_day(stage, job)
    manifest = result.manifest
    pictures = job.backend.store.read(manifest.documents[PICTURES].key).decode()
    uri = job.ledger.document_uri(manifest, PAGE)
    link = console_url(uri) if uri.startswith(_S3) else ""
    return replace(result, shown=Shown(pictures, uri, link))


def console_url(uri: str) -> str:
    """Where the AWS console shows an object.

    >>> console_url("s3://lake/a/day=2013-03-04/report.html")
    'https://s3.console.aws.amazon.com/s3/object/lake?prefix=a/day%3D2013-03-04/report.html'
    """
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    return f"{_CONSOLE}{bucket}?prefix={quote(key)}"
