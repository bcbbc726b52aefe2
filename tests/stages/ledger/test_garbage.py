"""What garbage collection removes, what it never touches, and what it leaves when it is killed."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.errors import SpecError
from cluster_assets.stages.ledger.garbage import collect
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stages.ledger.conftest import Lake


def removed(lake: Lake, *, days: float = 7) -> list[str]:
    return [found.key for found in lake.collect(days=days).removed]


def manifest_key(version: int) -> str:
    return f"attackers/points/_manifests/day=2013-03-03/{version:08d}.json"


def history(lake: Lake, versions: int) -> None:
    for number in range(1, versions + 1):
        lake.run(f"in-{number}", f"content {number}")


def test_nothing_young_is_touched(lake: Lake) -> None:
    history(lake, 3)
    lake.draft(lake.ledger.start_attempt("points", lake.day), "in-9", "crashed")
    assert removed(lake) == []
    assert lake.versions() == [1, 2, 3]


def test_the_published_day_outlives_everything(lake: Lake) -> None:
    history(lake, 3)
    lake.age()
    assert removed(lake)[:2] == [manifest_key(1), manifest_key(2)]
    assert lake.versions() == [3]
    assert lake.published() == "content 3"
    current = lake.current()
    assert current is not None
    assert lake.files() == [file.key for file in current.tables["members"].files]
    assert removed(lake) == []
    assert lake.run("in-4", "content 4").version == 4


def test_a_version_is_kept_until_its_successor_has_aged(lake: Lake) -> None:
    """Superseded a moment ago means that a reader may hold it, however old it is."""
    history(lake, 2)
    lake.age()
    lake.run("in-3", "content 3")
    assert removed(lake)[0] == manifest_key(1)
    assert lake.versions() == [2, 3]
    assert len(lake.files()) == 2


@pytest.mark.parametrize("jump", [dt.timedelta(hours=-1), dt.timedelta(days=1)])
def test_a_clock_that_jumps_changes_neither_the_order_of_versions_nor_what_is_kept(
    lake: Lake, jump: dt.timedelta
) -> None:
    def clock() -> dt.datetime:
        return dt.datetime.now(dt.UTC) + jump

    elsewhere = Ledger(lake.store, lake.catalog, "attackers", clock=clock)
    history(lake, 1)
    assert lake.run("in-2", "content 2", ledger=elsewhere).version == 2
    assert lake.published() == "content 2"
    assert lake.run("in-3", "content 3").version == 3
    assert lake.published() == "content 3"
    found = collect(lake.store, lake.catalog, retention=dt.timedelta(days=7), now=clock(), dry_run=False)
    assert found.removed == ()
    assert lake.versions() == [1, 2, 3]


def test_what_a_crashed_run_left_goes_once_it_has_aged(lake: Lake) -> None:
    history(lake, 1)
    lake.draft(lake.ledger.start_attempt("points", lake.day), "in-9", "crashed")
    lake.age(6)
    assert removed(lake) == []
    lake.age(2)
    assert len(removed(lake)) == 2
    assert len(lake.files()) == 1
    assert lake.published() == "content 1"


def test_an_attempt_that_still_writes_keeps_its_old_files(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    draft = lake.draft(attempt, "in-1", "slow")
    lake.age()
    lake.write(attempt.scratch_uri("labels"), b"young")
    assert removed(lake) == []
    lake.ledger.commit(draft)
    assert lake.published() == "slow"


def test_leftover_scratch_of_a_published_attempt_goes(lake: Lake) -> None:
    with pytest.raises(lake.crash):
        lake.run("in-1", "content", ledger=lake.faulty(lake.steps(on="delete")))
    assert len(lake.files()) == 2
    lake.age()
    assert [key.split("/")[4] for key in removed(lake)] == ["_scratch"]
    assert lake.published() == "content"


@pytest.mark.parametrize("first", [True, False])
def test_a_commit_without_its_flip_is_kept(lake: Lake, *, first: bool) -> None:
    if not first:
        history(lake, 1)
    with pytest.raises(lake.crash):
        lake.run("in-9", "finished", ledger=lake.faulty(lake.steps(on="flip")))
    lake.age()
    assert not [key for key in removed(lake) if "_scratch" not in key]
    lake.run("in-9", "never computed")
    assert lake.published() == "finished"


def test_a_lost_pointer_loses_nothing(lake: Lake) -> None:
    history(lake, 3)
    lake.age()
    (lake.root / "catalog" / "attackers" / "points" / "day=2013-03-03.json").unlink()
    assert removed(lake) == []
    assert lake.ledger.find_reusable("points", lake.day, "in-3") is not None
    assert lake.published() == "content 3"


def test_a_day_whose_published_manifest_is_missing_keeps_its_history(lake: Lake) -> None:
    history(lake, 3)
    lake.store.delete([manifest_key(3)])
    lake.age()
    lake.collect()
    assert lake.versions() == [1, 2]
    assert [lake.content(lake.manifest(version)) for version in (1, 2)] == ["content 1", "content 2"]


@pytest.mark.parametrize("what", ["manifest", "pointer"])
def test_a_day_that_is_not_understood_is_left_alone_and_reported(lake: Lake, what: str) -> None:
    history(lake, 2)
    current = lake.current()
    assert current is not None
    path = Path(lake.store.uri(manifest_key(2)))
    if what == "pointer":
        path = lake.root / "catalog" / "attackers" / "points" / "day=2013-03-03.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    lake.age()
    collection = lake.collect()
    assert collection.removed == ()
    assert list(collection.kept_days) == ["attackers/points, 2013-03-03"]
    path.write_bytes(whole)
    assert lake.published() == "content 2"


def test_an_unreadable_superseded_manifest_does_not_keep_its_day(lake: Lake) -> None:
    history(lake, 2)
    Path(lake.store.uri(manifest_key(1))).write_bytes(b"{")
    lake.age()
    collection = lake.collect()
    assert collection.kept_days == {}
    assert lake.versions() == [2]
    assert len(lake.files()) == 1
    assert lake.published() == "content 2"


def test_a_dry_run_says_the_same_and_does_nothing(lake: Lake) -> None:
    history(lake, 3)
    lake.draft(lake.ledger.start_attempt("points", lake.day), "in-9", "crashed")
    leftover = lake.root / "warehouse" / "attackers" / (".put-" + "0" * 32 + ".tmp")
    leftover.write_bytes(b"half")
    lake.age()
    tree = sorted(lake.root.rglob("*"))
    planned = lake.collect(dry_run=True)
    assert planned.dry_run
    assert sorted(lake.root.rglob("*")) == tree
    done = lake.collect()
    assert done.removed == planned.removed
    assert (done.objects, done.manifests) == (6, 2)
    assert done.bytes == planned.bytes == sum(found.bytes for found in planned.removed) > 0
    assert (planned.leftovers, done.leftovers) == (0, 1)
    assert not leftover.exists()


def test_only_the_known_layout_is_touched(lake: Lake) -> None:
    foreign = ["attackers/notes.txt", "attackers/points/day=x/a/t/f"]
    foreign += ["attackers/points/_manifests/day=2013-03-03/00000000.json"]
    for key in foreign:
        lake.store.put_if_absent(key, b"")
    lake.age()
    assert removed(lake) == []
    assert [found.key for found in lake.store.list("")] == sorted(foreign)


def test_all_pipelines_are_collected_but_no_file_that_others_refer_to(lake: Lake) -> None:
    origins = Ledger(lake.store, lake.catalog, "origins")
    lake.run("in-1", "crashed", ledger=lake.ledger)
    lake.draft(origins.start_attempt("points", lake.day), "in-1", "crashed")
    lake.age()
    planned = {found.key for found in lake.collect(dry_run=True).removed}
    assert {key.split("/")[0] for key in planned} == {"origins"}
    assert len(planned) == 2
    kept, now = frozenset(sorted(planned)[:1]), dt.datetime.now(dt.UTC)
    report = collect(lake.store, lake.catalog, kept, retention=dt.timedelta(7), now=now)
    assert {found.key for found in report.removed} == planned - kept
    assert {found.key for found in lake.store.list("origins/")} == kept
    assert lake.published() == "crashed"


def test_no_retention_still_spares_a_run_that_may_be_writing(lake: Lake) -> None:
    history(lake, 2)
    lake.draft(lake.ledger.start_attempt("points", lake.day), "in-9", "running")
    assert len(removed(lake, days=0)) == 2
    assert lake.versions() == [2]
    assert len(lake.files()) == 3
    assert lake.published() == "content 2"


def test_impossible_arguments_are_refused(lake: Lake) -> None:
    with pytest.raises(SpecError, match="negative"):
        lake.collect(days=-1)


def test_a_collection_killed_at_any_call_breaks_nothing_and_the_next_one_finishes(
    new_lake: Callable[[], Lake],
) -> None:
    def old_lake() -> Lake:
        lake = new_lake()
        history(lake, 4)
        lake.draft(lake.ledger.start_attempt("points", lake.day), "in-9", "crashed")
        lake.age()
        return lake

    counted = old_lake().steps()
    old_lake().collect(steps=counted)
    assert counted.calls.count("delete") == 3 + 3 + 2
    for at in range(1, len(counted.calls) + 1):
        for after in (False, True):
            lake = old_lake()
            with pytest.raises(lake.crash):
                lake.collect(steps=lake.steps(at=at, after=after))
            assert lake.published() == "content 4"
            for version in lake.versions():  # a manifest that is still there still has its files
                assert lake.content(lake.manifest(version)) == f"content {version}"
            lake.collect()
            assert lake.versions() == [4]
            assert len(lake.files()) == 1
            assert lake.published() == "content 4"


def test_a_run_that_publishes_during_a_collection_loses_nothing(new_lake: Callable[[], Lake]) -> None:
    """The whole run before each step of the collection."""
    at = 0
    struck = True
    while struck:
        at += 1
        lake = new_lake()
        history(lake, 2)
        lake.age()
        struck = False

        def publish(lake: Lake = lake) -> None:
            nonlocal struck
            struck = True
            lake.run("in-3", "content 3")

        lake.collect(steps=lake.steps(at=at, happen=publish))
        assert lake.published() == ("content 3" if struck else "content 2")
        assert lake.run("in-4", "content 4").version == (4 if struck else 3)
    assert at > 4


def test_two_collections_at_once_are_one(new_lake: Callable[[], Lake]) -> None:
    for at in range(1, 14):
        lake = new_lake()
        history(lake, 3)
        lake.age()

        def collect_too(lake: Lake = lake) -> None:
            lake.collect()

        lake.collect(steps=lake.steps(at=at, happen=collect_too))
        assert lake.versions() == [3]
        assert len(lake.files()) == 1
        assert lake.published() == "content 3"


def test_empty_folders_go_when_they_have_aged(lake: Lake) -> None:
    history(lake, 1)
    lake.age()
    lake.collect()
    folders = [
        Path(folder).name for folder, below, files in os.walk(lake.root / "warehouse") if not below + files
    ]
    assert folders == []
