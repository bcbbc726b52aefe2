"""Readings, comparisons and growth of the benchmarks, on real processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.bench_reading import write
from benchmarks.measure.comparing import ResultsDifferError, Side, compare, is_same
from benchmarks.measure.growth import judge, slope
from benchmarks.measure.options import Options
from benchmarks.measure.processes import Clock, MemoryWatch
from benchmarks.measure.readings import read

TAKE = "benchmarks.bench_reading:take"
SMALL = Options(small=True)
# Prints when it has used 0.3 s, then waits for its input to end.
BUSY = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
LARGE = "import sys\nheld = bytearray(b'x') * (100 << 20)\nprint(flush=True)\nsys.stdin.read()"


def start(program: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two files of different rows."""
    folder = tmp_path_factory.mktemp("flows")
    found = []
    for name, rows in (("one", 20), ("two", 30)):
        (folder / name).mkdir()
        write(folder / name, "csv", rows)
        found.append(str(folder / name / "flows.csv"))
    return found[0], found[1]


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "alive"])
def test_the_clock_counts_the_processor_time_of_child_processes(ends: bool) -> None:
    with Clock() as clock:
        child = start(BUSY)
        if ends:
            child.communicate("")
    child.communicate("")
    assert clock.spent.cpu_s > 0.25
    assert clock.spent.wall_s >= 0.25


def test_memory_is_that_of_the_largest_process_and_of_all() -> None:
    watch = MemoryWatch()
    children = [start(LARGE), start(LARGE)]
    watch.look(os.getpid())
    for child in children:
        child.communicate("")
    alone = MemoryWatch()
    alone.look(os.getpid())
    assert watch.largest >= 100
    assert watch.total >= alone.total + 190


def test_a_reading_has_a_process_of_its_own(files: tuple[str, str]) -> None:
    reading = read(Options(), TAKE, "duckdb", files[0])
    assert reading is not None
    assert reading.found["n"] == 20
    assert 0 < reading.cpu_s < 60
    assert 20 < reading.largest_mib <= reading.total_mib


def test_a_failed_reading_shows_its_last_words() -> None:
    with pytest.raises(SystemExit, match="FileNotFoundError"):
        read(Options(), TAKE, "duckdb", "/nowhere.csv")


def test_a_comparison_refuses_different_results(files: tuple[str, str]) -> None:
    ours, other = (Side("ours", TAKE, ("duckdb", file)) for file in files)
    with pytest.raises(ResultsDifferError, match=r"'n': 20.*'n': 30"):
        compare("rows", ours, [other], SMALL)


def test_a_comparison_without_an_exact_peer_is_refused(files: tuple[str, str]) -> None:
    ours = Side("ours", TAKE, ("ours", files[0]))
    same = Side("the same, in another way", TAKE, ("ours", files[0]), is_peer=False)
    missing = Side("missing", TAKE, (), needs="no_such_library")
    rough = Side("approximate", TAKE, ("duckdb", files[1]), is_exact=False)
    with pytest.raises(ResultsDifferError, match="no exact peer"):
        compare("rows", ours, [same, missing, rough], SMALL)


def test_peers_that_are_not_installed_are_named(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    ours, peer = (Side(name, TAKE, (name, files[0])) for name in ("ours", "duckdb"))
    compare("rows", ours, [peer, Side("missing", TAKE, (), needs="no_such_library")], SMALL)
    assert "not installed: missing" in capsys.readouterr().out


def test_results_are_compared_where_both_have_a_name() -> None:
    assert is_same({"a": 1, "b": 2}, {"a": 1, "c": 3})
    assert not is_same({"a": 1}, {"b": 1})
    assert not is_same({"a": 1}, {"a": 2})
    assert is_same({"a": 1.0}, {"a": 1.001}, 0.01)
    assert not is_same({"a": 1.0}, {"a": 1.001}, 1e-5)


def test_the_exponent_is_the_slope_on_logarithmic_axes() -> None:
    assert slope([10, 100, 1000], [0.1, 10, 1000]) == pytest.approx(2)
    assert judge(1.2, 1.1, Options()) == "ABOVE 1.1"
    assert judge(1.0, 1.1, Options()) == "within 1.1"
