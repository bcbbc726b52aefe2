"""Specific to the catalog in a folder: damaged files, leftovers, locks between processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ConflictError, IntegrityError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

DAY = parse_day("2013-03-03")
DAMAGED = [b"", b"{", b"[]", b"null", b'{"version": 1}', b'{"manifest_key": "a", "version": "x"}']
FLIPPER = """
import sys, pathlib
from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.domain.days import parse_day
from cluster_assets.backends.stored import Pointer
catalog = LocalCatalog(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
day = ("attackers", "points", parse_day("2013-03-03"))
for version in map(int, sys.argv[2:]):
    before = catalog.current(*day)
    flipped = catalog.flip(*day, Pointer(f"{version}.json", version))
    after = catalog.current(*day)
    assert after.version >= version and after.version >= (before.version if before else 0), (before, after)
    assert flipped or after.version > version, (flipped, after)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


@pytest.fixture
def catalog(root: Path) -> LocalCatalog:
    return LocalCatalog(root)


def flip(catalog: LocalCatalog, version: int) -> bool:
    return catalog.flip("attackers", "points", DAY, Pointer(f"{version}.json", version))


@pytest.mark.parametrize("body", DAMAGED)
def test_a_damaged_pointer_is_one_clear_error_and_is_not_overwritten(
    catalog: LocalCatalog, root: Path, body: bytes
) -> None:
    flip(catalog, 1)
    path = root / "attackers" / "points" / "day=2013-03-03.json"
    path.write_bytes(body)
    with pytest.raises(IntegrityError, match=r"day=2013-03-03\.json"):
        catalog.current("attackers", "points", DAY)
    with pytest.raises(IntegrityError, match="remove this file"):
        flip(catalog, 2)
    assert path.read_bytes() == body


def test_leftovers_of_a_killed_flip_are_harmless(catalog: LocalCatalog, root: Path) -> None:
    flip(catalog, 1)
    folder = root / "attackers" / "points"
    (folder / "day=2013-03-03.tmp").write_bytes(b"half a poin")
    (folder / "day=nonsense.json").write_bytes(b"{}")
    assert catalog.days("attackers", "points") == (DAY,)
    assert flip(catalog, 2)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "day=2013-03-03.json",
        "day=nonsense.json",
    ]


def test_a_lock_that_is_never_released_is_one_clear_error(root: Path) -> None:
    catalog = LocalCatalog(root, lock_wait_seconds=0.02)
    flip(catalog, 1)
    with (root / "attackers" / "points" / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert catalog.current("attackers", "points", DAY) == Pointer("1.json", 1)
        with pytest.raises(ConflictError, match="lock"):
            flip(catalog, 2)
    assert flip(catalog, 2)


def test_a_child_forked_during_a_flip_does_not_keep_the_lock(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = LocalCatalog(root, lock_wait_seconds=0.02)
    copies: list[int] = []
    lock = fcntl.flock

    def lock_then_copy(stream: IO[bytes] | int, operation: int) -> None:
        lock(stream, operation)
        if operation & fcntl.LOCK_EX and isinstance(stream, int):
            copies.append(os.dup(stream))  # what a fork does to every open descriptor

    monkeypatch.setattr(fcntl, "flock", lock_then_copy)
    assert flip(catalog, 1)
    assert flip(catalog, 2)
    assert len(copies) == 2
    for copy in copies:
        os.close(copy)


def test_a_flip_is_flushed_before_and_after_it_is_seen(
    catalog: LocalCatalog, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(catalog, 1)
    events: list[str | int] = []
    sync, replace = os.fsync, os.replace

    def recorded_sync(descriptor: int) -> None:
        events.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def recorded_replace(source: Path, target: Path) -> None:
        events.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    flip(catalog, 2)
    folder = root / "attackers" / "points"
    inode = (folder / "day=2013-03-03.json").stat().st_ino
    assert events[:3] == [inode, "replace", folder.stat().st_ino]


def test_processes_never_take_a_day_back(catalog: LocalCatalog, root: Path) -> None:
    commands = [
        [sys.executable, "-c", FLIPPER, str(root), *map(str, range(start, 61, 3))] for start in (1, 2, 3)
    ]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    errors = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], errors
    assert catalog.current("attackers", "points", DAY) == Pointer("60.json", 60)
