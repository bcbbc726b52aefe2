"""What a worker may do to a run, on the real local Lambda: killed, stopped, starved, called twice."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from msgspec.structs import replace
from sandbox_clock import sandbox_clock
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import WorkerCrashedError, WorkerMemoryError, WorkerTimeoutError
from cluster_assets.stages.worker.dispatch import Dispatcher, Pace, Task, halve_files
from lambda_worker.contract import ForestEvent, ForestReply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.stages.worker.dispatch import Answer

ROOT = Path(__file__).resolve().parents[3]
POINTS = 1_000_000
SHARDS = 6
PAIRS = 400_000  # of a shard
MEMORY_MB = 160  # enough for half of the pairs, not for all


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Pairs of a day in shards, sorted."""
    folder = tmp_path_factory.mktemp("pairs")
    for shard in range(SHARDS):
        low, high = shard * PAIRS, (shard + 1) * PAIRS
        duckdb.sql(
            f"COPY (SELECT DISTINCT ON (a, b) a::BIGINT AS point_a, b::BIGINT AS point_b, "
            f"(hash(a * 7919 + b) % 1000003 / 1e6)::DOUBLE AS distance FROM (SELECT hash(i) % {POINTS} AS a, "
            f"a + 1 + hash(i + 1e9::BIGINT) % 50 AS b FROM range({low}, {high}) t(i)) "
            f"WHERE b < {POINTS} ORDER BY a, b) TO '{folder}/{shard}.parquet' (FORMAT parquet)"
        )
    return [f"{folder}/{shard}.parquet" for shard in range(SHARDS)]


@pytest.fixture
def worker() -> Iterator[Callable[..., LocalLambda]]:
    """Makes local Lambdas of the real worker."""
    made: list[LocalLambda] = []

    def make(**limits: Any) -> LocalLambda:
        config = {"memory_mb": 512, "timeout_s": LONGEST_S, "max_concurrency": 2} | limits
        handler = config.pop("handler", "lambda_worker.handler.handler")
        made.append(LocalLambda(LocalLambdaConfig(ROOT, handler, **config)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def halts(tmp_path: Path) -> Path:
    folder = tmp_path / "halts"
    folder.mkdir()
    return folder


@pytest.fixture
def halting_worker(worker: Callable[..., LocalLambda], halts: Path) -> Callable[..., LocalLambda]:
    """Makes local Lambdas of the worker that halts when a file in `halts` asks for it."""
    environment = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent))),
        "HALTS": str(halts),
    }

    def make(**limits: Any) -> LocalLambda:
        return worker(handler="halting_worker.handler", environment=environment, **limits)

    return make


class Harmed:
    """An invoker that harms processes at work, whose output is written but not yet in place.

    Args:
        worker: A local Lambda of the worker that halts.
        halts: Its folder for halts.
        harm: Gets the id of a process that has halted.
        calls: Numbers of the calls, from 1, during which that happens.
        at: `.record` for processes whose result is in place, but not its record.
    """

    def __init__(
        self,
        worker: LocalLambda,
        halts: Path,
        harm: Callable[[int], None],
        calls: tuple[int, ...],
        at: str = "",
    ) -> None:
        self.worker = worker
        self._halts = halts
        self._harm = harm
        self._calls = calls
        self._at = at
        self._numbers = itertools.count(1)
        self._turn = threading.Semaphore()

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        if (number := next(self._numbers)) in self._calls:
            self._turn.acquire()  # one harm at a time
            place = f"{number}{self._at}"
            for answered in self._halts.glob(f"halted-{place}-*"):  # by a worker of another invoker
                answered.unlink()
            (self._halts / f"halt-{place}").touch()
            threading.Thread(target=self._await_halt, args=(place,), daemon=True).start()
        return self.worker.invoke(event)

    def close(self) -> None:
        self.worker.close()

    def _await_halt(self, place: str) -> None:
        halted = wait_for(
            f"a worker halts during call {place}", lambda: list(self._halts.glob(f"halted-{place}-*"))
        )
        self._harm(int(halted[0].name.rpartition("-")[2]))
        (self._halts / f"halt-{place}").unlink()
        self._turn.release()


def events(files: list[str], folder: Path, kind: str = "minimum") -> list[ForestEvent]:
    shards = [(f"{folder}/{k}.forest", (file,)) for k, file in enumerate(files)]
    return [
        ForestEvent(kind=kind, candidates=shard, point_count=POINTS, output=output, record=f"{output}.json")
        for output, shard in shards
    ]


