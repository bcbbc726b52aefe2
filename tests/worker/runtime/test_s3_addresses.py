"""Addresses on S3, with a hand-written client that keeps objects in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lambda_worker.contract import ClusterReply
from lambda_worker.handler import handler
from lambda_worker.runtime import storage

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeS3:
    """The two calls the worker makes."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.copies: list[Path] = []
        self.error: str | None = None

    def download_file(self, bucket: str, key: str, filename: str) -> None:
        code = self.error or (None if (bucket, key) in self.objects else "404")
        if code:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "HeadObject")
        self.copies.append(Path(filename))
        Path(filename).write_bytes(self.objects[bucket, key])

    def upload_file(self, filename: str, bucket: str, key: str, ExtraArgs: Any, Config: Any) -> None:  # noqa: N803
        assert ExtraArgs == {"ChecksumAlgorithm": "SHA256"}, "no key and no owner is set"
        assert Config.multipart_threshold == 5 * 1024**3
        self.copies.append(Path(filename))
        self.objects[bucket, key] = Path(filename).read_bytes()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    fake = FakeS3()
    monkeypatch.setattr(storage, "s3_client", lambda: fake)
    return fake


@pytest.fixture
def event(new_day: Callable[[], Any], s3: FakeS3) -> dict[str, Any]:
    day = new_day()
    day.add_points([0, 1, 2], [1, 1, 1])
    day.add_pairs([(0, 1)])
    s3.objects["lake", "d/points.parquet"] = Path(day.points[0]).read_bytes()
    s3.objects["lake", "d/candidates.parquet"] = Path(day.candidates[0]).read_bytes()
    event: dict[str, Any] = day.event(type="dbscan", min_samples=2)
    return event | {
        "points": ["s3://lake/d/points.parquet"],
        "candidates": ["s3://lake/d/candidates.parquet"],
        "output": "s3://lake/out/labels.parquet",
    }


def test_inputs_and_output_travel_through_s3_and_leave_no_copy(s3: FakeS3, event: dict[str, Any]) -> None:
    reply = ClusterReply.from_json(handler(event, None))
    assert (reply.ok, reply.rows, reply.clusters) == (True, 3, 1)
    assert reply.bytes == len(s3.objects["lake", "out/labels.parquet"])
    assert len(s3.copies) >= 3
    assert [path for path in s3.copies if path.parent.exists()] == []


def test_a_missing_object_is_refused_by_name(s3: FakeS3, event: dict[str, Any]) -> None:
    del s3.objects["lake", "d/candidates.parquet"]
    reply = ClusterReply.from_json(handler(event, None))
    assert (reply.ok, reply.error_type) == (False, "InputError")
    assert "s3://lake/d/candidates.parquet" in reply.error
    assert ("lake", "out/labels.parquet") not in s3.objects


def test_another_s3_failure_is_raised_so_that_it_can_be_retried(s3: FakeS3, event: dict[str, Any]) -> None:
    s3.error = "SlowDown"
    with pytest.raises(ClientError, match="SlowDown"):
        handler(event, None)
    assert [path for path in s3.copies if path.parent.exists()] == []
