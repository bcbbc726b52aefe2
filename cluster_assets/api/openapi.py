"""The OpenAPI 3.1 document, from the table of operations and the structs of their messages."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from cluster_assets.api.problems import PROBLEM_JSON, ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.api.operations import Operation

_PART = re.compile(r"\{(\w+)(?::\w+)?\}")
_ALWAYS = (400, 405, 414, 500, 503)  # problems of every operation
_PARTS = {
    "pipeline": ({"type": "string"}, "Name of the pipeline"),
    "cluster": ({"type": "integer", "minimum": 0}, "Number of the cluster on that day"),
    "entity": ({"type": "string"}, "Name of the entity, percent-encoded, slashes too"),
}


def write_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document of some operations."""
    structs = [one for operation in operations for one in (operation.answer, operation.body) if one]
    _, schemas = msgspec.json.schema_components(
        [*structs, ProblemDetails], schema_hook=_any_value, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(_PART.sub(r"{\1}", operation.path), {})[operation.method.lower()] = _describe(
            operation
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cluster-assets",
            "version": _version(),
            "description": "Which cluster an entity is in, and where a new item would belong.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the address of this document, whatever prefix a gateway adds.
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _any_value(kind: type) -> dict[str, Any]:
    if kind is object:  # of a profile
        return {"description": "Any JSON value"}
    raise NotImplementedError


def _version() -> str:
    # Imported here: a cold start does not write the document.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cluster-assets")
    except PackageNotFoundError:  # on Lambda the package is a folder
        return "0"


def _describe(operation: Operation) -> dict[str, Any]:
    media = operation.media if operation.answer is None else ("application/json",)
    content = {one: {"schema": _reference(operation.answer)} for one in media}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": {
            "200": {"description": operation.summary, "content": content},
            **{str(status): _problem(status) for status in sorted({*_ALWAYS, *operation.problems})},
        },
        "security": [] if operation.is_public else [{"token": []}, {}],
    }
    if not operation.is_public:
        described["responses"]["401"] = _problem(401)
    if operation.method == "POST":
        bodies = {one: {"schema": _reference(operation.body)} for one in operation.media}
        described["requestBody"] = {"required": True, "content": bodies}
    return described


def _reference(struct: type | None) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct.__name__}"} if struct else {}


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM_JSON: {"schema": _reference(ProblemDetails)}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PARTS[name][0],
            "description": _PARTS[name][1],
        }
        for name in _PART.findall(operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = msgspec.json.schema_components([operation.query])[1].get(operation.query.__name__, {})
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(one)}
        for name, one in schema.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is absent is not null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return (
        kinds[0] if len(kinds) == 1 else {k: v for k, v in schema.items() if k != "default" or v is not None}
    )