def dispatch(invoker: Any, work: list[ForestEvent]) -> list[Answer]:
    def halve(event: ForestEvent) -> tuple[ForestEvent, ForestEvent] | None:
        parts = halve_files(event)
        if parts is None:
            return None
        first, second = (
            replace(part, output=f"{event.output}-{k}", record=f"{event.output}-{k}.json")
            for k, part in enumerate(parts)
        )
        return first, second

    pace = Pace(2, LONGEST_S, patience=Patience(first_wait_s=0.02, longest_wait_s=0.05))
    return Dispatcher(invoker, pace).run([Task(event, halve) for event in work])


def forest_of(answers: list[Answer], invoker: Any, folder: Path) -> str:
    """Digest of the forest of all forests: a function of the pairs alone."""
    merged = ForestEvent(
        kind="minimum",
        candidates=tuple(answer.event.output for answer in answers),
        point_count=POINTS,
        output=f"{folder}/merged.forest",
    )
    assert ForestReply.from_json(invoker.invoke(merged.to_json())).ok
    return hashlib.sha256(Path(merged.output).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def calm() -> Iterator[LocalLambda]:
    """A local Lambda that no test harms; its processes stay warm."""
    config = LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 512, LONGEST_S, 2)
    with LocalLambda(config) as worker:
        yield worker


