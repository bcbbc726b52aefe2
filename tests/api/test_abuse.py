"""Wrong and hostile requests: the right status, the field at fault, and never a trace."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from asking import Client, InProcess

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig
from cluster_assets.domain.errors import IntegrityError, StoreError
from lambda_worker.contract import InputError

if TYPE_CHECKING:
    from asking import Answer
    from few_days import FewDays

CLASSIFY = "/v1/points/classify"
TOKEN = "not-a-secret-in-a-test"  # noqa: S105 - as it says


def refused(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.body.decode()
    return problem


@pytest.mark.parametrize(
    "address", ["/v2", "/v1", "/v1/points", "/v1/points/days/", "//", "/.env", "/v1//days", "/%00"]
)
def test_unknown_addresses(client: Client, address: str) -> None:
    refused(client.get(address), 404)


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("POST", "/v1/pipelines", "GET"),
        ("DELETE", "/v1/points/entities/e1", "GET"),
        ("GET", CLASSIFY, "POST"),
        ("HEAD", CLASSIFY, "POST"),
        ("BREW", "/health", "GET"),
    ],
)
def test_wrong_methods_name_the_right_ones(client: Client, method: str, address: str, allowed: str) -> None:
    answer = client.send(method, address)
    assert answer.status == 405
    assert allowed in answer.headers["allow"].split(", ")
    assert "OPTIONS" in answer.headers["allow"].split(", ")


def test_options_name_the_methods(client: Client) -> None:
    answer = client.send("OPTIONS", CLASSIFY)
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "OPTIONS, POST", b"")
    assert client.send("OPTIONS", "/health").headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_its_body(client: Client) -> None:
    head, get = client.send("HEAD", "/v1/pipelines"), client.get("/v1/pipelines")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"\xff\xfe", 400, None),
        (b'{"items": [{"vector": [NaN]}]}', 400, None),
        (b'{"items": [{"vector": [Infinity]}]}', 400, None),
        (b'{"items": [{"vector": [1e400]}]}', 422, "items/0/vector/0"),
        (b"null", 422, None),
        (b"[]", 422, None),
        (b"{}", 422, None),
        (b'{"items": {}}', 422, "items"),
        (b'{"items": []}', 422, "items"),
        (b'{"items": [7]}', 422, "items/0"),
        (b'{"items": [{"vector": [1]}, {"vector": ["1"]}]}', 422, "items/1/vector/0"),
        (b'{"items": [{"vector": [true]}]}', 422, "items/0/vector/0"),
        (b'{"items": [{"vector": [null]}]}', 422, "items/0/vector/0"),
        (b'{"items": [{"vector": [1, 2]}]}', 422, "items/0/vector"),
        (b'{"items": [{"vector": [1]}, {"set": ["a"]}]}', 422, "items/1"),
        (b'{"items": [{"mixed": {"tags": ["a", 1]}}]}', 422, "items/0/mixed"),
        (b'{"items": [{}]}', 422, "items/0"),
        (b'{"items": [{"colour": 1}]}', 422, "items/0"),
        (b'{"items": [{"vector": [1]}], "date": "2026-01-01"}', 422, None),
        (b'{"items": [{"vector": [1]}], "day": 20260101}', 422, "day"),
        (b'{"items": [{"vector": [1]}], "day": "yesterday"}', 422, "day"),
        (b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "items/0"),
        (b'{"items": [{"mixed": {"": ' + b'{"":' * 9_999 + b"1" + b"}" * 10_003, 422, "items/0/mixed"),
        (b"[" * 1_000_000, 422, None),
        (b'{"x": ' * 100_000 + b"1" + b"}" * 100_000, 422, None),
        (b'{"items": [' + b'{"vector": [1]},' * 5 + b'{"vector": [1]}]}', 413, "items"),
    ],
)  # fmt: skip
def test_bad_bodies_name_the_field(client: Client, body: bytes, status: int, field: str | None) -> None:
    problem = refused(client.post(CLASSIFY, body), status)
    assert problem.get("field") == field


def test_ten_megabytes_are_refused_and_not_kept(client: Client) -> None:
    problem = refused(client.post(CLASSIFY, b'{"items": [' + b" " * 10_000_000), 413)
    assert "6,291,456 bytes" in problem["detail"]
    refused(client.post(CLASSIFY, b" " * 60_000_000), 413)


@pytest.mark.parametrize(
    ("media_type", "headers"),
    [("text/plain", {}), ("application/xml", {}), ("application/json", {"content_encoding": "gzip"})],
)
def test_other_media_types_are_refused(client: Client, media_type: str, headers: dict[str, str]) -> None:
    refused(client.post(CLASSIFY, b"{}", media_type, **headers), 415)


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/v1/points/clusters?limit=0", "limit"),
        ("/v1/points/clusters?limit=1001", "limit"),
        ("/v1/points/clusters?limit=1.5", "limit"),
        ("/v1/points/clusters?limit=", "limit"),
        ("/v1/points/clusters?day=2026-1-1", "day"),
        ("/v1/points/clusters?day=2026-01-01%00", "day"),
        ("/v1/points/clusters?after=", "after"),
        ("/v1/points/clusters?colour=red", None),
        ("/v1/points/clusters?limit=1&limit=2", None),
        ("/v1/points/entities", None),
        ("/v1/points/entities?name=", "name"),
        ("/v1/points/entities/e1?history=367", "history"),
        ("/health?x=%ff%fe", None),
    ],
)
def test_bad_queries_are_refused(client: Client, address: str, field: str | None) -> None:
    assert refused(client.get(address), 400).get("field") == field


def test_long_addresses_are_refused(client: Client) -> None:
    refused(client.get("/v1/points/entities/" + "x" * 9000), 414)
    refused(client.get("/v1/points/entities", name="x" * 9000), 414)
    refused(client.get("/v1/points/entities/" + "x" * 8000), 404)


def test_days_that_are_not_there(client: Client) -> None:
    request = {"items": [{"vector": [1]}], "day": "2020-01-01"}
    assert refused(client.post(CLASSIFY, request), 404)["field"] == "day"
    assert "field" not in refused(client.post("/v1/absent/classify", request), 404)


def test_an_unexpected_error_is_logged_and_not_shown(
    client: Client, days: FewDays, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(pipeline: str) -> None:
        raise RuntimeError("the disk of host-17 is full")

    days.before_open = fail
    with caplog.at_level(logging.INFO, "cluster_assets.api"):
        answer = client.get("/v1/pipelines")
    problem = refused(answer, 500)
    assert "host-17" not in answer.body.decode()
    line = json.loads(caplog.messages[-1])
    assert "host-17" in line["error"]
    assert (line["request_id"], line["status"], line["level"]) == (problem["request_id"], 500, "ERROR")


def test_storage_that_fails_is_503(client: Client, days: FewDays) -> None:
    def fail(pipeline: str) -> None:
        raise StoreError("bucket secret-bucket: access denied")

    days.before_open = fail
    assert "secret-bucket" not in refused(client.get("/v1/points/clusters"), 503)["detail"]


@pytest.mark.parametrize("error", [IntegrityError("a file is damaged"), InputError("of format 2, not 1")])
def test_a_damaged_pipeline_stops_no_other(client: Client, days: FewDays, error: Exception) -> None:
    def fail(pipeline: str) -> None:
        if pipeline == "tokens":
            raise error

    days.before_open = fail
    refused(client.get("/v1/tokens/clusters"), 503)
    assert client.get("/v1/points/clusters").status == 200
    assert [one["name"] for one in client.get("/v1/pipelines").json()["pipelines"]] == ["points"]
    assert client.get("/health").json() == {
        "status": "degraded",
        "days": {"points": "2026-01-03"},
        "unreadable": ["tokens"],
    }


def test_the_log_has_a_line_for_each_request_without_entities_and_features(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cluster_assets.api"):
        client.get("/v1/points/entities", name="e19")
        client.get("/v1/points/entities/somebody")
        client.post(CLASSIFY, {"items": [{"vector": [-77777.25]}]})
        client.get("/nothing")
    lines = [json.loads(message) for message in caplog.messages]
    assert [(one["operation"], one["status"], one.get("items")) for one in lines] == [
        ("named_entity", 200, None), ("entity", 404, None), ("classify", 200, 1), ("none", 404, None)
    ]  # fmt: skip
    assert [one.get("pipeline") for one in lines] == ["points", "points", "points", None]
    assert [one.get("day") for one in lines] == ["2026-01-03", "2026-01-03", "2026-01-03", None]
    assert "somebody" not in caplog.text
    assert "77777" not in caplog.text


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\x7f", False), ("", False)],
)
def test_valid_request_ids_are_kept(client: Client, given: str, is_kept: bool) -> None:
    answer = client.send("GET", "/health", x_request_id=given)
    assert (answer.headers["x-request-id"] == given) is is_kept
    assert answer.headers["x-request-id"]


def test_a_token_is_required_where_it_is_set(days: FewDays) -> None:
    app = InProcess(create_application(days, ApiConfig(token=TOKEN)))
    for headers in (
        {},
        {"authorization": "Bearer no"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
    ):
        answer = Client(app, headers).get("/v1/pipelines")
        refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert Client(app, {"authorization": f"bearer {TOKEN}"}).get("/v1/pipelines").status == 200
    for public in ("/health", "/", "/openapi.json"):
        assert Client(app).get(public).status == 200
    refused(Client(app).get("/metrics"), 401)
