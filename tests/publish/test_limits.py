"""The limits of DynamoDB: refused by name before anything is written, or kept by what loads the items."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cases import BUCKET, CASES, Setting
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import PublicationError, TargetUnavailableError
from cluster_assets.publish.aws_faults import Calls
from cluster_assets.publish.bulk import BulkPuts
from cluster_assets.publish.dynamodb import BATCH_ITEMS, DynamoDbItems, attributes_of
from cluster_assets.publish.items import KEY_BYTES, ItemsTarget, Pointer, item_bytes
from cluster_assets.publish.places import S3Place
from cluster_assets.publish.target import Mark

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"pk": "k" * (KEY_BYTES + 1)}, "2,048 bytes of a partition key"),
        ({"pk": "é" * (KEY_BYTES // 2 + 1)}, "2,048 bytes of a partition key"),
        ({"pk": "k", "tokens": ["t" * 1000] * 420}, "409,600 bytes of an item"),
        ({"pk": "k", "x": 1e300}, "lies outside DynamoDB's range"),
        ({"pk": "k", "x": [-1e-200]}, "lies outside DynamoDB's range"),
        ({"pk": "k", "x": float("nan")}, "is no number"),
        ({"pk": "k", "x": float("inf")}, "lies outside DynamoDB's range"),
    ],
)
def test_an_item_beyond_a_limit_is_refused_by_its_name(item: dict[str, Any], said: str) -> None:
    with pytest.raises(PublicationError, match=said):
        item_bytes(item, "dynamodb://serving")


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1)))
)
def test_the_size_is_never_below_that_of_the_texts(row: dict[str, Any]) -> None:
    item = row | {"pk": "demo#1#e"}
    texts = [part for name, value in item.items() for part in (name, value) if isinstance(part, str)]
    assert item_bytes(item, "") >= sum(len(text.encode()) for text in texts)


def test_a_row_beyond_a_limit_stops_the_publication_before_its_first_item(setting: Setting) -> None:
    case = CASES["items_in_sqlite"](setting)
    case.warehouse.commit("2013-03-04", 30, cluster=1)
    first = case.target().publish(case.table_day("2013-03-04"))
    assert first.outcome == "written"
    case.warehouse.commit("2013-03-04", 40, cluster=2, suffix="x" * 2100)
    with pytest.raises(PublicationError, match="partition key"):
        case.target().publish(case.table_day("2013-03-04"))
    assert len(case.read("clusters", "2013-03-04") or ()) == 30


@pytest.mark.parametrize("name", ["items_in_sqlite", "items_in_dynamodb"])
def test_another_table_takes_the_place_and_what_expired_counts_as_gone(setting: Setting, name: str) -> None:
    case = CASES[name](setting)
    case.warehouse.commit("2013-03-04", 30, cluster=1)
    clusters, lineage = case.table_day("2013-03-04"), case.table_day("2013-03-04", "lineage")
    for table in (clusters, lineage, clusters):
        assert case.target().publish(table).outcome == "written"
        assert case.target().count(table) == table.rows
    case.warehouse.commit("2013-03-03", 10, cluster=1)
    older = case.table_day("2013-03-03")
    assert case.target().publish(older).outcome == "superseded"
    store = case.target()._store  # type: ignore[attr-defined]
    later = ItemsTarget(store, keep_days=7, clock=lambda: time.time() + 8 * 86_400)
    assert later.count(clusters) is None
    assert later.publish(older).outcome == "written"
    assert later.count(older) == 10


def test_a_locked_file_is_a_target_that_does_not_answer(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["items_in_sqlite"](setting)
    case.warehouse.commit("2013-03-04", 30, cluster=1)
    address = case.target().publish(case.table_day("2013-03-04")).address
    case.warehouse.commit("2013-03-04", 40, cluster=2)
    monkeypatch.setattr("cluster_assets.publish.sqlite_items._WAIT_S", 0.01)
    with closing(sqlite3.connect(address, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TargetUnavailableError, match="locked"):
            case.target().publish(case.table_day("2013-03-04"))
    assert len(case.read("clusters", "2013-03-04") or ()) == 30


class BulkStub:
    """DynamoDB with StartBulkPutItems, which no emulator has: it puts what the input on S3 holds.

    What it answers follows the service's model in botocore.
    """

    def __init__(self, dynamodb: Any, s3: Any, *, loses: int = 0) -> None:
        self._dynamodb, self._s3, self._loses = dynamodb, s3, loses
        self.started: dict[str, Mapping[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dynamodb, name)

    def batch_write_item(self, **_: Any) -> None:
        raise AssertionError("a large publication goes in bulk")

    def start_bulk_put_items(self, **request: Any) -> Mapping[str, Any]:
        shape = self._dynamodb.meta.service_model.operation_model("StartBulkPutItems").input_shape
        assert set(shape.required_members) <= set(request) <= set(shape.members)
        source = request["InputS3Configuration"]
        assert (source["InputFormat"], source["InputCompressionType"]) == ("DYNAMODB_JSON", "GZIP")
        body = self._s3.get_object(Bucket=source["S3Bucket"], Key=source["S3KeyPrefix"])["Body"].read()
        items = [json.loads(line)["Item"] for line in gzip.decompress(body).splitlines()]
        put = items[: len(items) - self._loses]
        for start in range(0, len(put), BATCH_ITEMS):
            requests = [{"PutRequest": {"Item": item}} for item in put[start : start + BATCH_ITEMS]]
            self._dynamodb.batch_write_item(RequestItems={request["TableName"]: requests})
        arn = f"arn:bulk/{request['ClientToken']}"
        state = "COMPLETED_WITH_ERRORS" if self._loses else "COMPLETED"
        self.started[arn] = {
            "BulkOperationArn": arn,
            "BulkOperationStatus": state,
            "ProcessedItemCount": len(put),
            "FailedItemCount": self._loses,
        }
        return {"BulkOperationDescription": self.started[arn] | {"BulkOperationStatus": "IN_PROGRESS"}}

    def describe_bulk_operation(self, *, BulkOperationArn: str) -> Mapping[str, Any]:  # noqa: N803
        return {"BulkOperationDescription": self.started[BulkOperationArn]}


@pytest.mark.parametrize("loses", [0, 1])
def test_a_large_publication_goes_in_bulk_and_counts(setting: Setting, loses: int) -> None:
    case = CASES["items_in_dynamodb"](setting)
    server, s3, prefix = setting.aws()
    name = case.publish["dynamodb"]["address"].removeprefix("dynamodb://")
    calls = Calls("S3", "there", "create it", "all", Patience(attempts=2, seconds=1))
    place = S3Place(s3, BUCKET, prefix, calls)
    stub = BulkStub(server.client("dynamodb"), s3, loses=loses)
    items = DynamoDbItems(stub, name, calls, BulkPuts(stub, BUCKET, place, calls, from_items=50))
    pointer = Pointer("demo", "2013-03-04", Mark(1, "0" * 16), "clusters", 60, 2_000_000_000)
    rows = [{"pk": f"demo#{pointer.publication}#e{i}", "n": i, "expires": 2_000_000_000} for i in range(60)]
    if loses:
        with pytest.raises(PublicationError, match="COMPLETED_WITH_ERRORS: 59 of 60 items; 1 failed"):
            items.write(iter(rows), pointer)
        return
    items.write(iter(rows), pointer)
    assert items.flip(pointer, now=0)
    assert items.count(pointer, (row["pk"] for row in rows)) == 60
    assert items.count(pointer, iter(["demo#gone"])) == 59


def test_attributes_keep_numbers_as_they_are() -> None:
    assert attributes_of({"a": 0.1, "b": -(2**63), "c": True, "d": ["x", 1.5]}) == {
        "a": {"N": "0.1"},
        "b": {"N": str(-(2**63))},
        "c": {"BOOL": True},
        "d": {"L": [{"S": "x"}, {"N": "1.5"}]},
    }
