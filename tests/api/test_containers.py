"""Containers of SageMaker and Vertex AI: their own routes, formats and variables."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from asking import Client, InProcess

from cluster_assets.api.config import ApiConfig, read_config
from cluster_assets.api.entrances.server import check_access, create_container_application
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from asking import Answer
    from few_days import FewDays

ITEMS = [{"vector": [11]}, {"vector": [500]}, {"vector": [-0.5]}]
LINES = "application/jsonlines"


def container(days: FewDays, pipeline: str | None = "points", **environ: str) -> Client:
    config = ApiConfig(pipeline=pipeline)
    return Client(InProcess(create_container_application(days, config, environ)))


@pytest.fixture
def expected(client: Client) -> list[dict[str, Any]]:
    """The answers of the API itself."""
    predictions: list[dict[str, Any]] = client.post("/v1/points/classify", {"items": ITEMS}).json()[
        "predictions"
    ]
    return predictions


def _rows(answer: Answer) -> list[list[str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.body.decode())))


def test_ping_says_whether_the_pipeline_can_be_asked(days: FewDays) -> None:
    assert container(days).get("/ping").status == 200
    assert container(days, "absent").get("/ping").status == 404
    several = container(days, None).get("/ping")
    assert several.status == 404
    assert "CLUSTER_API_PIPELINE" in several.json()["detail"]


def test_invocations_take_json(days: FewDays, expected: list[dict[str, Any]]) -> None:
    answer = container(days).post("/invocations", {"items": ITEMS, "day": "2026-01-03"})
    assert answer.json() == {"day": "2026-01-03", "predictions": expected}


def test_invocations_take_json_lines(days: FewDays, expected: list[dict[str, Any]]) -> None:
    body = "\n".join(json.dumps(item) for item in ITEMS).encode() + b"\n\n"
    answer = container(days).post("/invocations", body, LINES)
    assert answer.headers["content-type"] == LINES
    assert [json.loads(line) for line in answer.body.splitlines()] == expected
    as_json = container(days).post("/invocations", body, LINES, accept="application/json")
    assert as_json.json()["predictions"] == expected


def test_invocations_take_csv(days: FewDays, expected: list[dict[str, Any]]) -> None:
    rows = _rows(container(days).post("/invocations", b"11\n500\r\n\n-0.5\n", "text/csv; charset=utf-8"))
    assert [row[0] for row in rows] == [str(one["cluster"]) for one in expected]
    assert [row[3] for row in rows] == [one["role"] for one in expected]
    assert [row[4] for row in rows] == ["" if (d := one["distance"]) is None else str(d) for one in expected]
    assert [row[6] for row in rows] == ["", "", "founds"]
    lines = container(days).post("/invocations", b"11\n500\n-0.5", "text/csv", accept=LINES)
    assert [json.loads(line) for line in lines.body.splitlines()] == expected


def test_csv_of_sets_has_a_token_a_column(days: FewDays) -> None:
    rows = _rows(container(days, "tokens").post("/invocations", b'TCP/22\n"a,b",c\n', "text/csv"))
    assert [row[0] for row in rows] == ["0", "0"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "field"),
    [
        (b"11\nx\n", "text/csv", 422, "items/1"),
        (b"11\nnan\n", "text/csv", 422, "items/1/vector/0"),
        (b"11,12\n", "text/csv", 422, "items/0/vector"),
        (b"\xff", "text/csv", 400, None),
        (b'11,"', "text/csv", 400, None),
        (b"", "text/csv", 422, "items"),
        (b"", LINES, 422, "items"),
        (b'{"vector": [1]}\n{"vector": [', LINES, 400, "items/1"),
        (b'{"vector": [1]}\n{"vector": ["x"]}', LINES, 422, "items/1/vector/0"),
        (b'{"vector": [1]}\n' * 6, LINES, 413, "items"),
        (b"1", "application/x-npy", 415, None),
    ],
)
def test_bad_invocations_name_the_field(
    days: FewDays, body: bytes, media_type: str, status: int, field: str | None
) -> None:
    answer = container(days).post("/invocations", body, media_type)
    assert (answer.status, answer.json().get("field")) == (status, field)


def test_unknown_formats_of_answers_are_refused(days: FewDays) -> None:
    answer = container(days).post("/invocations", {"items": ITEMS}, accept="application/x-npy")
    assert answer.status == 406


def test_a_batch_transform_job_sends_any_number_of_records(days: FewDays) -> None:
    body = b'{"vector": [11]}\n' * 5000
    answer = container(days, SAGEMAKER_BATCH="true").post("/invocations", body, LINES)
    assert len(answer.body.splitlines()) == 5000


def test_vertex_names_its_routes(days: FewDays, expected: list[dict[str, Any]]) -> None:
    routes = {"AIP_HEALTH_ROUTE": "/v1/endpoints/7:health", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict"}
    client = container(days, **routes)
    assert client.get(routes["AIP_HEALTH_ROUTE"]).json()["status"] == "ok"
    body = {"instances": ITEMS, "parameters": {"day": "2026-01-02"}}
    assert client.post(routes["AIP_PREDICT_ROUTE"], body).json() == {"predictions": expected}
    assert client.post(routes["AIP_PREDICT_ROUTE"], {"instances": ITEMS}).json() == {"predictions": expected}
    bad = client.post(routes["AIP_PREDICT_ROUTE"], {"instances": [{"vector": [1, 2]}]})
    assert (bad.status, bad.json()["field"]) == (422, "instances/0/vector")
    absent = client.post(
        routes["AIP_PREDICT_ROUTE"], {"instances": ITEMS, "parameters": {"day": "2020-01-01"}}
    )
    assert absent.status == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "api.example.com"])  # noqa: S104 - refused
def test_listening_beyond_this_machine_needs_access_control(host: str) -> None:
    with pytest.raises(SpecError, match="CLUSTER_API_TOKEN"):
        check_access(host, ApiConfig(), is_behind_gateway=False)
    check_access(host, ApiConfig(), is_behind_gateway=True)
    check_access(host, ApiConfig(token="x" * 16), is_behind_gateway=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_needs_none(host: str) -> None:
    check_access(host, ApiConfig(), is_behind_gateway=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER_API_TOKEN", "short"),
        ("CLUSTER_API_TOKEN", "é" * 20),
        ("CLUSTER_API_MAX_BODY_BYTES", "0"),
        ("CLUSTER_API_MAX_BODY_BYTES", "many"),
        ("CLUSTER_API_MAX_BODY_BYTES", "-1"),
    ],
)
def test_bad_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(SpecError, match=name):
        read_config({name: value})


def test_empty_settings_are_defaults() -> None:
    names = ("TOKEN", "PIPELINE", "MAX_BODY_BYTES", "BASE_PATH")
    assert read_config({f"CLUSTER_API_{name}": "" for name in names}) == ApiConfig()
