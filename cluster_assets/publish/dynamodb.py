"""The items of target `dynamodb` in a DynamoDB table with the partition key `pk` and the TTL `expires`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cluster_assets.backends.aws.faults import code_of
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import PublicationError
from cluster_assets.publish.items import EXPIRES, KEY, read_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.publish.aws_faults import Calls
    from cluster_assets.publish.bulk import BulkPuts
    from cluster_assets.publish.items import Pointer

BATCH_ITEMS = 25
"""DynamoDB's maximum of one BatchWriteItem; 25 items of 400 KB also fit its 16 MB."""
# `Pointer.replaces` as a condition.
_REPLACES = (
    f"attribute_not_exists({KEY}) OR publication < :ours OR {EXPIRES} <= :now"
    " OR (#day = :day AND #table <> :table)"
)
_SAMPLE = 100  # items of one BatchGetItem


class DynamoDbItems:
    """An `ItemStore` in DynamoDB.

    Args:
        dynamodb: A boto3 client that tries each call once.
        table: Name of the table.
        calls: Retries and messages.
        bulk: Loads publications that are too large for batches; None loads all in batches.
    """

    def __init__(self, dynamodb: Any, table: str, calls: Calls, bulk: BulkPuts | None = None) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._calls = calls
        self._bulk = bulk
        self.address = f"dynamodb://{table}"

    def pointer(self, pipeline: str) -> Pointer | None:
        """Return the pointer of a pipeline, read consistently; None if there is none.

        Raises:
            PublicationError: DynamoDB refuses or keeps failing, or the item is not a pointer.
        """
        request = {"TableName": self._table, "Key": {KEY: {"S": pipeline}}, "ConsistentRead": True}
        found = self._calls.call(lambda: self._dynamodb.get_item(**request)).get("Item")
        if found is None:
            return None
        return read_pointer({name: next(iter(value.values())) for name, value in found.items()}, self.address)

    def write(self, items: Iterator[dict[str, Any]], pointer: Pointer) -> None:
        """Write items in batches, or by a bulk operation where there are many.

        What DynamoDB does not take of a batch because of its throughput limits is sent again, later.

        Raises:
            PublicationError: DynamoDB refuses or keeps failing.
        """
        if self._bulk is not None and pointer.items > self._bulk.from_items:
            self._bulk.put(map(attributes_of, items), pointer, self._table)
            return
        while batch := list(islice(items, BATCH_ITEMS)):
            self._put([{"PutRequest": {"Item": attributes_of(item)}} for item in batch])

    def flip(self, pointer: Pointer, now: int) -> bool:
        """Move the pointer if it `replaces` the one that is there, by a conditional put.

        Raises:
            PublicationError: DynamoDB refuses or keeps failing.
        """
        request = {
            "TableName": self._table,
            "Item": attributes_of(pointer.attributes),
            "ConditionExpression": _REPLACES,
            "ExpressionAttributeNames": {"#day": "day", "#table": "table"},  # reserved words
            "ExpressionAttributeValues": {
                ":ours": {"S": pointer.publication},
                ":now": {"N": str(now)},
                ":day": {"S": pointer.day},
                ":table": {"S": pointer.table},
            },
        }
        try:
            self._calls.call(lambda: self._dynamodb.put_item(**request))
        except PublicationError as error:
            # If the answer to our own put was lost, the publication finds its pointer when it looks again.
            if code_of(error.__cause__) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def count(self, pointer: Pointer, keys: Iterator[str]) -> int:
        """Look up a hundred items at equal steps, because DynamoDB counts only by a scan.

        Raises:
            PublicationError: DynamoDB refuses or keeps failing.
        """
        step = max(1, -(-pointer.items // _SAMPLE))
        wanted = {key for number, key in enumerate(keys) if number % step == 0}
        left = [{KEY: {"S": key}} for key in wanted]
        found = 0

        def get() -> None:
            nonlocal left, found
            request = {self._table: {"Keys": left, "ProjectionExpression": KEY, "ConsistentRead": True}}
            answer = self._dynamodb.batch_get_item(RequestItems=request)
            found += len(answer["Responses"].get(self._table, ()))
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if left:
                raise _throttled("BatchGetItem", len(left))

        if left:
            self._calls.call(get)
        return pointer.items if found == len(wanted) else pointer.items - (len(wanted) - found)

    def _put(self, requests: list[dict[str, Any]]) -> None:
        left = requests

        def put() -> None:
            nonlocal left
            answer = self._dynamodb.batch_write_item(RequestItems={self._table: left})
            left = answer.get("UnprocessedItems", {}).get(self._table, [])
            if left:
                raise _throttled("BatchWriteItem", len(left))

        self._calls.call(put)


def attributes_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item in DynamoDB's JSON.

    >>> attributes_of({"pk": "a", "x": 0.5, "near": ["b"]})
    {'pk': {'S': 'a'}, 'x': {'N': '0.5'}, 'near': {'L': [{'S': 'b'}]}}
    """
    return {name: _attribute(value) for name, value in item.items()}


def _attribute(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, list):
        return {"L": [_attribute(one) for one in value]}
    return {"S": str(value)}


def _throttled(operation: str, left: int) -> ClientError:
    message = f"{counted(left, 'item')} not processed: the table's write or read throughput is used up"
    error = {"Code": "ProvisionedThroughputExceededException", "Message": message}
    return ClientError({"Error": error}, operation)
