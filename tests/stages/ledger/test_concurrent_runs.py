"""Several runs of the same day at once: in every order of their steps, and as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.manifests import Manifest
    from tests.stages.ledger.conftest import Lake

COMMITTER = Path(__file__).with_name("commit_many.py")


def interleaved(
    new_lake: Callable[[], Lake], ours: tuple[str, str, bool], other: tuple[str, str, bool]
) -> list[tuple[Lake, Manifest, Manifest]]:
    """The other run, whole, before each step of our commit."""
    outcomes: list[tuple[Lake, Manifest, Manifest]] = []
    at = 0
    while True:
        at += 1
        lake = new_lake()
        lake.run("in-0", "before")
        others: list[Manifest] = []

        def run_other(lake: Lake = lake, others: list[Manifest] = others) -> None:
            others.append(lake.run(other[0], other[1], force=other[2]))

        steps = lake.steps(at=at, happen=run_other)
        ledger = lake.faulty(steps)
        attempt = lake.ledger.start_attempt("points", lake.day)
        mine = ledger.commit(lake.draft(attempt, ours[0], ours[1], force=ours[2]))
        if not others:
            assert at > 5
            return outcomes
        assert lake.versions() == list(range(1, len(lake.versions()) + 1))
        assert lake.published() in (ours[1], other[1])
        outcomes.append((lake, mine, others[0]))


@pytest.mark.parametrize("content", ["same", "other last bit"])
def test_from_the_same_inputs_the_first_committer_wins(new_lake: Callable[[], Lake], content: str) -> None:
    outcomes = interleaved(new_lake, ("in-1", "same", False), ("in-1", content, False))
    winners = set()
    for lake, mine, other in outcomes:
        assert mine == other == lake.current()
        assert lake.versions() == [1, 2]
        winners.add(lake.published())
        assert len(lake.files()) == 2  # the loser's file is gone, day `before` and the winner's stay
    assert winners == {"same", content}


def test_from_other_inputs_both_are_history_and_the_later_commit_is_read(
    new_lake: Callable[[], Lake],
) -> None:
    outcomes = interleaved(new_lake, ("in-1", "one", False), ("in-2", "two", False))
    for lake, mine, other in outcomes:
        assert {mine.version, other.version} == {2, 3}
        assert lake.current() == max(mine, other, key=lambda manifest: manifest.version)
    assert {lake.published() for lake, _, _ in outcomes} == {"one", "two"}


def test_a_forced_run_publishes_its_other_content_and_adopts_equal_content(
    new_lake: Callable[[], Lake],
) -> None:
    for lake, mine, _ in interleaved(new_lake, ("in-1", "mine", True), ("in-1", "other", False)):
        assert lake.content(mine) == "mine"
        if mine.version == 3:
            assert lake.published() == "mine"
    for lake, mine, other in interleaved(new_lake, ("in-1", "same", True), ("in-1", "same", False)):
        assert mine == other
        assert lake.versions() == [1, 2]


def test_a_damaged_winner_is_not_adopted(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    winner = lake.run("in-1", "hello")
    Path(lake.ledger.uris(winner, "members")[0]).unlink()
    mine = lake.ledger.commit(lake.draft(attempt, "in-1", "hello"))
    assert mine.version == 2
    assert lake.published() == "hello"


def test_a_winner_that_died_before_its_flip_is_published(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    with pytest.raises(lake.crash):
        lake.run("in-1", "theirs", ledger=lake.faulty(lake.steps(on="flip")))
    assert lake.published() is None
    published = lake.ledger.commit(lake.draft(attempt, "in-1", "ours"))
    assert lake.current() == published
    assert lake.published() == "theirs"


def test_a_reader_whose_version_is_collected_meanwhile_reads_the_next_one(lake: Lake) -> None:
    lake.run("in-1", "one")

    def supersede() -> None:
        lake.run("in-2", "two")
        lake.age()
        lake.collect()

    steps = lake.steps(at=1, after=True, happen=supersede)
    manifest = lake.faulty(steps).current("points", lake.day)
    assert steps.calls == ["current", "read", "current", "read"]
    assert lake.versions() == [2]
    assert manifest is not None
    assert lake.content(manifest) == "two"


def test_a_zombie_cannot_take_the_day_back(lake: Lake) -> None:
    """A committer is stopped before its put, wakes after its version was superseded and collected."""

    def meanwhile() -> None:
        for number in (1, 2, 3):
            lake.run(f"in-{number}", f"day {number}")
        lake.age()
        lake.collect()

    attempt = lake.ledger.start_attempt("points", lake.day)
    ledger = lake.faulty(lake.steps(on="put", happen=meanwhile))
    zombie = ledger.commit(lake.draft(attempt, "in-9", "zombie"))
    assert zombie.version == 1
    assert lake.versions() == [1, 3]
    assert lake.published() == "day 3"
    assert lake.run("in-4", "day 4").version == 4
    assert lake.published() == "day 4"


@pytest.mark.parametrize("contents", ["same", "different"])
def test_of_many_processes_exactly_one_wins_per_input(lake: Lake, contents: str) -> None:
    rounds, reports = 6, run_processes(lake, processes=4, rounds=6, inputs="shared", contents=contents)
    history = manifests(lake)
    assert [manifest.version for manifest in history] == list(range(1, rounds + 1))
    assert Counter(manifest.input_digest for manifest in history) == {f"in-{n}": 1 for n in range(rounds)}
    told = {manifest.input_digest: manifest.attempt for manifest in history}
    assert all(report == told for report in reports)
    assert lake.current() == history[-1]
    assert sorted(lake.files()) == sorted(
        file.key for each in history for file in each.tables["members"].files
    )
    for manifest in history:
        assert lake.content(manifest)


def test_of_many_processes_with_their_own_inputs_each_commit_is_history(lake: Lake) -> None:
    reports = run_processes(lake, processes=4, rounds=6, inputs="own", contents="different")
    history = manifests(lake)
    assert [manifest.version for manifest in history] == list(range(1, 25))
    assert len({manifest.input_digest for manifest in history}) == 24
    assert {digest: attempt for report in reports for digest, attempt in report.items()} == {
        manifest.input_digest: manifest.attempt for manifest in history
    }
    assert lake.current() == history[-1]


def run_processes(
    lake: Lake, *, processes: int, rounds: int, inputs: str, contents: str
) -> list[dict[str, str]]:
    """Let processes commit the same day at once; what each believes was published, by input digest."""
    children = [
        subprocess.Popen(
            [sys.executable, str(COMMITTER), str(lake.root), str(number), str(rounds), inputs, contents],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * processes
    return [json.loads(answer) for answer in answers]


def manifests(lake: Lake) -> list[Manifest]:
    return [lake.manifest(version) for version in lake.versions()]
