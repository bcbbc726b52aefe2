"""Which actions on which resources a call of AWS needs.

Sources: Service Authorization Reference, the pages of Amazon S3, AWS Glue, Amazon Athena, AWS Lambda,
Amazon DynamoDB, Amazon SNS, Amazon SES v2 and Amazon SQS; of
S3's user guide "Required permissions for Amazon S3 API operations"; of Glue's "Specifying AWS Glue resource
ARNs": a call about a table needs its action on the catalog, the database and the table.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from template_document import ACCOUNT, REGION

if TYPE_CHECKING:
    from fault_proxy import Call

Need = tuple[str, str]

# By method and what the query holds; the rest of S3's calls are not ours.
_OF_OBJECT = {
    ("GET", ""): "s3:GetObject",
    ("HEAD", ""): "s3:GetObject",
    ("PUT", ""): "s3:PutObject",
    ("PUT", "uploadId"): "s3:PutObject",
    ("POST", "uploads"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", ""): "s3:DeleteObject",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
}
_OF_BUCKET = {
    ("HEAD", ""): "s3:ListBucket",
    ("GET", "list-type"): "s3:ListBucket",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "location"): "s3:GetBucketLocation",
}
_OF_PARTS = ("uploadId", "uploads", "versionId", "acl", "tagging", "attributes", "restore", "select")
_OF_FUNCTION = {"invocations": "lambda:InvokeFunction", "configuration": "lambda:GetFunctionConfiguration"}


def service_of(call: Call) -> str:
    """The service that a call is signed for."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/aws4_request", call.headers["authorization"])
    assert scope is not None, f"{call.method} {call.path} is not signed"
    return scope[1]


def needs_of(call: Call) -> list[Need]:
    """What a call needs.

    Raises:
        LookupError: It is none that this knows.
    """
    return {
        "s3": _of_s3,
        "glue": _of_glue,
        "athena": _of_athena,
        "lambda": _of_lambda,
        "sts": _of_sts,
        "dynamodb": _of_dynamodb,
        "sns": _of_sns,
        "ses": _of_ses,
        "sqs": _of_sqs,
    }[service_of(call)](call)


def _of_s3(call: Call) -> list[Need]:
    url = urlsplit(call.path)
    bucket, _, key = unquote(url.path).removeprefix("/").partition("/")
    query = parse_qs(url.query, keep_blank_values=True)
    if key:
        part = next((name for name in _OF_PARTS if name in query), "")
        source = unquote(call.headers.get("x-amz-copy-source", "")).removeprefix("/")
        read = [("s3:GetObject", f"arn:aws:s3:::{source}")] if source else []
        return [(_OF_OBJECT[call.method, part], f"arn:aws:s3:::{bucket}/{key}"), *read]
    if (call.method, "delete" in query) == ("POST", True):
        keys = re.findall(r"<Key>([^<]*)</Key>", call.body.decode())
        return [("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{one}") for one in keys]
    part = next((name for name in ("list-type", "uploads", "location") if name in query), "")
    return [(_OF_BUCKET[call.method, part], f"arn:aws:s3:::{bucket}")]


def _of_glue(call: Call) -> list[Need]:
    body: dict[str, Any] = json.loads(call.body)
    database = body.get("DatabaseName") or body["Name"]
    tables = body.get("TablesToDelete") or [body.get("TableName") or body.get("TableInput", {}).get("Name")]
    if "DatabaseName" in body and tables == [None]:
        tables = ["*" if call.target == "GetTables" else body["Name"]]
    glue = f"arn:aws:glue:{REGION}:{ACCOUNT}:"
    resources = ["catalog", f"database/{database}", *(f"table/{database}/{one}" for one in tables if one)]
    return [(f"glue:{call.target}", glue + resource) for resource in resources]


def _of_dynamodb(call: Call) -> list[Need]:
    body: dict[str, Any] = json.loads(call.body or b"{}")
    if not {"TableName", "RequestItems"} & body.keys():
        raise LookupError(f"a call of DynamoDB without a table: {call}")
    tables = [body["TableName"]] if "TableName" in body else list(body["RequestItems"])
    return [
        (f"dynamodb:{call.target}", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}") for name in tables
    ]


def _of_sqs(call: Call) -> list[Need]:
    body: dict[str, Any] = json.loads(call.body)
    # SQS has one permission for single and several messages.
    action = call.target.replace("MessageBatch", "Message")
    return [(f"sqs:{action}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{body['QueueUrl'].rpartition('/')[2]}")]


def _of_athena(call: Call) -> list[Need]:
    # Calls about a query name its id alone; AWS knows the workgroup that ran it.
    group = json.loads(call.body).get("WorkGroup", "primary")
    return [(f"athena:{call.target}", f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{group}")]


def _of_lambda(call: Call) -> list[Need]:
    url = urlsplit(call.path)
    match = re.fullmatch(r"/2015-03-31/functions/([^/]+)/(invocations|configuration)", url.path)
    if match is None:
        raise LookupError(call.path)
    name = ":".join([unquote(match[1]), *parse_qs(url.query).get("Qualifier", [])])
    return [(_OF_FUNCTION[match[2]], f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")]


def _of_sts(call: Call) -> list[Need]:
    if b"Action=GetCallerIdentity" not in call.body:
        raise LookupError(call.body)
    return []  # everybody may ask who he is


def _of_sns(call: Call) -> list[Need]:
    fields = parse_qs(call.body.decode())
    return [(f"sns:{fields['Action'][0]}", fields["TopicArn"][0])]


def _of_ses(call: Call) -> list[Need]:
    if call.path != "/v2/email/outbound-emails":
        raise LookupError(call.path)
    sender = json.loads(call.body)["FromEmailAddress"]
    return [("ses:SendEmail", f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{sender}")]
