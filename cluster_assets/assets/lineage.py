"""Asset `lineage`: which cluster of today is which of yesterday."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.domain.tables import LINEAGE
from cluster_assets.stages.lineage import LineageStage
from cluster_assets.stages.lineage_chain import follow, publish

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def lineage_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """Stable ids and events; the days after it that it changes are materialized with it."""
    shape = AssetShape(
        stage=LineageStage(),
        description="What became of yesterday's clusters: stable ids, born, continued, split, merged, died",
        kinds=frozenset({"sql", "duckdb", "parquet"}),
        deps=("clusters",),
        columns=LINEAGE.columns,
        with_day_before=("clusters",),
        publish=publish,
        follow=follow,
    )
    return daily_asset(spec, shape, policy)
