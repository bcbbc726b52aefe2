"""Asset `points`: one weighted point per distinct feature value, and which entities it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.domain.tables import points_contract
from cluster_assets.features import columns_of
from cluster_assets.stages.points import PointsStage

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def points_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """The points of the day and, in the table `members`, their entities."""
    shape = AssetShape(
        stage=PointsStage(),
        description=f"One weighted point per distinct {spec.features.kind}; `members` maps entities to them",
        kinds=frozenset({"sql", "duckdb", "parquet"}),
        deps=("raw",),
        columns=points_contract(columns_of(spec.features)).columns,
    )
    return daily_asset(spec, shape, policy)
