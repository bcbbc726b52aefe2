"""The JSON schema of a pipeline file, which editors use to complete and check it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.files import COMPONENT_TYPE

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_FILE = "pipeline.schema.json"
# Relative to the pipeline file, so that one schema serves all pipelines of a folder on any machine.
SCHEMA_LINE = f"# yaml-language-server: $schema=../{SCHEMA_FILE}\n"


def document_schema() -> dict[str, Any]:
    """Return the schema of `defs.yaml`: the attributes and Dagster's own keys."""
    attributes = PipelineSpec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pipeline of cluster-assets",
        "type": "object",
        "required": ["type", "attributes"],
        "additionalProperties": False,
        "properties": {
            "type": {"const": COMPONENT_TYPE},
            "attributes": {"$ref": f"#/$defs/{PipelineSpec.__name__}"},
            "requirements": {"type": "object"},
            "post_processing": {"type": "object"},
            "template_vars_module": {"type": "string"},
        },
        "$defs": attributes.pop("$defs") | {PipelineSpec.__name__: attributes},
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(path: Path) -> None:
    """Write the schema next to the folder of a pipeline file, where the file's first line refers to it.

    Args:
        path: The pipeline file; its text begins with `SCHEMA_LINE`.
    """
    (path.parent.parent / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
