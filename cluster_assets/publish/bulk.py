"""Large publications to DynamoDB by StartBulkPutItems: DynamoDB loads files of S3 into an existing table."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.patience import poll
from cluster_assets.domain.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.publish.aws_faults import Calls
    from cluster_assets.publish.items import Pointer
    from cluster_assets.publish.places import Place

_FINAL = ("COMPLETED", "COMPLETED_WITH_ERRORS", "CANCELLED", "FAILED")


@dataclass(frozen=True, slots=True)
class BulkPuts:
    """Puts the items of a publication by one bulk operation.

    Attributes:
        dynamodb: A boto3 client.
        place: Where the input is put; a lifecycle rule of the bucket removes it.
        calls: Retries and messages.
        from_items: Publications of more items are loaded this way, smaller ones in batches.
        seconds: How long an operation may take.
    """

    dynamodb: Any
    bucket: str
    place: Place
    calls: Calls
    from_items: int = 100_000
    seconds: float = 6 * 3600.0

    def put(self, items: Iterable[Mapping[str, Any]], pointer: Pointer, table: str) -> None:
        """Put all items; return when DynamoDB has put them.

        Args:
            items: In DynamoDB's JSON.
            pointer: The publication; it names the input and makes the operation idempotent.
            table: Name of the DynamoDB table.

        Raises:
            PublicationError: S3 or DynamoDB refuses or fails, or an item was not put.
        """
        key = f"{pointer.pipeline}/{pointer.publication}-{pointer.expires}/items.json.gz"
        with TemporaryDirectory(prefix="cluster-assets-publish-") as folder:
            file = Path(folder, "items.json.gz")
            with gzip.open(file, "wt", encoding="utf-8", compresslevel=6) as lines:
                for item in items:
                    lines.write(json.dumps({"Item": item}, ensure_ascii=False) + "\n")
            self.place.replace(key, file, self.place.read(key, 1))
        prefix = self.place.uri(key).removeprefix(f"s3://{self.bucket}/")
        started = self.calls.call(
            lambda: self.dynamodb.start_bulk_put_items(
                ClientToken=f"{pointer.mark.digest}-{pointer.expires}",
                InputS3Configuration={
                    "S3Bucket": self.bucket,
                    "S3KeyPrefix": prefix,
                    "InputFormat": "DYNAMODB_JSON",
                    "InputCompressionType": "GZIP",
                },
                OutputS3Configuration={
                    "S3Bucket": self.bucket,
                    "S3KeyPrefix": f"{prefix}-failures/",
                    "OutputType": ["ERROR"],
                },
                TableName=table,
            )
        )
        self._wait(started["BulkOperationDescription"]["BulkOperationArn"], pointer)

    def _wait(self, arn: str, pointer: Pointer) -> None:
        def look() -> Mapping[str, Any] | None:
            answer = self.calls.call(lambda: self.dynamodb.describe_bulk_operation(BulkOperationArn=arn))
            found: Mapping[str, Any] = answer["BulkOperationDescription"]
            return found if found["BulkOperationStatus"] in _FINAL else None

        ended = poll(look, _sleep, first_s=1.0, longest_s=30.0, seconds=self.seconds)
        if ended is None:
            raise _incomplete(f"has not ended after {self.seconds:.0f} s", arn)
        status, failed = ended["BulkOperationStatus"], int(ended.get("FailedItemCount", 0))
        if status != "COMPLETED" or failed:
            put = f"{int(ended.get('ProcessedItemCount', 0)):,} of {pointer.items:,} items"
            raise _incomplete(f"is {status}: {put}; {ended.get('FailureMessage') or f'{failed} failed'}", arn)


def _incomplete(what: str, arn: str) -> PublicationError:
    return PublicationError(
        f"the bulk operation {what}",
        where=arn,
        remedy="see the failures beside its input on S3, then publish the day again",
    )


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
