"""What Dagster keeps of a day: its materialization with metadata, its checks, its line in the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from cluster_assets.assets.checks import record_checks
from cluster_assets.assets.versions import version_tags
from cluster_assets.domain.costs import ATHENA, LAMBDA, TOTAL
from cluster_assets.stages.day.audit import OUTCOMES
from cluster_assets.stages.day.lines import day_line
from cluster_assets.stages.profiles.stage import LARGEST_CLUSTERS
from cluster_assets.stages.raw.foresight import ATHENA_FORESEEN, LAMBDA_FORESEEN
from cluster_assets.stages.worker.invocations import CALL_TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.assets.versions import NewestMaterializations
    from cluster_assets.stages.day.job import DayResult, Shown
    from cluster_assets.stages.day.stage import Stage

BILLED = (TOTAL, ATHENA, LAMBDA, "billed_bytes", "queue_seconds", ATHENA_FORESEEN, LAMBDA_FORESEEN)
"""Metrics of engines that charge for their work; they are 0 on a laptop."""


def record_day(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    stage: Stage,
    result: DayResult,
    newest: NewestMaterializations,
) -> Mapping[str, Any]:
    """Record a published day while the run goes on, so that it counts whatever happens to the others.

    A run that selects only checks of the asset does not record a day that it found published.

    Returns:
        The metadata of the day.
    """
    day = result.manifest.day.key
    metadata = day_metadata(result)
    context.log.info(day_line(stage, result))
    if key in context.selected_asset_keys or not result.reused:
        tags = version_tags(context, key, result.manifest, newest)
        context.log_event(dg.AssetMaterialization(key, partition=day, metadata=metadata, tags=tags))
    record_checks(context, key, day, result.checks, newest.read(key, day))
    return metadata


def day_metadata(result: DayResult) -> dict[str, Any]:
    """Return pictures and metrics of a day; their names never change, so that Dagster can plot them.

    Usage and cost come after the numbers of the stage, and only if an engine in use is billed.
    """
    manifest = result.manifest
    table = manifest.tables.get(manifest.stage)
    metrics = dict(manifest.metrics)
    tables = {name: json.loads(str(metrics.pop(name, "[]"))) for name in (LARGEST_CLUSTERS, CALL_TABLE)}
    metrics.pop(OUTCOMES, None)  # they are on the Checks tab
    billed = {name: metrics.pop(name) for name in BILLED if name in metrics}
    # `raw` copies nothing, so its row count is that of the source. A report has no rows.
    rows = manifest.metrics.get("rows") if table is None else table.rows
    return {
        **(_shown_metadata(result.shown) if result.shown else {}),
        **metrics,
        **{name: _table(rows) for name, rows in tables.items() if rows},
        **(billed if any(billed.values()) else {}),
        **({"dagster/partition_row_count": rows} if rows is not None else {}),
        "bytes": sum(file.bytes for file in manifest.files),
        "reused": result.reused,
        "manifest_version": manifest.version,
        "input_digest": manifest.input_digest,
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])


def _shown_metadata(shown: Shown) -> dict[str, Any]:
    link = {"report_link": dg.MetadataValue.url(shown.link)} if shown.link else {}
    return {
        "pictures": dg.MetadataValue.md(shown.markdown),
        "report": dg.MetadataValue.path(shown.page),
        **link,
    }