@pytest.fixture(scope="module")
def undisturbed(files: list[str], calm: LocalLambda, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the forest that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return forest_of(dispatch(calm, events(files, folder)), calm, folder)


def test_killed_processes_end_in_the_same_forest(
    files: list[str], calm: LocalLambda, halting_worker: Any, halts: Path, tmp_path: Path, undisturbed: str
) -> None:
    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    answers = dispatch(Harmed(halting_worker(), halts, kill, (1, 3)), events(files, tmp_path))
    assert max(answer.attempts for answer in answers) > 1
    assert forest_of(answers, calm, tmp_path) == undisturbed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster_assets.stages.worker.dispatch.MOST_FAILURES", 1)
        (tmp_path / "once").mkdir()
        with pytest.raises(WorkerCrashedError):
            dispatch(Harmed(halting_worker(), halts, kill, (1,)), events(files, tmp_path / "once"))


def test_a_process_killed_between_result_and_record_leaves_one_result(
    files: list[str], calm: LocalLambda, halting_worker: Any, halts: Path, tmp_path: Path
) -> None:
    (event,) = events(files[:1], tmp_path)
    forest, record = Path(event.output), Path(str(event.record))
    left: list[bytes] = []

    def kill(pid: int) -> None:
        left.append(forest.read_bytes())
        assert not record.exists()
        os.kill(pid, signal.SIGKILL)

    (answer,) = dispatch(Harmed(halting_worker(), halts, kill, (1,), at=".record"), [event])
    assert (answer.attempts, answer.reply.reused) == (2, False)
    assert left == [forest.read_bytes()]
    assert [path for path in tmp_path.glob("*.forest") if path.is_file()] == [forest]
    assert ForestReply.from_json(calm.invoke(event.to_json())).reused


def test_a_zombie_that_goes_on_after_others_finished_its_work_changes_nothing(
    files: list[str], calm: LocalLambda, halts: Path, tmp_path: Path
) -> None:
    (event,) = events(files[:1], tmp_path)
    program = (
        "import json, sys; from halting_worker import handler; "
        "print(json.dumps(handler(json.load(sys.stdin), None)))"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
        "HALTS": str(halts),
    }
    (halts / "halt-1").touch()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zombie:
        assert zombie.stdin is not None
        zombie.stdin.write(json.dumps(event.to_json()))
        zombie.stdin.close()
        zombie.stdin = None
        wait_for("the zombie halts before its result is in place", lambda: list(halts.glob("halted-1-*")))
        zombie.send_signal(signal.SIGSTOP)
        assert not ForestReply.from_json(calm.invoke(event.to_json())).reused
        result, record = Path(event.output).read_bytes(), Path(str(event.record)).read_bytes()
        (halts / "halt-1").unlink()
        zombie.send_signal(signal.SIGCONT)
        late = json.loads(zombie.communicate(timeout=LONGEST_S)[0])
    assert late["ok"]
    assert Path(event.output).read_bytes() == result
    assert json.loads(Path(str(event.record)).read_bytes())["sizes"] == json.loads(record)["sizes"]
    assert ForestReply.from_json(calm.invoke(event.to_json())).reused


@pytest.mark.parametrize("jump_s", [3600.0, -86_400.0])
def test_a_clock_that_jumps_during_a_run_costs_at_most_another_call(
    files: list[str], calm: LocalLambda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """The first deadline is of a clock that is then put back by an hour, or forward by a day."""
    jumps = itertools.chain([jump_s], itertools.repeat(0.0))
    clock = SimpleNamespace(
        time=lambda: time.time() + next(jumps), monotonic=time.monotonic, sleep=time.sleep
    )
    monkeypatch.setattr("cluster_assets.stages.worker.dispatch.time", clock)
    whole = replace(events(files[:1], tmp_path)[0], candidates=tuple(files[:2]))
    answers = dispatch(calm, [whole])
    assert len(answers) == (1 if jump_s > 0 else 2), "an event that came too late is halved"
    (tmp_path / "calm").mkdir()
    expected = dispatch(calm, events(files[:2], tmp_path / "calm"))
    digest = forest_of(expected, calm, tmp_path / "calm")
    assert forest_of(answers, calm, tmp_path) == digest


def test_a_process_that_stands_still_past_its_deadline_ends_in_the_same_forest(
    files: list[str], calm: LocalLambda, halting_worker: Any, halts: Path, tmp_path: Path, undisturbed: str
) -> None:
    with sandbox_clock() as clock, pytest.MonkeyPatch.context() as patch:

        def stop(pid: int) -> None:
            os.kill(pid, signal.SIGSTOP)
            clock.expire()

        stopped = Harmed(halting_worker(max_concurrency=1), halts, stop, (1,))
        answers = dispatch(stopped, events(files, tmp_path))
        assert len(answers) > SHARDS, "the shard was halved"
        assert forest_of(answers, calm, tmp_path) == undisturbed
        patch.setattr("cluster_assets.stages.worker.dispatch._MOST_PARTS", 1)
        (tmp_path / "whole").mkdir()
        stopped = Harmed(halting_worker(max_concurrency=1), halts, stop, (1,))
        with pytest.raises(WorkerTimeoutError):
            dispatch(stopped, events(files, tmp_path / "whole"))


def test_a_zombie_refuses_to_go_on_when_its_time_is_over(
    files: list[str], calm: LocalLambda, tmp_path: Path
) -> None:
    (event,) = events(files[:1], tmp_path)
    late = calm.invoke(replace(event, deadline=time.time() - 1).to_json())
    assert (late["ok"], late["error_type"]) == (False, "DeadlineError")
    hasty = calm.invoke(replace(event, deadline=time.time() + 5, seconds=60.0).to_json())
    assert (hasty["ok"], hasty["error_type"]) == (False, "DeadlineError")
    assert not list(tmp_path.glob("*.forest*")), "nothing was written"


def test_a_shard_that_runs_out_of_memory_is_halved(
    files: list[str], calm: LocalLambda, worker: Any, tmp_path: Path, undisturbed: str
) -> None:
    (whole,) = (replace(events(files, tmp_path)[0], candidates=tuple(files)),)
    answers = dispatch(worker(memory_mb=MEMORY_MB), [whole])
    assert len(answers) > 1
    assert forest_of(answers, calm, tmp_path) == undisturbed
    with pytest.raises(WorkerMemoryError):
        worker(memory_mb=MEMORY_MB).invoke(replace(whole, output=f"{tmp_path}/w", record=None).to_json())


def test_duplicate_and_reordered_events_write_the_same_bytes_once(
    files: list[str], calm: LocalLambda, tmp_path: Path, undisturbed: str
) -> None:
    work = events(files, tmp_path)
    many = [event.to_json() for event in work for _ in range(3)]
    Random(11).shuffle(many)
    with ThreadPoolExecutor(2) as pool:
        replies = [ForestReply.from_json(reply) for reply in pool.map(calm.invoke, many)]
    assert all(reply.ok for reply in replies)
    assert sum(reply.reused for reply in replies) >= len(many) - 2 * len(work)
    assert any(reply.reused for reply in replies)
    again = dispatch(calm, work)
    assert all(answer.reply.reused for answer in again)
    assert forest_of(again, calm, tmp_path) == undisturbed


@pytest.mark.parametrize("damage", ["record", "result", "length"])
def test_work_whose_record_or_result_is_damaged_is_done_again(
    files: list[str], calm: LocalLambda, tmp_path: Path, damage: str
) -> None:
    (event,) = events(files[:1], tmp_path)
    assert not ForestReply.from_json(calm.invoke(event.to_json())).reused
    assert ForestReply.from_json(calm.invoke(event.to_json())).reused
    forest = Path(event.output)
    whole = forest.read_bytes()
    if damage == "record":
        Path(str(event.record)).write_text(json.dumps({"version": 0}))
    elif damage == "result":
        forest.unlink()
    else:
        forest.write_bytes(whole[:-1])
    reply = ForestReply.from_json(calm.invoke(event.to_json()))
    assert (reply.ok, reply.reused) == (True, False)
    assert forest.read_bytes() == whole
    assert ForestReply.from_json(calm.invoke(event.to_json())).reused
