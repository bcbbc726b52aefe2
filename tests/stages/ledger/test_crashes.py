"""A run that dies at any call of a port, or at any system call, leaves the old day or the new one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stages.ledger.conftest import Lake

KILLED = 137
RUN = Path(__file__).with_name("run_and_die.py")


def calls_of_a_run(lake: Lake) -> list[str]:
    steps = lake.steps()
    lake.run("in-2", "new", ledger=lake.faulty(steps))
    return steps.calls


def never_back(seen: list[str | None], old: str | None) -> bool:
    """The old day some times, then the new one some times, and nothing else."""
    olds = seen.count(old)
    return seen == [old] * olds + ["new"] * (len(seen) - olds)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("old", ["old", None], ids=["second version", "first version"])
def test_a_crash_at_any_call_leaves_the_old_day_or_the_new_one(
    new_lake: Callable[[], Lake], old: str | None, *, after: bool
) -> None:
    def lake_with_old_day() -> Lake:
        lake = new_lake()
        if old:
            lake.run("in-1", old)
        return lake

    calls = calls_of_a_run(lake_with_old_day())
    assert {"put", "flip", "seal", "delete"} <= set(calls)
    left = []
    for at in range(1, len(calls) + 1):
        lake = lake_with_old_day()
        seen: list[str | None] = []

        def watch(lake: Lake = lake, seen: list[str | None] = seen) -> None:
            seen.append(lake.published())

        steps = lake.steps(at=at, after=after, watch=watch)
        with pytest.raises(lake.crash):
            lake.run("in-2", "new", ledger=lake.faulty(steps))
        assert never_back(seen, old)
        left.append(lake.published())
        rerun = lake.run("in-2", "new")
        assert lake.published() == "new"
        assert lake.current() == rerun
        assert lake.versions() == ([1, 2] if old else [1])
    assert set(left) == {old, "new"}


def test_a_rerun_after_the_commit_computes_nothing(new_lake: Callable[[], Lake]) -> None:
    for name, after in (("put", True), ("flip", False), ("flip", True), ("delete", False)):
        lake = new_lake()
        with pytest.raises(lake.crash):
            lake.run("in-2", "new", ledger=lake.faulty(lake.steps(on=name, after=after)))
        found = lake.ledger.find_reusable("points", lake.day, "in-2")
        assert found is not None
        assert lake.current() == found
        assert lake.published() == "new"


def test_a_manifest_of_a_dead_run_is_made_durable_before_the_pointer_names_it(lake: Lake) -> None:
    with pytest.raises(lake.crash):
        lake.run("in-1", "new", ledger=lake.faulty(lake.steps(on="flip")))
    steps = lake.steps()
    lake.run("in-1", "never computed", ledger=lake.faulty(steps))
    assert steps.calls[-2:] == ["seal", "flip"]


def test_a_lost_answer_of_the_store_is_not_a_conflict(lake: Lake) -> None:
    """S3 may store the manifest, lose the answer and refuse the repetition: the manifest is ours."""

    class Forgetful(type(lake.store)):  # type: ignore[misc]
        def put_if_absent(self, key: str, body: bytes) -> bool:
            return bool(super().put_if_absent(key, body)) and False

    ledger = type(lake.ledger)(Forgetful(lake.root / "warehouse"), lake.catalog, "attackers")
    manifest = lake.run("in-1", "hello", ledger=ledger)
    assert lake.versions() == [1]
    assert lake.current() == manifest
    assert lake.published() == "hello"
    assert lake.files() == [file.key for file in manifest.tables["members"].files]


def test_a_forced_run_that_dies_after_its_commit_is_finished_by_the_next_run(lake: Lake) -> None:
    lake.run("in-1", "first sum")
    with pytest.raises(lake.crash):
        lake.run("in-1", "another sum", force=True, ledger=lake.faulty(lake.steps(on="flip")))
    assert lake.published() == "first sum"
    assert lake.run("in-1", "never computed").version == 2
    assert lake.published() == "another sum"


def test_a_process_killed_at_any_system_call_leaves_the_old_day_or_the_new_one(
    new_lake: Callable[[], Lake],
) -> None:
    clean = new_lake()
    clean.run("in-1", "old")
    expected = clean.run("in-2", "new").content_digest
    left = []
    for at in range(1, 200):
        lake = new_lake()
        lake.run("in-1", "old")
        child = subprocess.Popen([sys.executable, str(RUN), str(lake.root), "in-2", "new", str(at)])
        seen: list[str | None] = []
        while child.poll() is None:
            seen.append(lake.published())
        assert never_back(seen, "old")
        left.append(lake.published())
        lake.run("in-2", "new")
        assert lake.published() == "new"
        assert lake.versions() == [1, 2]
        current = lake.current()
        assert current is not None
        assert current.content_digest == expected
        if child.returncode == 0:
            break
        assert child.returncode == KILLED
    else:
        pytest.fail("the run never came to its end")
    assert len(left) > 15
    assert never_back(left, "old")
    assert left.count("old") > 10
    assert left.count("new") > 2
