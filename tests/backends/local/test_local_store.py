"""Specific to the store in a folder: links, temporary files, folders, flushes."""

from __future__ import annotations

import datetime as dt
import errno
import os
from typing import TYPE_CHECKING

import pytest

from cluster_assets.backends.local.store import LocalStore
from cluster_assets.domain.errors import IntegrityError, SpecError

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY = ".put-" + "0" * 32 + ".tmp"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake" / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def age(path: Path, days: int = 30) -> None:
    then = dt.datetime.now(dt.UTC).timestamp() - days * 86_400
    os.utime(path, (then, then))


def days_ago(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=days)


def test_the_root_is_made_by_the_first_object(store: LocalStore, root: Path) -> None:
    assert list(store.list("")) == []
    assert not root.exists()
    store.put_if_absent("a", b"")
    assert [path.name for path in root.iterdir()] == ["a"]


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    store = LocalStore(tmp_path / "link")
    store.put_if_absent("a/b", b"x")
    assert store.uri("a/b") == str(tmp_path / "disk" / "a" / "b")
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == b"x"


@pytest.mark.parametrize("target", ["outside", "inside", "nowhere", "loop"])
def test_links_below_the_root_are_refused(store: LocalStore, root: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    store.put_if_absent("real/secret", b"mine")
    link = root / "loop"
    places = {"outside": tmp_path, "inside": root / "real", "nowhere": tmp_path / "none", "loop": link}
    link.symlink_to(places[target])
    for action in (store.read, store.digest, store.uri, lambda key: store.put_if_absent(key, b"")):
        with pytest.raises(IntegrityError, match="symbolic link"):
            action("loop/secret")
    with pytest.raises(IntegrityError, match="symbolic link"):
        store.delete(["loop/secret"])
    with pytest.raises(IntegrityError, match="symbolic link"):
        store.key(f"{root}/loop/secret")
    assert [found.key for found in store.list("")] == ["real/secret"]
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_linked_file_is_refused_and_unlisted(store: LocalStore, root: Path, tmp_path: Path) -> None:
    store.put_if_absent("a", b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "b").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError):
        store.read("b")
    assert [found.key for found in store.list("")] == ["a"]


def test_no_object_lies_below_another(store: LocalStore) -> None:
    store.put_if_absent("a", b"x")
    with pytest.raises(IntegrityError, match="an object has the name of a folder"):
        store.put_if_absent("a/b/c", b"y")
    assert store.read("a") == b"x"


def test_names_that_are_no_keys_are_unlisted(store: LocalStore, root: Path) -> None:
    store.put_if_absent("a", b"x")
    (root / "back\\slash").write_bytes(b"")
    (root / "line\nfeed").write_bytes(b"")
    (root / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"")
    assert [found.key for found in store.list("")] == ["a"]


def test_temporary_files_are_hidden_and_their_names_kept(store: LocalStore, root: Path) -> None:
    store.put_if_absent("a/b", b"x")
    (root / "a" / TEMPORARY).write_bytes(b"half")
    assert [found.key for found in store.list("")] == ["a/b"]
    with pytest.raises(IntegrityError, match="temporary"):
        store.read(f"a/{TEMPORARY}")
    with pytest.raises(IntegrityError, match="temporary"):
        store.put_if_absent(f"{TEMPORARY}/b", b"")


def test_a_put_leaves_no_temporary_file(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_if_absent("a/b", b"x")
    monkeypatch.setattr(os.path, "lexists", lambda _: False)  # so that the loser goes all the way to the link
    (root / "a").stat()
    assert not store.put_if_absent("a/b", b"y")
    assert [path.name for path in (root / "a").iterdir()] == ["b"]


def test_sweep_takes_old_leftovers_only(store: LocalStore, root: Path) -> None:
    store.put_if_absent("a/b", b"x")
    age(root / "a" / "b")
    young, old = root / "a" / TEMPORARY, root / "a" / TEMPORARY.replace("0", "f")
    for path in (young, old):
        path.write_bytes(b"half")
    age(old)
    for folder in ("old/empty", "young/empty"):
        (root / folder).mkdir(parents=True)
    for folder in ("old/empty", "old", "a"):
        age(root / folder)
    assert store.sweep(days_ago(7)) == 1
    assert sorted(path.name for path in root.iterdir()) == ["a", "young"]
    assert sorted(path.name for path in (root / "a").iterdir()) == [young.name, "b"]
    assert store.read("a/b") == b"x"
    assert store.sweep(days_ago(7)) == 0


def test_a_folder_swept_under_a_writer_is_made_again(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").mkdir(parents=True)
    sync = os.fsync
    swept: list[bool] = []

    def sweep_then_link(source: Path, target: Path) -> None:
        if not swept:
            swept.append(True)
            source.unlink()
            (root / "a").rmdir()
        link(source, target)

    link = os.link
    monkeypatch.setattr(os, "link", sweep_then_link)
    monkeypatch.setattr(os, "fsync", sync)
    assert store.put_if_absent("a/b", b"x")
    assert swept
    assert store.read("a/b") == b"x"


def test_a_file_system_without_hard_links_is_one_clear_error(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(SpecError, match="CLUSTER_HOME"):
        store.put_if_absent("a/b", b"x")
    assert list((root / "a").iterdir()) == []


def test_a_full_disk_leaves_nothing(store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_if_absent("a/first", b"x")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        store.put_if_absent("a/b", b"x")
    assert [path.name for path in (root / "a").iterdir()] == ["first"]


def test_a_seal_flushes_the_file_and_every_folder_above_and_a_digest_nothing(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "a" / "b" / "part.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"written by an engine")
    flushed = record_flushes(monkeypatch)
    store.digest("a/b/part.parquet")
    assert flushed == []
    store.seal("a/b/part.parquet")
    expected = [path, root / "a" / "b", root / "a", root]
    assert flushed == [each.stat().st_ino for each in expected]


def test_a_put_flushes_the_body_before_and_the_folder_after_the_name(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_if_absent("a/first", b"")
    flushed = record_flushes(monkeypatch)
    link = os.link

    def recorded_link(source: Path, target: Path) -> None:
        flushed.append(-1)
        link(source, target)

    monkeypatch.setattr(os, "link", recorded_link)
    store.put_if_absent("a/b", b"x")
    assert flushed == [(root / "a" / "b").stat().st_ino, -1, (root / "a").stat().st_ino]


def record_flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    flushed: list[int] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    return flushed
