"""Announced days are requested once for each state of their inputs, whatever happens on the way."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import threading
from typing import TYPE_CHECKING

import pytest
from arrival_daemon import ATTRIBUTES, Announcer, Daemon

from cluster_assets.arrivals.announcements import Cursor
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from arrival_daemon import Lake

    from cluster_assets.backends.ports import Backend

D1, D2, D3 = "2026-01-01", "2026-01-02", "2026-01-03"


def test_a_day_is_requested_when_its_marker_appears(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    assert daemon.tick() == []
    lake.mark(D1)
    assert daemon.tick() == [D1]
    daemon.run(D1)
    assert daemon.tick() == []
    lake.mark(D1)
    assert daemon.tick() == [], "its data did not change"
    assert daemon.computed("clusters", D1) == 1


def test_late_data_is_computed_when_it_is_announced_and_differs(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    lake.mark(D1)
    daemon.run(*daemon.tick())
    lake.write(D1, "late", rows=9)
    assert daemon.tick() == [], "nobody said that the late file is complete"
    lake.mark(D1)
    assert daemon.tick() == [D1]
    daemon.run(D1)
    assert daemon.ledger.require("clusters", parse_day(D1)).metrics["entities"] == 15
    assert daemon.computed("clusters", D1) == 2
    lake.mark(D1)
    assert daemon.tick() == []


def test_a_late_file_that_is_withdrawn_is_another_change(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    lake.mark(D1)
    daemon.run(*daemon.tick())
    lake.write(D1, "late")
    lake.mark(D1)
    daemon.run(*daemon.tick())
    (lake.folder / f"day={D1}" / "late.parquet").unlink()
    lake.mark(D1)
    assert daemon.tick() == [D1], "the inputs are the first ones again, but not the published ones"
    daemon.run(D1)
    assert daemon.ledger.require("clusters", parse_day(D1)).metrics["entities"] == 6
    assert len(daemon.run_keys) == 3


def test_duplicated_and_reordered_announcements(lake: Lake, spec: PipelineSpec, backend: Backend) -> None:
    days = [day.key for day in days_between(parse_day(D1), parse_day("2026-01-06"))]
    for day in days:
        lake.write(day)
    announcer = Announcer()
    daemon = Daemon(spec, backend, announcer)
    rng = random.Random(6)
    asked: list[str] = []
    unrun: list[str] = []
    while len(asked) < len(days) or unrun:
        announcer.days = [parse_day(day) for day in rng.choices(days, k=3)]
        new = daemon.tick()
        asked += new
        unrun += new
        if rng.random() < 0.5 and unrun:
            daemon.run(unrun.pop(rng.randrange(len(unrun))))
    assert sorted(asked) == days
    assert [daemon.computed("clusters", day) for day in days] == [1] * len(days)


def test_two_daemons_at_once_ask_for_a_day_once(lake: Lake, spec: PipelineSpec, backend: Backend) -> None:
    days = [day.key for day in days_between(parse_day(D1), parse_day("2026-01-08"))]
    for day in days:
        lake.write(day)
        lake.mark(day)
    daemons = [Daemon(spec, backend) for _ in range(4)]
    asked: list[list[str]] = [[] for _ in daemons]
    start = threading.Barrier(len(daemons))

    def live(number: int) -> None:
        start.wait()
        asked[number] = daemons[number].tick()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(len(daemons))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(day for each in asked for day in each) == days
    # Those that lost keep the days in mind until they are published.
    for number, daemon in enumerate(daemons):
        assert {day.key for day in daemon.cursor.waiting} == set(days) - set(asked[number])
        daemon.run(*asked[number])
    for daemon in daemons:
        assert daemon.tick() == []
        assert daemon.cursor.waiting == ()
    assert [daemons[0].computed("clusters", day) for day in days] == [1] * len(days)


def test_a_daemon_that_dies_before_its_request_is_recorded_loses_no_day(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    lake.mark(D1)
    lost = daemon.look()  # killed here: neither the run nor the cursor was saved
    assert [request.day.key for request in lost.requests] == [D1]
    assert daemon.tick() == [], "the claim may belong to a daemon that lives"
    assert [day.key for day in daemon.cursor.waiting] == [D1]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=16)
    daemon.clock = lambda: later
    assert daemon.tick() == [D1]
    assert daemon.tick() == []


def test_a_daemon_that_dies_between_run_and_cursor_asks_again_in_vain(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    lake.mark(D1)
    look = daemon.look()
    daemon.record(look)
    daemon.cursor = Cursor()  # the run was recorded, what was seen was not
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    daemon.clock = lambda: later
    assert daemon.tick() == []
    assert daemon.cursor.waiting == ()


def test_a_day_that_failed_is_not_tried_again_by_itself(lake: Lake, daemon: Daemon) -> None:
    lake.write(D1)
    (lake.folder / f"day={D1}" / "b.parquet").write_bytes(b"PAR1 no such thing PAR1")
    lake.mark(D1)
    assert daemon.tick() == [D1]
    lake.mark(D1)
    assert daemon.tick() == []
    lake.write(D1, "b")
    lake.mark(D1)
    assert daemon.tick() == [D1], "its inputs are others now"


def test_days_that_cannot_run_yet_wait(lake: Lake, daemon: Daemon) -> None:
    for day in ("2025-12-31", D1, D2):
        lake.write(day)
        lake.mark(day)
    (lake.folder / f"day={D3}").mkdir()
    lake.mark(D3)
    look = daemon.look(today=D2)
    assert [request.day.key for request in look.requests] == [D1]
    assert look.notes == ("2025-12-31 is no partition", f"{D2} is not over", f"{D3} is not over")
    daemon.record(look)
    look = daemon.look(today="2026-01-10")
    assert [request.day.key for request in look.requests] == [D2]
    assert "2026-01-03 waits: no file holds 2026-01-03" in look.notes
    daemon.record(look)
    lake.write(D3)
    assert daemon.tick() == [D3]


def test_a_day_whose_source_cannot_be_used_is_requested_so_that_its_run_tells(
    lake: Lake, backend: Backend
) -> None:
    raw = {"files": f"{lake.folder}/day=*/*.parquet", "partition_column": "day"}
    limits = {"max_scan_bytes": 10_000_000}
    spec = PipelineSpec.model_validate(ATTRIBUTES | {"raw": raw, "arrivals": {}, "limits": limits})
    lake.write(D1)
    with (lake.folder / f"day={D1}" / "b.parquet").open("wb") as large:
        large.truncate(11_000_000)
    lake.mark(D1)
    daemon = Daemon(spec, backend)
    assert daemon.tick() == [D1]
    assert daemon.tick() == []


def test_a_long_history_is_asked_for_little_by_little(lake: Lake, daemon: Daemon) -> None:
    days = [day.key for day in days_between(parse_day(D1), parse_day("2026-01-25"))]
    lake.write(days[0])
    lake.mark(days[0])
    for day in days[1:]:
        shutil.copytree(lake.folder / f"day={days[0]}", lake.folder / f"day={day}")
    assert [daemon.tick(), daemon.tick(), daemon.tick()] == [days[:20], days[20:], []]


@pytest.mark.parametrize("name", ["part-[1]", "a b"])
def test_markers_in_folders_with_odd_names(name: str, lake: Lake, backend: Backend) -> None:
    folder = lake.folder / name
    lake.folder = folder
    lake.write(D1)
    lake.mark(D1)
    raw = {"files": f"{folder.parent}/*/day=*/*.parquet", "partition_column": "day"}
    arrivals = {"marker": f"{folder.parent}/a b/day={{day}}/_SUCCESS"}
    if name != "a b":
        with pytest.raises(ValueError, match="is a pattern"):
            PipelineSpec.model_validate(
                ATTRIBUTES | {"raw": raw, "arrivals": {"marker": f"{folder}/day={{day}}/_SUCCESS"}}
            )
        return
    spec = PipelineSpec.model_validate(ATTRIBUTES | {"raw": raw, "arrivals": arrivals})
    assert Daemon(spec, backend).tick() == [D1]
