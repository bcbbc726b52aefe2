"""`ClusteringPipeline`: one YAML file, one daily partitioned clustering pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from cluster_assets.components.automation import automated_pipeline
from cluster_assets.components.broken import broken_pipeline
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.files import FILE_NAME, BrokenFile, broken_file
from cluster_assets.spec.yaml.schema import SCHEMA_LINE, write_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class PipelineParams(BaseModel):
    """Parameters of `dg scaffold defs`."""

    files: str = Field("data/*.parquet", description="Path or glob of the source files")
    time_column: str = Field("event_time", description="Column whose UTC date is the day")
    entity: str = Field("entity_id", description="SQL expression of the entity to cluster")
    vector: str = Field("count(*)", description="One aggregate; add more in the YAML")
    threshold: float = Field(1.0, description="Euclidean distance of near pairs")
    start_date: str = Field("2026-01-01", description="First daily partition")


class PipelineScaffolder(dg.Scaffolder[PipelineParams]):
    """Writes a valid `defs.yaml` as a starting point."""

    @classmethod
    def get_scaffold_params(cls) -> type[PipelineParams]:
        """Return the model of the command's flags."""
        return PipelineParams

    def scaffold(self, request: dg.ScaffoldRequest[PipelineParams]) -> None:
        """Write the file, and the schema that its first line refers to."""
        dg.scaffold_component(request, _attributes(request.target_path.name, request.params))
        if request.scaffold_format == "yaml" and not request.append:
            path = request.target_path / FILE_NAME
            path.write_text(SCHEMA_LINE + path.read_text(encoding="utf-8"), encoding="utf-8")
            write_schema(path)


@dg.scaffold_with(PipelineScaffolder)
class ClusteringPipeline(dg.Component):
    """Clusters a table every day: raw -> points -> candidates -> clusters.

    The attributes are those of `cluster_assets.spec.pipeline.PipelineSpec`. If they are invalid, the
    component becomes one asset that shows the error, so that the other components of the project still load.
    """

    def __init__(self, spec: PipelineSpec | BrokenFile) -> None:
        self.spec = spec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Return the description of the component in the UI."""
        return dg.ComponentTypeSpec(
            description="Exact daily clustering of a data-lake table, by SQL and serverless workers",
            tags=["clustering", "athena", "lambda", "scikit-learn"],
        )

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Return the model of the YAML's `attributes`."""
        return _Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Check the attributes and create the component."""
        try:
            return cls(PipelineSpec.model_validate(attributes.model_dump() if attributes else None))
        except Exception as error:  # noqa: BLE001  # whatever it is, the other components load
            path = context.path if context.path.is_file() else context.path / FILE_NAME
            return cls(broken_file(path, error))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the assets, job, schedule and sensor of the pipeline."""
        if isinstance(self.spec, BrokenFile):
            return broken_pipeline(self.spec)
        return automated_pipeline(self.spec, load_settings())


class _Attributes(BaseModel):
    """The schema of `PipelineSpec` for `dg check yaml`; accepts any attribute, because `load` checks them."""

    model_config = ConfigDict(extra="allow", title=PipelineSpec.__name__)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(PipelineSpec.__pydantic_core_schema__)


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
