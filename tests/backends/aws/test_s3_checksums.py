"""Files are sealed by what S3 has on record or computes itself; a changed byte is found all the same."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from athena_lake import BUCKET, PAIR, statement
from botocore.config import Config
from fault_proxy import Fault

from cluster_assets.backends.aws import store as module
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.stages.ledger.damage import find_damage
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from lambda_worker.runtime import storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from athena_lake import Lake
    from fault_proxy import Call, FaultProxy

    from cluster_assets.backends.aws.store import S3Store
    from cluster_assets.domain.manifests import Manifest

DAY = parse_day("2013-03-03")
PART = 5 << 20  # the least size of a part that is not the last one
BODY = b"rows that Athena wrote"
IN_PARTS = b"a" * PART + b"b"
BEFORE = dt.datetime(2013, 3, 4, tzinfo=dt.UTC)
AFTER = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


@pytest.fixture
def store(make: Callable[..., S3Store]) -> S3Store:
    return make()


def downloaded(proxy: FaultProxy) -> list[Call]:
    """Calls that read an object."""
    return [call for call in proxy.calls if call.method == "GET" and "list-type" not in call.path]


def methods(proxy: FaultProxy) -> list[str]:
    return [call.method for call in proxy.calls]


def place_of(store: S3Store, key: str) -> dict[str, str]:
    return {"Bucket": BUCKET, "Key": store.uri(key).removeprefix(f"s3://{BUCKET}/")}


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def put(lake: Lake, place: dict[str, str], checksum: str, body: bytes = BODY) -> bytes:
    """Store an object past the proxy with a checksum of the whole, of its parts, or with none."""
    algorithm, _, of_parts = checksum.partition(" ")
    if algorithm == "none":
        with lake.environment_set():
            s3 = boto3.client("s3", config=Config(request_checksum_calculation="when_required"))
        s3.put_object(**place, Body=body, ContentType="text/x-athena")
        s3.close()
    elif of_parts:
        body = IN_PARTS
        put_in_parts(lake.s3, place, body, algorithm)
    else:
        lake.s3.put_object(**place, Body=body, ChecksumAlgorithm=algorithm, ContentType="text/x-athena")
    return body


def put_in_parts(s3: Any, place: dict[str, str], body: bytes, algorithm: str) -> None:
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm=algorithm, ContentType="text/x-athena")
    upload, parts = {**place, "UploadId": begun["UploadId"]}, []
    for number, part in enumerate((body[:PART], body[PART:]), start=1):
        done = s3.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm=algorithm)
        named = {name: done[name] for name in ("ETag", f"Checksum{algorithm}")}
        parts.append({"PartNumber": number, **named})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize(
    ("checksum", "calls"),
    [
        ("SHA256", ["HEAD"]),
        ("SHA256 of parts", ["HEAD", "PUT"]),
        ("CRC32", ["HEAD", "PUT"]),
        ("CRC32 of parts", ["HEAD", "PUT"]),
        ("none", ["HEAD", "PUT"]),
    ],
)
def test_sealing_downloads_nothing(
    checksum: str, calls: list[str], store: S3Store, proxy: FaultProxy, athena_lake: Lake
) -> None:
    place = place_of(store, "a/b.parquet")
    body = put(athena_lake, place, checksum)
    digest = sha256(body)
    assert store.seal("a/b.parquet") == digest
    assert methods(proxy) == calls
    # From here on it is on record, for readers, `verify` and another run.
    for read in (store.digest, store.seal):
        proxy.calls.clear()
        assert read("a/b.parquet") == digest
        assert methods(proxy) == ["HEAD"]
    assert store.is_intact("a/b.parquet", digest, BEFORE)
    assert not downloaded(proxy)
    assert athena_lake.get(store.uri("a/b.parquet")) == body
    assert athena_lake.s3.head_object(**place)["ContentType"] == "text/x-athena"


def test_a_digest_is_read_where_none_is_on_record_and_nothing_is_written(
    store: S3Store, proxy: FaultProxy, athena_lake: Lake
) -> None:
    for number, checksum in enumerate(("none", "SHA256 of parts")):
        body = put(athena_lake, place_of(store, f"k{number}"), checksum)
        proxy.calls.clear()
        assert store.digest(f"k{number}") == sha256(body)
        assert methods(proxy) == ["HEAD", "GET"]


def test_an_object_that_s3_cannot_copy_is_read(
    store: S3Store, proxy: FaultProxy, athena_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(athena_lake, place_of(store, "as large"), "none", b"x" * 1000)
    put(athena_lake, place_of(store, "larger"), "none", b"x" * 1001)
    monkeypatch.setattr(module, "_LARGEST_COPY", 1000)
    assert store.seal("as large") == sha256(b"x" * 1000)
    assert not downloaded(proxy)
    proxy.calls.clear()
    assert store.seal("larger") == sha256(b"x" * 1001)
    assert set(methods(proxy)) == {"HEAD", "GET"}


def test_a_store_that_does_not_compute_is_read(store: S3Store, proxy: FaultProxy, athena_lake: Lake) -> None:
    body = put(athena_lake, place_of(store, "a"), "none")
    answer = "<CopyObjectResult><ETag>1</ETag></CopyObjectResult>"
    proxy.faults.append(Fault(lambda call: call.method == "PUT", answer=(200, answer)))
    assert store.seal("a") == sha256(body)
    assert len(downloaded(proxy)) == 1


def test_a_seal_whose_answer_got_lost_is_repeated(
    store: S3Store, proxy: FaultProxy, athena_lake: Lake
) -> None:
    body = put(athena_lake, place_of(store, "a"), "CRC32 of parts")
    proxy.faults.append(Fault(lambda call: call.method == "PUT", times=2, lose=True))
    # S3 may fail a copy that it has begun: then the answer is 200 all the same.
    failed = (200, "<Error><Code>InternalError</Code><Message>We failed</Message></Error>")
    proxy.faults.append(Fault(lambda call: call.method == "PUT", answer=failed))
    assert store.seal("a") == sha256(body)
    assert methods(proxy) == ["HEAD", *["PUT"] * 4]


@pytest.mark.parametrize("checksum", ["SHA256", "CRC32", "none"])
def test_a_replaced_object_is_not_intact(
    checksum: str, store: S3Store, athena_lake: Lake, proxy: FaultProxy
) -> None:
    place = place_of(store, "a")
    put(athena_lake, place, "none", b"as it was")
    digest = store.seal("a")
    put(athena_lake, place, checksum, b"as it is.")
    assert not store.is_intact("a", digest, BEFORE)
    assert len(downloaded(proxy)) == (checksum != "SHA256")
    assert store.digest("a") == sha256(b"as it is.")


def test_files_of_days_before_seals_are_left_to_s3(
    store: S3Store, athena_lake: Lake, proxy: FaultProxy, make: Callable[..., S3Store]
) -> None:
    put(athena_lake, place_of(store, "old"), "none", b"rows")
    assert store.is_intact("old", sha256(b"rows"), AFTER)
    assert methods(proxy) == ["HEAD"]
    assert make(verify=False).is_intact("old", "of other bytes", BEFORE)
    assert methods(proxy) == ["HEAD"]


@pytest.mark.parametrize("mebibytes", [0, 9])  # boto3 sends files of 8 MiB in parts unless told otherwise
def test_workers_upload_with_a_checksum_of_the_whole(
    mebibytes: int,
    store: S3Store,
    athena_lake: Lake,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "s3_client", lambda: athena_lake.s3)
    body = b"labels" + bytes(mebibytes << 20)
    storage.put_small(store.uri("labels.parquet"), body)
    assert store.seal("labels.parquet") == sha256(body)
    assert methods(proxy) == ["HEAD"]


@pytest.fixture
def ledger(store: S3Store, athena_lake: Lake) -> Ledger:
    return Ledger(store, athena_lake.catalog(store), "attackers")


@pytest.fixture
def published(
    ledger: Ledger, store: S3Store, athena_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Manifest:
    """A day with three files by Athena and a document by the worker."""
    attempt = ledger.start_attempt("points", DAY)
    athena_lake.wire.statements.files_per_write = 3
    rows = athena_lake.parquet("SELECT i AS k, i * 0.5e0 AS v FROM range(100) AS t(i)", tmp_path)
    query, prefix = statement("SELECT k, v FROM t"), attempt.prefix_uri("pair")
    written = athena_lake.shared_engine.unload(query, {"t": rows}, PAIR, prefix)
    monkeypatch.setattr(storage, "s3_client", lambda: athena_lake.s3)
    index = WrittenFile(f"{attempt.uri}/index.bin", rows=0, bytes=5)
    storage.put_small(index.uri, b"index")
    tables = {"pair": (PAIR, written.files)}
    return ledger.commit(
        Draft("points", DAY, attempt, "digest", {"raw": "digest"}, tables, documents={"index.bin": index})
    )


def test_a_day_is_sealed_without_reading_its_files(
    published: Manifest, ledger: Ledger, store: S3Store, athena_lake: Lake, proxy: FaultProxy
) -> None:
    assert len(published.files) == 4
    data = {place_of(store, file.key)["Key"] for file in published.files}
    read = {call.path.partition("?")[0].removeprefix(f"/{BUCKET}/") for call in downloaded(proxy)}
    assert not data & {path.replace("%3D", "=") for path in read}
    for file in published.files:
        body = athena_lake.get(store.uri(file.key))
        assert (len(body), sha256(body)) == (file.bytes, file.digest)
    assert len(ledger.uris(published, "pair")) == 3
    assert find_damage(store, published) == []


@pytest.mark.parametrize("checksum", ["SHA256", "none"])
def test_readers_and_verify_find_a_flipped_bit(
    checksum: str, published: Manifest, ledger: Ledger, store: S3Store, athena_lake: Lake
) -> None:
    for file, use in (
        (published.tables["pair"].files[1], lambda: ledger.relation(published, "pair")),
        (published.documents["index.bin"], lambda: ledger.document_uri(published, "index.bin")),
    ):
        body = athena_lake.get(store.uri(file.key))
        flipped = bytes([body[0] ^ 1]) + body[1:]
        put(athena_lake, place_of(store, file.key), checksum, flipped)
        with pytest.raises(IntegrityError, match="content is not what was published"):
            use()
        assert [damaged.uri for damaged in find_damage(store, published)] == [store.uri(file.key)]
        put(athena_lake, place_of(store, file.key), "SHA256", body)
    assert find_damage(store, published) == []
