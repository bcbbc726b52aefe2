"""Specific to the store on S3: lost responses, throttling, refusals. Checksums: test_s3_checksums.py."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import threading
from typing import TYPE_CHECKING

import pytest
from athena_lake import BUCKET, PATIENCE
from fault_proxy import Fault, FaultProxy

from cluster_assets.backends.aws import store as module
from cluster_assets.backends.aws.store import S3Config, S3Store
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import SpecError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from athena_lake import Lake
    from fault_proxy import Call


@pytest.fixture
def store(make: Callable[..., S3Store]) -> S3Store:
    return make()


def puts(call: Call) -> bool:
    return call.method == "PUT"


def anything(_: Call) -> bool:
    return True


def put_aside(lake: Lake, store: S3Store, key: str, body: bytes) -> None:
    """Store an object as somebody else, past the proxy."""
    lake.put(store.uri(key), body)


def test_a_put_whose_answer_got_lost_knows_its_own_work(store: S3Store, proxy: FaultProxy) -> None:
    proxy.faults.append(Fault(puts, times=2, lose=True))
    assert store.put_if_absent("a", b"body")
    assert store.read("a") == b"body"
    assert sum(map(puts, proxy.calls)) == 3
    assert not store.put_if_absent("a", b"body")


def test_a_lost_put_is_not_ours_though_another_stored_the_same_bytes(
    store: S3Store, proxy: FaultProxy, athena_lake: Lake
) -> None:
    other = lambda: put_aside(athena_lake, store, "a", b"body")  # noqa: E731
    proxy.faults.append(Fault(puts, answer=(500, "<Error><Code>InternalError</Code></Error>"), before=other))
    assert not store.put_if_absent("a", b"body")


def test_contended_puts_are_tried_again(store: S3Store, proxy: FaultProxy) -> None:
    proxy.refuse(puts, "ConditionalRequestConflict", 409, times=3)
    assert store.put_if_absent("a", b"body")
    proxy.refuse(puts, "ConditionalRequestConflict", 409, times=1)
    assert not store.put_if_absent("a", b"other")
    assert store.read("a") == b"body"


def test_a_storm_passes_and_attempts_are_bounded(store: S3Store, proxy: FaultProxy) -> None:
    for number, code in enumerate(("SlowDown", "InternalError", "RequestTimeout")):
        proxy.refuse(anything, code, 400 if code == "RequestTimeout" else 503, times=4)
        assert store.put_if_absent(f"k{number}", b"x")
    proxy.refuse(anything, "SlowDown", 503, times=4)
    assert [found.key for found in store.list("")] == ["k0", "k1", "k2"]
    proxy.refuse(anything, "SlowDown", 503, times=4)
    assert store.digest("k0") == hashlib.sha256(b"x").hexdigest()
    proxy.refuse(anything, "SlowDown", 503, times=4)
    store.delete(["k0"])
    assert [found.key for found in store.list("")] == ["k1", "k2"]
    proxy.calls.clear()
    proxy.refuse(anything, "SlowDown", 503, times=1000)
    with pytest.raises(StoreError, match=r"over 10 attempts") as caught:
        store.read("k1")
    assert caught.value.remedy
    assert len(proxy.calls) == PATIENCE.attempts


def test_a_body_that_breaks_off_is_read_again(store: S3Store, proxy: FaultProxy) -> None:
    store.put_if_absent("a", b"x" * 100_000)
    proxy.faults.append(Fault(lambda call: call.method == "GET", times=2, lose=True))
    assert len(store.read("a")) == 100_000


def test_of_writers_behind_a_bad_line_exactly_one_wins(store: S3Store, proxy: FaultProxy) -> None:
    proxy.faults.append(Fault(puts, times=10, lose=True))
    won: list[int] = []

    def write(number: int) -> None:
        if store.put_if_absent("a", b"the same"):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_deletes_go_by_the_thousand_in_their_order(store: S3Store, proxy: FaultProxy) -> None:
    for key in ("k00000", "k02499", "other"):
        store.put_if_absent(key, b"")
    proxy.calls.clear()
    store.delete(f"k{number:05d}" for number in range(2500))
    bodies = [re.findall(r"k\d{5}", call.body.decode()) for call in proxy.calls]
    assert [len(names) for names in bodies] == [1000, 1000, 500]
    assert [name for names in bodies for name in names] == [f"k{number:05d}" for number in range(2500)]
    assert [found.key for found in store.list("")] == ["other"]
    store.delete([])


def test_keys_that_could_not_be_deleted_are_tried_again_alone(store: S3Store, proxy: FaultProxy) -> None:
    for key in ("a", "b"):
        store.put_if_absent(key, b"")
    name = store.uri("b").removeprefix(f"s3://{BUCKET}/")
    failed = f"<Error><Key>{name}</Key><Code>InternalError</Code><Message>again</Message></Error>"
    proxy.faults.append(Fault(anything, answer=(200, f"<DeleteResult>{failed}</DeleteResult>")))
    proxy.calls.clear()
    store.delete(["a", "b"])
    assert [len(re.findall("<Key>", call.body.decode())) for call in proxy.calls] == [2, 1]
    refused = failed.replace("InternalError", "AccessDenied")
    proxy.faults.append(Fault(anything, answer=(200, f"<DeleteResult>{refused}</DeleteResult>")))
    with pytest.raises(StoreError, match="AccessDenied"):
        store.delete(["b"])


def test_listings_have_many_pages(store: S3Store, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    names = [f"n{number}" for number in range(8)]
    for name in names:
        store.put_if_absent(name, b"")
    proxy.calls.clear()
    assert [found.key for found in store.list("n")] == names
    assert len(proxy.calls) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("report.html", "text/html; charset=utf-8"),
        ("report.md", "text/markdown; charset=utf-8"),
        ("points.svg", "image/svg+xml"),
        ("000001.json", "application/json"),
        ("part-00000.parquet", "application/octet-stream"),
    ],
)
def test_objects_have_a_content_type(name: str, kind: str, store: S3Store, athena_lake: Lake) -> None:
    key = f"days/{name}"
    assert store.put_if_absent(key, b"x")
    bucket, _, path = store.uri(key).removeprefix("s3://").partition("/")
    head = athena_lake.s3.head_object(Bucket=bucket, Key=path)
    assert head["ContentType"] == kind


def test_markers_of_a_console_are_no_objects(store: S3Store, athena_lake: Lake) -> None:
    store.put_if_absent("a/b", b"")
    athena_lake.put(store.uri("a") + "/", b"")
    athena_lake.put(store.uri("a") + "//c", b"")
    assert [found.key for found in store.list("")] == ["a/b"]


def test_a_sweep_aborts_old_uploads_of_this_store_only(
    make: Callable[..., S3Store], athena_lake: Lake
) -> None:
    store, other = make(), make()
    s3 = athena_lake.s3
    for place, key in ((store, "a/b"), (store, "c"), (other, "d")):
        s3.create_multipart_upload(Bucket=BUCKET, Key=place.uri(key).removeprefix(f"s3://{BUCKET}/"))
    now = dt.datetime.now(dt.UTC)
    assert store.sweep(dt.datetime(2010, 1, 1, tzinfo=dt.UTC)) == 0  # moto says of each that it began in 2010
    assert store.sweep(now) == 2
    assert store.sweep(now) == 0
    assert other.sweep(now) == 1


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("AccessDenied", 403, "role to list, get, put and delete"),
        ("ExpiredToken", 400, "check the credentials"),
        ("PermanentRedirect", 301, "CLUSTER_AWS_REGION"),
        ("AuthorizationHeaderMalformed", 400, "CLUSTER_AWS_REGION"),
        ("KMS.DisabledException", 400, "CLUSTER_AWS_KMS_KEY"),
        ("EntityTooLarge", 400, "doctor"),
    ],
)
def test_refusals_are_reported_with_their_remedy_and_not_repeated(
    make: Callable[..., S3Store], proxy: FaultProxy, code: str, status: int, says: str
) -> None:
    store = make(kms_key="key-1", patience=Patience(attempts=5, first_wait_s=0.01))
    proxy.refuse(puts, code, status, times=100)
    with pytest.raises(StoreError, match=says) as caught:
        store.put_if_absent("a", b"")
    assert store.uri("a") in str(caught.value)
    # The SDK itself follows a redirect once.
    assert sum(map(puts, proxy.calls)) == (2 if status == 301 else 1)


def test_a_missing_bucket_is_reported(make: Callable[..., S3Store]) -> None:
    store = make(bucket="nobodys-bucket")
    for action in (
        lambda: store.put_if_absent("a", b""),
        lambda: list(store.list("")),
        lambda: store.read("a"),
    ):
        with pytest.raises(StoreError, match="there is no bucket nobodys-bucket"):
            action()


def test_key_and_owner_go_with_the_calls(
    make: Callable[..., S3Store], proxy: FaultProxy, athena_lake: Lake
) -> None:
    store = make(kms_key="key-1", owner="123456789012")
    store.put_if_absent("a", b"")
    put_aside(athena_lake, store, "b", b"written by Athena")
    store.seal("b")
    store.read("a")
    list(store.list(""))
    store.delete(["a"])
    store.sweep(dt.datetime.now(dt.UTC))
    put, copy = (call for call in proxy.calls if puts(call))
    for call in (put, copy):
        assert call.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert call.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    assert copy.headers["x-amz-source-expected-bucket-owner"] == "123456789012"
    assert {call.headers.get("x-amz-expected-bucket-owner") for call in proxy.calls} == {"123456789012"}


@pytest.mark.parametrize("prefix", ["/a", "a/", "../a", "a//b", "a\n"])
def test_a_prefix_that_is_no_folder_is_refused(prefix: str) -> None:
    with pytest.raises(SpecError, match="not a valid folder"):
        S3Config(bucket="b", prefix=prefix)


def test_the_whole_bucket_may_be_the_store(make: Callable[..., S3Store]) -> None:
    store = make(prefix="")
    assert store.uri("a/b") == f"s3://{BUCKET}/a/b"
    assert store.put_if_absent("whole/bucket", b"x")
    assert [found.key for found in store.list("whole/")] == ["whole/bucket"]
