"""`ClusteringPipeline`: one YAML file, one daily partitioned clustering pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import dagster as dg
from pydantic import BaseModel, Field

from cluster_assets.components.automation import automated_pipeline
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class PipelineParams(BaseModel):
    """What `dg scaffold defs` may be told."""

    files: str = Field("data/*.parquet", description="Path or glob of the source files")
    time_column: str = Field("event_time", description="Column whose UTC date is the day")
    entity: str = Field("entity_id", description="SQL expression of what is clustered")
    vector: str = Field("count(*)", description="One aggregate; add more in the YAML")
    threshold: float = Field(1.0, description="Euclidean distance of near pairs")
    start_date: str = Field("2026-01-01", description="First daily partition")


class PipelineScaffolder(dg.Scaffolder[PipelineParams]):
    """Writes a `defs.yaml` that loads, to be edited."""

    @classmethod
    def get_scaffold_params(cls) -> type[PipelineParams]:
        """The flags of the command."""
        return PipelineParams

    def scaffold(self, request: dg.ScaffoldRequest[PipelineParams]) -> None:
        """Write the file."""
        dg.scaffold_component(request, _attributes(request.target_path.name, request.params))


@dg.scaffold_with(PipelineScaffolder)
class ClusteringPipeline(dg.Component):
    """Clusters a table every day: raw -> points -> candidates -> clusters.

    The attributes are those of `cluster_assets.pipeline_spec.PipelineSpec`.
    """

    def __init__(self, spec: PipelineSpec) -> None:
        self.spec = spec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """How the component introduces itself in the UI."""
        return dg.ComponentTypeSpec(
            description="Exact daily clustering of a data-lake table, by SQL and serverless workers",
            tags=["clustering", "athena", "lambda", "scikit-learn"],
        )

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of the YAML's `attributes`."""
        return PipelineSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Make the component from checked attributes."""
        if not isinstance(attributes, PipelineSpec):
            raise TypeError("a ClusteringPipeline needs attributes")
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, job, schedule and sensor of the pipeline."""
        return automated_pipeline(self.spec, load_settings().days_per_run)


def _attributes(name: str, params: PipelineParams) -> Mapping[str, Any]:
    return {
        "name": name,
        "start_date": params.start_date,
        "raw": {"files": params.files, "time_column": params.time_column},
        "entity": params.entity,
        "features": {"vector": [params.vector]},
        "distance": {"metric": "euclidean", "threshold": params.threshold},
        "algorithm": {"type": "dbscan", "min_samples": 5},
    }
