"""The contract of all object stores. A new store is a new parameter of `make_store`."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.backends.local.store import LocalStore
from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from athena_lake import Lake
    from ministack_server import MinistackStorage

    from cluster_assets.backends.ports import ObjectStore

    MakeStore = Callable[[], ObjectStore]

HOSTILE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "a/./b",
    ".",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a\\b",
    "..\\x",
    "\ud800",
    "x" * 256,
    "a/" + "é" * 128,
    "/".join(["k" * 200] * 6),
]
ODD_KEYS = [
    "a b/c",
    "a*/b",
    "a[1]/b",
    "a?",
    "%2e%2e/x",
    "..a/b..",
    "...",
    "p=1/q=2",
    "day=__HIVE_DEFAULT_PARTITION__/x",
    "~/x",
    "$HOME",
    "é/e\u0301",
    "😀",
    "x" * 255,
    ".hidden",
]


@pytest.fixture(scope="module", params=["local", "moto", "ministack"])
def make_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Makes an empty store at each call."""
    if request.param == "local":
        return lambda: LocalStore(tmp_path_factory.mktemp("store"))
    server = {"moto": "athena_servers", "ministack": "ministack_storage"}[request.param]
    place: Lake | MinistackStorage = request.getfixturevalue(server)
    return place.store


@pytest.fixture
def store(make_store: MakeStore) -> ObjectStore:
    return make_store()


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


def test_an_object_is_read_back(store: ObjectStore) -> None:
    assert store.put_if_absent("a/b.json", b"\x00\xff{}")
    assert store.read("a/b.json") == b"\x00\xff{}"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    assert store.put_if_absent("empty", b"")
    assert store.read("empty") == b""
    assert keys(store) == ["empty"]


def test_a_taken_key_keeps_its_first_body(store: ObjectStore) -> None:
    assert store.put_if_absent("k", b"first")
    assert not store.put_if_absent("k", b"second")
    assert not store.put_if_absent("k", b"first")
    assert store.read("k") == b"first"


def test_a_copy_has_the_bytes_and_outlives_the_object(store: ObjectStore) -> None:
    store.put_if_absent("old/day=1/a b.parquet", b"rows")
    for _ in range(2):
        store.copy("old/day=1/a b.parquet", "new/day=1/a b.parquet")
    store.put_if_absent("other", b"other")
    store.copy("other", "new/day=1/a b.parquet")  # the target is there already
    store.delete(["old/day=1/a b.parquet"])
    assert store.read("new/day=1/a b.parquet") == b"rows"
    assert store.digest("new/day=1/a b.parquet") == hashlib.sha256(b"rows").hexdigest()
    with pytest.raises(FileNotFoundError):
        store.copy("old/day=1/a b.parquet", "new/again")
    with pytest.raises(IntegrityError):
        store.copy("other", "../outside")


def test_an_object_put_whole_is_intact_until_other_bytes_are_there(store: ObjectStore) -> None:
    body = b"as it was"
    store.put_if_absent("a/b", body)
    digest = hashlib.sha256(body).hexdigest()
    now = dt.datetime.now(dt.UTC)
    assert store.is_intact("a/b", digest, now)
    store.delete(["a/b"])
    assert store.is_intact("a/b", digest, now), "a missing object is for its reader to notice"
    store.put_if_absent("a/b", b"as it is.")
    assert not store.is_intact("a/b", digest, now)


def test_a_deleted_key_is_free_again(store: ObjectStore) -> None:
    store.put_if_absent("k", b"first")
    store.delete(["k"])
    assert store.put_if_absent("k", b"second")
    assert store.read("k") == b"second"


@pytest.mark.parametrize("key", ["nothing", "a", "a/b/c"])
def test_a_missing_object_is_file_not_found(store: ObjectStore, key: str) -> None:
    store.put_if_absent("a/b", b"")  # `a` is no object though keys begin with it, nor is anything below `a/b`
    with pytest.raises(FileNotFoundError):
        store.read(key)
    with pytest.raises(FileNotFoundError):
        store.digest(key)
    with pytest.raises(FileNotFoundError):
        store.seal(key)
    store.delete([key])
    assert keys(store) == ["a/b"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1])
def test_digest_and_seal_are_the_sha256_of_the_bytes(store: ObjectStore, size: int) -> None:
    body = b"z" * size
    store.put_if_absent("x/y", body)
    for _ in range(2):
        assert store.digest("x/y") == store.seal("x/y") == hashlib.sha256(body).hexdigest()
    assert store.read("x/y") == body


