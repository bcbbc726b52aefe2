"""The OpenAPI document is valid, and every answer is as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asking import Client, InProcess
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig
from cluster_assets.api.entrances import sagemaker, vertex

if TYPE_CHECKING:
    from few_days import FewDays

VERTEX = {"AIP_HEALTH_ROUTE": "/alive", "AIP_PREDICT_ROUTE": "/predict"}
ITEMS = [{"vector": [11.0]}, {"vector": [500]}]


@pytest.fixture
def whole(days: FewDays) -> Client:
    entrance = [*sagemaker.operations(is_batch=False), *vertex.operations(VERTEX)]
    return Client(InProcess(create_application(days, ApiConfig(pipeline="points"), entrance=entrance)))


def test_the_document_is_valid(whole: Client) -> None:
    document = whole.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"
    assert {"/v1/{pipeline}/entities/{entity}", "/invocations", "/predict", "/alive"} <= set(
        document["paths"]
    )


def _check(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    response = document["paths"][path][method]["responses"][str(answer.status)]
    schema = response["content"][answer.headers["content-type"].partition(";")[0]]["schema"]
    registry = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    absolute = {"$ref": "urn:api" + schema["$ref"]} if schema else {}
    OAS31Validator(absolute, registry=registry).validate(answer.json())


@pytest.mark.parametrize(
    ("path", "address", "status"),
    [
        ("/health", "/health", 200),
        ("/v1/pipelines", "/v1/pipelines", 200),
        ("/v1/{pipeline}/days", "/v1/points/days", 200),
        ("/v1/{pipeline}/days", "/v1/absent/days", 404),
        ("/v1/{pipeline}/clusters", "/v1/points/clusters?limit=2", 200),
        ("/v1/{pipeline}/clusters", "/v1/points/clusters?limit=x", 400),
        ("/v1/{pipeline}/clusters/{cluster}", "/v1/points/clusters/1", 200),
        ("/v1/{pipeline}/clusters/{cluster}/members", "/v1/points/clusters/1/members", 200),
        ("/v1/{pipeline}/pictures", "/v1/points/pictures", 200),
        ("/v1/{pipeline}/entities/{entity}", "/v1/points/entities/e1", 200),
        ("/v1/{pipeline}/entities/{entity}", "/v1/points/entities/" + "x" * 9000, 414),
        ("/v1/{pipeline}/entities", "/v1/points/entities?name=e1", 200),
        ("/alive", "/alive", 200),
    ],
)
def test_answers_to_get_are_as_documented(whole: Client, path: str, address: str, status: int) -> None:
    answer = whole.get(address)
    assert answer.status == status
    _check(whole.get("/openapi.json").json(), path, "get", answer)


@pytest.mark.parametrize(
    ("path", "address", "body", "status"),
    [
        ("/v1/{pipeline}/classify", "/v1/points/classify", {"items": ITEMS}, 200),
        ("/v1/{pipeline}/classify", "/v1/points/classify", {"items": [1]}, 422),
        ("/predict", "/predict", {"instances": ITEMS, "parameters": {"day": "2026-01-02"}}, 200),
        ("/predict", "/predict", {"instances": [{"vector": ["x"]}]}, 422),
        ("/invocations", "/invocations", {"items": ITEMS}, 200),
    ],
)
def test_answers_to_post_are_as_documented(
    whole: Client, path: str, address: str, body: dict[str, Any], status: int
) -> None:
    answer = whole.post(address, body)
    assert answer.status == status
    _check(whole.get("/openapi.json").json(), path, "post", answer)


def test_classification_answers_as_the_contract_shows(whole: Client) -> None:
    assert whole.post("/v1/points/classify", {"items": ITEMS, "day": "2026-01-02"}).json() == {
        "day": "2026-01-02",
        "predictions": [
            {"cluster": 1, "stable_id": "points-1", "name": None, "role": "member", "distance": 1.0,
             "rule": "nearest_member", "changes": [], "probability": None},
            {"cluster": -1, "stable_id": None, "name": None, "role": "noise", "distance": None,
             "rule": "nearest_member", "changes": [], "probability": None},
        ],
    }  # fmt: skip
