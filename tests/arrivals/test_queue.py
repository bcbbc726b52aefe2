"""Arrivals through S3 -> EventBridge -> SQS (moto, over HTTP): no day is lost, none is computed twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from arrival_daemon import ATTRIBUTES, Daemon

from cluster_assets.arrivals.announcements import Cursor, Marker, MarkerFiles
from cluster_assets.arrivals.queue import MarkerQueue
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import QueueError, SpecError
from cluster_assets.opening import open_announcements
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arrival_daemon import Lake as Folder
    from athena_lake import Lake

    from cluster_assets.backends.ports import Backend

BUCKET = "arrivals-of-the-tests"
MARKER = Marker(f"s3://{BUCKET}/visits/day={{day}}/_SUCCESS")
D1, D2, D3 = "2026-01-01", "2026-01-02", "2026-01-03"
QUICK = Patience(attempts=2, seconds=1, first_wait_s=0.01, longest_wait_s=0.01)


@dataclass
class Bucket:
    """A bucket whose events reach the queue of one pipeline."""

    s3: Any
    sqs: Any
    queue: str

    def put(self, key: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")

    def mark(self, day: str) -> None:
        self.put(f"visits/day={day}/_SUCCESS")

    def messages(self) -> int:
        """Messages that are in the queue, seen or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def show_again(self, receipts: Sequence[str]) -> None:
        """The time in which received messages are hidden is over."""
        for receipt in receipts:
            self.sqs.change_message_visibility(
                QueueUrl=self.queue, ReceiptHandle=receipt, VisibilityTimeout=0
            )


@pytest.fixture
def bucket(athena_servers: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in athena_servers.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", athena_servers.environment["AWS_ENDPOINT_URL_S3"])
    s3, sqs, events = (boto3.client(name) for name in ("s3", "sqs", "events"))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    queue = sqs.create_queue(QueueName="arrivals-visits")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [BUCKET]}},
    }
    events.put_rule(Name="arrivals", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="arrivals", Targets=[{"Id": "queue", "Arn": arn}])
    yield Bucket(s3, sqs, queue)
    events.remove_targets(Rule="arrivals", Ids=["queue"])
    events.delete_rule(Name="arrivals")
    sqs.delete_queue(QueueUrl=queue)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", ()):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    for client in (s3, sqs, events):
        client.close()


@pytest.fixture
def daemon(bucket: Bucket, spec: PipelineSpec, backend: Backend) -> Daemon:
    return Daemon(spec, backend, MarkerQueue(bucket.sqs, bucket.queue, MARKER, QUICK))


def test_an_event_is_removed_once_its_day_is_remembered(lake: Folder, bucket: Bucket, daemon: Daemon) -> None:
    lake.write(D1)
    bucket.mark(D1)
    assert daemon.tick() == [D1]
    assert bucket.messages() == 1, "the cursor was saved after the messages were received"
    daemon.run(D1)
    assert daemon.tick() == []
    assert bucket.messages() == 0
    assert daemon.cursor == Cursor()


def test_a_daemon_killed_before_its_cursor_was_saved_gets_the_event_again(
    lake: Folder, bucket: Bucket, daemon: Daemon
) -> None:
    lake.write(D1)
    bucket.mark(D1)
    killed = daemon.look()
    assert [request.day.key for request in killed.requests] == [D1]
    assert daemon.tick() == [], "the message is hidden still"
    bucket.show_again(killed.cursor.receipts)
    daemon.lease /= 1e9  # and the lease of the killed one is over
    assert daemon.tick() == [D1]
    daemon.run(D1)
    assert daemon.tick() == []
    assert bucket.messages() == 0
    assert daemon.computed("clusters", D1) == 1