def test_list_tells_bytes_and_time(store: ObjectStore) -> None:
    store.put_if_absent("a", b"12345")
    (found,) = store.list("")
    assert found.bytes == 5
    assert found.modified.tzinfo is not None
    assert abs(found.modified - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=10)


def test_a_prefix_is_text_not_a_folder_nor_a_pattern(store: ObjectStore) -> None:
    for key in ["day=1/a", "day=10/a", "day=1", "d*/a", "other"]:
        if key != "day=1":
            store.put_if_absent(key, b"")
    assert keys(store, "day=1") == ["day=1/a", "day=10/a"]
    assert keys(store, "day=1/") == ["day=1/a"]
    assert keys(store, "d*") == ["d*/a"]
    assert keys(store, "nothing/") == []
    assert keys(store, "other/") == []


FOLDERS = st.sampled_from(["a", "a-", "a.b", "A", "é", "a b"])
KEYS = st.builds(
    lambda folders, name: "/".join([*folders, name]),
    st.lists(FOLDERS, max_size=3),
    st.sampled_from(["f", "f0", "f-", "é0", "~"]),
)


@settings(max_examples=60)
@given(bodies=st.dictionaries(KEYS, st.binary(max_size=4), max_size=12), gone=st.sets(KEYS), data=st.data())
def test_a_store_is_a_dictionary_in_key_order(
    make_store: MakeStore, bodies: dict[str, bytes], gone: set[str], data: st.DataObject
) -> None:
    store = make_store()
    for key, body in bodies.items():
        assert store.put_if_absent(key, body)
    store.delete(gone)
    model = {key: body for key, body in bodies.items() if key not in gone}
    assert keys(store) == sorted(model)
    assert {key: store.read(key) for key in model} == model
    whole = data.draw(KEYS)
    prefix = whole[: data.draw(st.integers(0, len(whole)))]
    assert keys(store, prefix) == sorted(key for key in model if key.startswith(prefix))


def test_uri_and_key_are_inverse(store: ObjectStore) -> None:
    for key in ["a", "a/b/c.parquet", *ODD_KEYS]:
        assert store.key(store.uri(key)) == key


def test_addresses_outside_are_refused(store: ObjectStore, make_store: MakeStore) -> None:
    outside = [make_store().uri("a"), "/etc/passwd", "s3://nobody/a", "a", "", store.uri("a") + "/../b"]
    for uri in outside:
        with pytest.raises(IntegrityError):
            store.key(uri)


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_are_refused_everywhere(store: ObjectStore, key: str) -> None:
    actions: list[Callable[[], object]] = [
        lambda: store.uri(key),
        lambda: store.put_if_absent(key, b""),
        lambda: store.read(key),
        lambda: store.digest(key),
        lambda: store.seal(key),
        lambda: store.delete([key]),
    ]
    for action in actions:
        with pytest.raises(IntegrityError, match="not a key"):
            action()
    assert keys(store) == []


@pytest.mark.parametrize("prefix", ["/", "/etc/", "../", "a/../", "..", "a//", "a\0"])
def test_hostile_prefixes_are_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(IntegrityError):
        list(store.list(prefix))


def test_odd_keys_are_only_names(store: ObjectStore) -> None:
    for number, key in enumerate(ODD_KEYS):
        assert store.put_if_absent(key, str(number).encode())
    assert keys(store) == sorted(ODD_KEYS)
    assert [store.read(key) for key in ODD_KEYS] == [str(number).encode() for number in range(len(ODD_KEYS))]
    store.delete(["a*/b"])
    assert keys(store, "a") == ["a b/c", "a?", "a[1]/b"]


def test_a_sweep_takes_no_object(store: ObjectStore) -> None:
    store.put_if_absent("a/b", b"x")
    assert store.sweep(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) == 0
    assert store.read("a/b") == b"x"


def test_of_many_writers_exactly_one_wins(store: ObjectStore) -> None:
    start = threading.Barrier(8)
    outcomes: dict[bytes, list[bool]] = {}

    def write(body: bytes) -> None:
        start.wait()
        outcomes[body] = [store.put_if_absent(f"new/folder/{number}", body) for number in range(20)]

    threads = [threading.Thread(target=write, args=(bytes([number]) * 1000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(20):
        winners = [body for body, won in outcomes.items() if won[number]]
        assert winners == [store.read(f"new/folder/{number}")]
    assert len(keys(store)) == 20
