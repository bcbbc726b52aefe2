"""Asset `profiles`: one row a cluster of the day, and in `cluster_features` what tells it from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.domain.tables import PROFILES
from cluster_assets.stages.profiles import ProfilesStage

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def profiles_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """Size, medoid, cohesion, separation and telling features of every cluster; noise has a row, too."""
    shape = AssetShape(
        stage=ProfilesStage(),
        description="Size, medoid, exemplars, cohesion and separation of every cluster; "
        "`cluster_features` tells what distinguishes it",
        kinds=frozenset({"sql", "python", "parquet"}),
        deps=("points", "clusters", "lineage"),
        columns=PROFILES.columns,
    )
    return daily_asset(spec, shape, policy)
