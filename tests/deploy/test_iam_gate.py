"""The gate itself: IAM patterns, the mapping of calls to actions, and each service's form of refusal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from api_actions import needs_of
from fault_proxy import Call, FaultProxy
from iam_gate import IamGate
from template_document import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "arn:aws:s3:::lake"
GLUE = "arn:aws:glue:us-east-1:123456789012:"


def call(method: str, path: str, service: str, body: object = b"", target: str = "") -> Call:
    scope = f"AWS4-HMAC-SHA256 Credential=KEY/20130303/us-east-1/{service}/aws4_request, SignedHeaders=host"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(method, path, {"authorization": scope, "x-amz-target": target}, content)


def statement(actions: str, *resources: str) -> Statement:
    return Statement(("Role", "Sid"), tuple(actions.split()), resources)


@pytest.mark.parametrize(
    ("actions", "resource", "allowed"),
    [
        ("s3:GetObject", f"{BUCKET}/warehouse/*", True),
        ("s3:getobject", f"{BUCKET}/warehouse/*", True),
        ("s3:Get*", "*", True),
        ("s3:GetObject", f"{BUCKET}/*", True),
        ("s3:GetObject", f"{BUCKET}/warehouse/", False),
        ("s3:GetObject", BUCKET, False),
        ("s3:GetObject", f"{BUCKET}/Warehouse/*", False),
        ("s3:GetObjectVersion", f"{BUCKET}/warehouse/*", False),
        ("s3:PutObject s3:DeleteObject", f"{BUCKET}/warehouse/*", False),
    ],
)
def test_patterns_are_those_of_iam(actions: str, resource: str, allowed: bool) -> None:
    judged = statement(actions, resource).allows("s3:GetObject", f"{BUCKET}/warehouse/a/b.parquet")
    assert judged is allowed


@pytest.mark.parametrize(
    ("seen", "needs"),
    [
        (call("HEAD", "/lake/a%20b", "s3"), [("s3:GetObject", f"{BUCKET}/a b")]),
        (call("PUT", "/lake/k?partNumber=1&uploadId=u", "s3"), [("s3:PutObject", f"{BUCKET}/k")]),
        (call("POST", "/lake/k?uploads", "s3"), [("s3:PutObject", f"{BUCKET}/k")]),
        (call("DELETE", "/lake/k?uploadId=u", "s3"), [("s3:AbortMultipartUpload", f"{BUCKET}/k")]),
        (call("GET", "/lake?list-type=2&prefix=a%2F", "s3"), [("s3:ListBucket", BUCKET)]),
        (call("HEAD", "/lake", "s3"), [("s3:ListBucket", BUCKET)]),
        (
            call("POST", "/lake?delete", "s3", b"<Object><Key>a</Key></Object><Object><Key>b</Key></Object>"),
            [("s3:DeleteObject", f"{BUCKET}/a"), ("s3:DeleteObject", f"{BUCKET}/b")],
        ),
        (
            call("POST", "/", "glue", {"DatabaseName": "d", "Name": "t"}, "AWSGlue.GetTable"),
            [("glue:GetTable", GLUE + place) for place in ("catalog", "database/d", "table/d/t")],
        ),
        (
            call("POST", "/", "glue", {"DatabaseName": "d"}, "AWSGlue.GetTables"),
            [("glue:GetTables", GLUE + place) for place in ("catalog", "database/d", "table/d/*")],
        ),
        (
            call("POST", "/", "glue", {"Name": "d"}, "AWSGlue.GetDatabase"),
            [("glue:GetDatabase", GLUE + place) for place in ("catalog", "database/d")],
        ),
        (
            call("POST", "/2015-03-31/functions/f/invocations?Qualifier=3", "lambda"),
            [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:f:3")],
        ),
        (call("POST", "/", "sts", b"Action=GetCallerIdentity&Version=2011-06-15"), []),
    ],
    ids=lambda value: f"{value.method} {value.path} {value.target}" if isinstance(value, Call) else "",
)  # fmt: skip
def test_what_calls_need(seen: Call, needs: list[tuple[str, str]]) -> None:
    assert needs_of(seen) == needs


@pytest.mark.parametrize(
    "unknown",
    [
        call("PUT", "/lake?policy", "s3"),
        call("GET", "/lake?acl", "s3"),
        call("GET", "/lake/key?versionId=1", "s3"),
        call("POST", "/", "sts", b"Action=AssumeRole"),
        call("GET", "/2015-03-31/functions/f", "lambda"),
        call("POST", "/", "dynamodb"),
    ],
    ids=lambda value: value.path,
)
def test_an_unknown_call_is_reported(unknown: Call) -> None:
    with pytest.raises(LookupError):
        needs_of(unknown)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Behind the gate nothing is ever found."""
    monkeypatch.setattr(FaultProxy, "pass_on", lambda *_: (404, [], b"<Error><Code>NoSuchKey</Code></Error>"))
    return iter(())


def judged(policy: tuple[Statement, ...], seen: Call) -> tuple[int, IamGate]:
    gate = IamGate("http://127.0.0.1:9", policy=policy)
    answer = gate.pass_on(seen)
    gate._server.server_close()
    assert answer is not None
    return answer[0], gate


def test_only_who_may_list_learns_that_an_object_is_missing(missing: None) -> None:
    read, names = statement("s3:GetObject", f"{BUCKET}/*"), statement("s3:ListBucket", BUCKET)
    assert judged((read, names), call("GET", "/lake/k", "s3"))[0] == 404
    status, gate = judged((read,), call("GET", "/lake/k", "s3"))
    assert (status, gate.refused) == (403, [("s3:ListBucket", BUCKET)])


def test_all_that_a_call_needs_must_be_allowed(missing: None) -> None:
    seen = call("POST", "/", "glue", {"DatabaseName": "d", "Name": "t"}, "AWSGlue.GetTable")
    table = statement("glue:GetTable", f"{GLUE}database/d", f"{GLUE}table/d/*")
    status, gate = judged((table,), seen)
    assert (status, gate.refused) == (400, [("glue:GetTable", f"{GLUE}catalog")])
    assert not gate.used
    whole = statement("glue:GetTable", f"{GLUE}catalog", f"{GLUE}database/d", f"{GLUE}table/d/*")
    assert judged((whole,), seen)[1].used.keys() == {("Role", "Sid", "glue:GetTable")}
