"""What a run that was re-executed from failure need not do again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.versions import newest_materialization

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import dagster as dg


def recorded_days(context: dg.AssetExecutionContext) -> AbstractSet[str]:
    """Return the days that all selected assets recorded since the run began that this one re-executes.

    A day counts only if each asset was recorded after the assets that it depends on: the run of a day before
    may have changed its lineage and then failed to draw its report. Re-executing all steps, a retry of single
    assets, a run of checks alone and any other run take every day.
    """
    root = context.run.root_run_id
    first = context.instance.get_run_record_by_id(root) if root is not None else None
    if first is None or not context.run.is_resume_retry or not context.selected_asset_keys:
        return frozenset()
    begun = first.create_timestamp.timestamp()
    return {partition for partition in context.partition_keys if _is_recorded(context, partition, begun)}


def _is_recorded(context: dg.AssetExecutionContext, partition: str, begun: float) -> bool:
    ids: dict[dg.AssetKey, int] = {}
    for key in context.selected_asset_keys:
        record = newest_materialization(context.instance, key, partition)
        if record is None or record.timestamp < begun:
            return False
        ids[key] = record.storage_id
    return all(
        ids.get(upstream.asset_key, 0) < ids[spec.key]
        for spec in context.assets_def.specs
        if spec.key in ids
        for upstream in spec.deps
    )
