"""Asset `clusters`: the cluster and the role of every entity of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.stages.clusters import ClustersStage, clusters_contract

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def clusters_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """Labels equal to scikit-learn's on the whole day; cluster -1 is noise."""
    shape = AssetShape(
        stage=ClustersStage(),
        description=f"Cluster and role of every entity ({spec.algorithm.type}); cluster -1 is noise",
        kinds=frozenset({"python", "scikitlearn", "parquet"}),
        deps=("points", "candidates"),
        columns=clusters_contract(spec.algorithm).columns,
    )
    return daily_asset(spec, shape, policy)
