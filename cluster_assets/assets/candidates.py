"""Asset `candidates`: every pair of points within the threshold, found by SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.assets.daily import AssetShape, DailyPolicy, daily_asset
from cluster_assets.domain.tables import CANDIDATES
from cluster_assets.stages.candidates import CandidatesStage

if TYPE_CHECKING:
    import dagster as dg

    from cluster_assets.pipeline_spec import PipelineSpec


def candidates_asset(spec: PipelineSpec, policy: DailyPolicy) -> dg.AssetsDefinition:
    """The near pairs of the day, each once, with their distance."""
    distance = spec.distance
    shape = AssetShape(
        stage=CandidatesStage(),
        description=f"Pairs of points at most {distance.threshold:g} apart ({distance.metric})"
        if distance
        else f"No pairs: {spec.algorithm.type} works on points alone",
        kinds=frozenset({"sql", "duckdb", "parquet"}),
        deps=("points",),
        columns=CANDIDATES.columns,
    )
    return daily_asset(spec, shape, policy)
