"""Asset `raw`: the source rows of the day, found, counted and checked; nothing is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.stages.raw import RawStage

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def raw_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """The source of the day, checked against the column contract and fingerprinted."""
    shape = AssetShape(
        stage=RawStage(),
        description="Source rows of the day: found, counted, checked against the column contract, digested",
        kinds=frozenset({"sql", "parquet"}),
        deps=(),
        columns=(),
    )
    return daily_asset(spec, shape, policy)