def test_a_preview_leaves_every_message_to_the_daemon(lake: Folder, bucket: Bucket, daemon: Daemon) -> None:
    lake.write(D1)
    bucket.mark(D1)
    seen = daemon.look(is_preview=True)
    assert seen.requests == ()
    assert "a preview receives no messages of the queue" in " ".join(seen.notes)
    assert bucket.messages() == 1
    assert daemon.tick() == [D1]
    daemon.look(is_preview=True)
    assert bucket.messages() == 1, "the message is removed by the next tick, which has the saved cursor"


def test_duplicates_other_objects_and_late_data(lake: Folder, bucket: Bucket, daemon: Daemon) -> None:
    for day in (D3, D1, D2):
        lake.write(day)
        bucket.put(f"visits/day={day}/part-0.parquet")
        bucket.mark(day)
        bucket.mark(day)
    bucket.put("elsewhere/_SUCCESS")
    look = daemon.look()
    assert look.notes == ("4 messages of other objects",)
    daemon.run(*daemon.record(look))
    assert [daemon.computed("clusters", day) for day in (D1, D2, D3)] == [1, 1, 1]
    bucket.mark(D2)
    assert daemon.tick() == []
    lake.write(D2, "late")
    bucket.mark(D2)
    assert daemon.tick() == [D2]
    daemon.run(D2)
    assert daemon.tick() == []
    assert bucket.messages() == 0
    assert daemon.computed("clusters", D2) == 2


def test_two_daemons_of_one_queue(
    lake: Folder, bucket: Bucket, daemon: Daemon, spec: PipelineSpec, backend: Backend
) -> None:
    other = Daemon(spec, backend, MarkerQueue(bucket.sqs, bucket.queue, MARKER, QUICK))
    for day in (D1, D2):
        lake.write(day)
        for _ in range(12):
            bucket.mark(day)
    asked = daemon.tick() + other.tick()
    assert asked == [D1, D2]
    daemon.run(*asked)
    assert daemon.tick() + other.tick() == []
    assert bucket.messages() == 0


def test_a_message_that_is_no_event_is_left_to_the_redrive_policy(
    lake: Folder, bucket: Bucket, daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody="password=hunter2, no JSON")
    lake.write(D1)
    bucket.mark(D1)
    assert daemon.tick() == [D1]
    daemon.tick()
    assert bucket.messages() == 1
    assert "is no S3 event" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_queue_that_does_not_exist_is_named(bucket: Bucket) -> None:
    queue = MarkerQueue(bucket.sqs, f"{bucket.queue}-other", MARKER, QUICK)
    with pytest.raises(QueueError, match="no such queue") as raised:
        queue.since(Cursor())
    assert str(raised.value.where).endswith("arrivals-visits-other")


def test_which_announcements_a_target_has(
    bucket: Bucket, spec: PipelineSpec, home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(open_announcements(load_settings(), spec), MarkerFiles)
    raw = {"files": f"s3://{BUCKET}/visits/day=*/*.parquet", "partition_column": "day"}
    on_s3 = PipelineSpec.model_validate(ATTRIBUTES | {"raw": raw, "arrivals": {}})
    with pytest.raises(SpecError, match="target local cannot see s3://"):
        open_announcements(load_settings(), on_s3)
    monkeypatch.setenv("CLUSTER_TARGET", "aws")
    with pytest.raises(SpecError, match="target aws cannot see /"):
        open_announcements(load_settings(), spec)
    with pytest.raises(SpecError, match="CLUSTER_AWS_ARRIVALS_QUEUE_URL"):
        open_announcements(load_settings(), on_s3)
    monkeypatch.setenv("CLUSTER_AWS_ARRIVALS_QUEUE_URL", bucket.queue)
    with pytest.raises(SpecError, match="CLUSTER_AWS_ARRIVALS_QUEUE_URL"):
        load_settings()
    template = bucket.queue.replace("visits", "{pipeline}")
    monkeypatch.setenv("CLUSTER_AWS_ARRIVALS_QUEUE_URL", template)
    bucket.mark(D1)
    announced = open_announcements(load_settings(), on_s3).since(Cursor())
    assert {day.key for day in announced.days} == {D1}
