"""Earlier days that change: carried-on changes, days reported as stale, and parallel runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lineage_brute import replay
from lineage_chains import Chain, Seen, clusters_of, spec_of
from waiting import LONGEST_S

from cluster_assets.stages.day.publish import publish_day, publish_days_after
from cluster_assets.stages.lineage.chain import MISSING
from cluster_assets.stages.lineage.stage import LineageStage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.stages.day.job import DayJob, StageOutput
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.lineage.stage import LineageWork

pytestmark = pytest.mark.long

DAYS = tuple(f"2026-01-0{number}" for number in range(1, 7))
DRIFT = {
    "2026-01-01": clusters_of("abcd", "efgh"),
    "2026-01-02": clusters_of("efgh", "abcd"),
    "2026-01-03": clusters_of("abcdefgh", "xyz"),
    "2026-01-04": clusters_of("xyz", "abcd", "efgh"),
    "2026-01-05": clusters_of("abc", noise="xyz"),
    "2026-01-06": clusters_of("xyz", "abc"),
}


def told_right(chain: Chain, days: Mapping[str, dict[str, Seen]]) -> None:
    for day, rows in replay(days).items():
        assert [{name: row[name] for name in rows[0]} for row in chain.rows(day)] == rows, day
    assert chain.stale() == ()


def test_a_day_that_changes_is_carried_on_as_far_as_it_matters(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in DAYS[:4]:
        made.give(day, DRIFT[day])
        made.tell(day)
    changed = DRIFT | {DAYS[0]: clusters_of("abcdefgh")}
    made.give(DAYS[0], changed[DAYS[0]])
    assert [stale.day.key for stale in made.stale()] == [DAYS[0]]
    assert made.stale()[0].reason == "its clusters were computed again"
    made.tell(DAYS[0])
    assert made.moved == list(DAYS[1:4])
    told_right(made, {day: changed[day] for day in DAYS[:4]})
    assert made.tell(DAYS[1]).reused
    assert made.moved == []


def test_what_a_forced_day_gives_again_moves_nobody(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in DAYS[:3]:
        made.give(day, DRIFT[day])
        made.tell(day)
    before = made.state()
    assert not made.tell(DAYS[1], force=True).reused
    assert made.moved == []
    assert made.state() == before


def test_a_day_put_between_two_others(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in (DAYS[0], DAYS[2], DAYS[3], DAYS[1]):
        made.give(day, DRIFT[day])
        made.tell(day)
    assert made.moved[0] == DAYS[2]
    told_right(made, {day: DRIFT[day] for day in DAYS[:4]})


def test_clusters_without_lineage_are_reported(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in DAYS[:3]:
        made.give(day, DRIFT[day])
    made.tell(DAYS[0])
    made.tell(DAYS[2])
    assert [(stale.day.key, stale.reason) for stale in made.stale()] == [(DAYS[1], MISSING)]


def test_other_thresholds_make_every_day_stale(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in DAYS[:2]:
        made.give(day, DRIFT[day])
        made.tell(day)
    other = Chain(made.backend, spec_of(made.spec.name, match=0.9))
    assert {stale.reason for stale in other.stale()} == {"the pipeline's `lineage` says otherwise now"}


@dataclass
class Overtaken(LineageStage):
    """The stage, but something happens between its look at the days before and its result."""

    happen: list[Callable[[], Any]]

    def prepare(self, job: DayJob) -> Any:
        return _OvertakenWork(super().prepare(job), self.happen)


@dataclass
class _OvertakenWork:
    work: LineageWork
    happen: list[Callable[[], Any]]

    @property
    def inputs(self) -> Mapping[str, str]:
        return self.work.inputs

    def compute(self, attempt: Attempt) -> StageOutput:
        if self.happen:
            self.happen.pop()()
        return self.work.compute(attempt)


@pytest.mark.parametrize("other", ["day before appears", "day before changes", "same day", "day after"])
def test_a_run_that_is_overtaken_by_another(chain: Callable[..., Chain], other: str) -> None:
    made = chain()
    for day in DAYS[:4]:
        made.give(day, DRIFT[day])
    days = {day: DRIFT[day] for day in DAYS[:4]}
    made.tell(DAYS[0])
    happens: Callable[[], Any] = lambda: made.tell(DAYS[1])  # noqa: E731
    if other == "day before changes":
        made.tell(DAYS[1])
        days[DAYS[1]] = clusters_of("abcdefgh")
        made.give(DAYS[1], days[DAYS[1]])
    elif other == "same day":
        happens = lambda: made.tell(DAYS[2])  # noqa: E731
        made.tell(DAYS[1])
    elif other == "day after":
        happens = lambda: made.tell(DAYS[3])  # noqa: E731
        made.tell(DAYS[1])
    publish_day(Overtaken([happens]), made.job(DAYS[2]))
    publish_days_after(LineageStage(), made.job(DAYS[2]))
    if other != "day after":
        made.tell(DAYS[3])
    told_right(made, days)


def test_a_run_that_died_before_it_carried_on(chain: Callable[..., Chain]) -> None:
    made = chain()
    for day in DAYS[:4]:
        made.give(day, DRIFT[day])
    for day in DAYS[1:4]:
        made.tell(day)
    publish_day(LineageStage(), made.job(DAYS[0]))  # and no more
    assert [stale.day.key for stale in made.stale()] == [DAYS[1]]
    made.tell(DAYS[1])
    told_right(made, {day: DRIFT[day] for day in DAYS[:4]})


def test_two_processes_at_once(chain: Callable[..., Chain], tmp_path: Path) -> None:
    made = chain()
    for day in DAYS:
        made.give(day, DRIFT[day])
    program = str(Path(__file__).with_name("tell_days.py"))
    orders = (DAYS[::2], DAYS[1::2])
    runs = [
        subprocess.Popen([sys.executable, program, made.spec.name, *order], stderr=subprocess.PIPE, text=True)
        for order in orders
    ]
    for run in runs:
        _, said = run.communicate(timeout=LONGEST_S)
        assert run.returncode == 0, said
    told_right(made, DRIFT)


def test_a_job_may_be_reused_for_another_day(chain: Callable[..., Chain]) -> None:
    made = chain()
    made.give(DAYS[0], DRIFT[DAYS[0]])
    made.give(DAYS[1], DRIFT[DAYS[1]])
    job = made.job(DAYS[0])
    publish_day(LineageStage(), job)
    publish_day(LineageStage(), replace(job, day=job.day.next))
    assert made.ids(DAYS[1]) == {0: "20260101-000001", 1: "20260101-000000"}
