"""What a worker may do to a run, on the real local Lambda: killed, stopped, starved, called twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.errors import WorkerCrashedError, WorkerMemoryError, WorkerTimeoutError
from cluster_assets.domain.pacing import Backoff
from cluster_assets.invokers.local_lambda import LocalLambda, LocalLambdaConfig
from cluster_assets.stages.dispatch import Dispatcher, Pace, Task
from cluster_assets.stages.halves import halve_files
from lambda_worker.contract import ForestEvent, ForestReply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.stages.dispatch import Answer

ROOT = Path(__file__).resolve().parents[2]
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
        config = {"memory_mb": 512, "timeout_s": 60, "max_concurrency": 2} | limits
        made.append(LocalLambda(LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", **config)))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Watched:
    """An invoker that tells when each call begins, and may do something to its process then."""

    def __init__(self, worker: LocalLambda, harm: Callable[[int, int], None]) -> None:
        assert not worker.invoke({})["ok"]  # warm, so that harm comes to the work and not to the start
        self.worker = worker
        self.harm = harm
        self.calls = 0
        self.lock = threading.Lock()

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.lock:
            self.calls += 1
            number = self.calls
        harmful = threading.Timer(0.1, self._harm, [number])
        harmful.start()
        try:
            return self.worker.invoke(event)
        finally:
            harmful.cancel()

    def close(self) -> None:
        self.worker.close()

    def _harm(self, number: int) -> None:
        for sandbox in list(self.worker._sandboxes):
            if sandbox._process is not None and sandbox._process.alive:
                self.harm(number, sandbox._process.pid)


def events(files: list[str], folder: Path, kind: str = "minimum") -> list[ForestEvent]:
    shards = [(f"{folder}/{k}.forest", (file,)) for k, file in enumerate(files)]
    return [
        ForestEvent(kind=kind, candidates=shard, point_count=POINTS, output=output, record=f"{output}.json")
        for output, shard in shards
    ]


def dispatch(invoker: Any, work: list[ForestEvent], timeout_s: float = 60) -> list[Answer]:
    def halve(event: ForestEvent) -> tuple[ForestEvent, ForestEvent] | None:
        parts = halve_files(event)
        if parts is None:
            return None
        first, second = (
            replace(part, output=f"{event.output}-{k}", record=f"{event.output}-{k}.json")
            for k, part in enumerate(parts)
        )
        return first, second

    pace = Pace(2, timeout_s, backoff=Backoff(0.01, 0.05), random=Random(5))
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
def undisturbed(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the forest that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config = LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 512, 60, 2)
    with LocalLambda(config) as calm:
        return forest_of(dispatch(calm, events(files, folder)), calm, folder)


def test_killed_processes_end_in_the_same_forest(
    files: list[str], worker: Any, tmp_path: Path, undisturbed: str
) -> None:
    def kill(number: int, pid: int) -> None:
        if number in (1, 3):
            os.kill(pid, signal.SIGKILL)

    answers = dispatch(Watched(worker(), kill), events(files, tmp_path))
    assert max(answer.attempts for answer in answers) > 1
    assert forest_of(answers, worker(), tmp_path) == undisturbed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster_assets.stages.dispatch.MOST_FAILURES", 1)
        (tmp_path / "once").mkdir()
        with pytest.raises(WorkerCrashedError):
            dispatch(Watched(worker(), kill), events(files, tmp_path / "once"))


def test_a_process_that_stands_still_past_its_deadline_ends_in_the_same_forest(
    files: list[str], worker: Any, tmp_path: Path, undisturbed: str
) -> None:
    def stop(number: int, pid: int) -> None:
        if number == 1:
            os.kill(pid, signal.SIGSTOP)

    answers = dispatch(Watched(worker(timeout_s=3, max_concurrency=1), stop), events(files, tmp_path), 3)
    assert len(answers) > SHARDS, "the shard was halved"
    assert forest_of(answers, worker(), tmp_path) == undisturbed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster_assets.stages.halves._MOST_PARTS", 1)
        (tmp_path / "whole").mkdir()
        with pytest.raises(WorkerTimeoutError):
            dispatch(
                Watched(worker(timeout_s=3, max_concurrency=1), stop), events(files, tmp_path / "whole"), 3
            )


def test_a_zombie_refuses_to_go_on_when_its_time_is_over(
    files: list[str], worker: Any, tmp_path: Path
) -> None:
    (event,) = events(files[:1], tmp_path)
    late = worker().invoke(replace(event, deadline=time.time() - 1).to_json())
    assert (late["ok"], late["error_type"]) == (False, "DeadlineError")
    hasty = worker().invoke(replace(event, deadline=time.time() + 5, seconds=60.0).to_json())
    assert (hasty["ok"], hasty["error_type"]) == (False, "DeadlineError")
    assert not list(tmp_path.glob("*.forest*")), "nothing was written"


def test_a_shard_that_runs_out_of_memory_is_halved(
    files: list[str], worker: Any, tmp_path: Path, undisturbed: str
) -> None:
    (whole,) = (replace(events(files, tmp_path)[0], candidates=tuple(files)),)
    answers = dispatch(worker(memory_mb=MEMORY_MB), [whole])
    assert len(answers) > 1
    assert forest_of(answers, worker(), tmp_path) == undisturbed
    with pytest.raises(WorkerMemoryError):
        worker(memory_mb=MEMORY_MB).invoke(replace(whole, output=f"{tmp_path}/w", record=None).to_json())


def test_duplicate_and_reordered_events_write_the_same_bytes_once(
    files: list[str], worker: Any, tmp_path: Path, undisturbed: str
) -> None:
    invoker = worker()
    work = events(files, tmp_path)
    many = [event.to_json() for event in work for _ in range(3)]
    Random(11).shuffle(many)
    with ThreadPoolExecutor(2) as pool:
        replies = [ForestReply.from_json(reply) for reply in pool.map(invoker.invoke, many)]
    assert all(reply.ok for reply in replies)
    assert sum(reply.reused for reply in replies) >= len(many) - 2 * len(work)
    assert any(reply.reused for reply in replies)
    again = dispatch(invoker, work)
    assert all(answer.reply.reused for answer in again)
    assert forest_of(again, invoker, tmp_path) == undisturbed


@pytest.mark.parametrize("damage", ["record", "result", "length"])
def test_work_whose_record_or_result_is_damaged_is_done_again(
    files: list[str], worker: Any, tmp_path: Path, damage: str
) -> None:
    (event,) = events(files[:1], tmp_path)
    invoker = worker()
    assert not ForestReply.from_json(invoker.invoke(event.to_json())).reused
    assert ForestReply.from_json(invoker.invoke(event.to_json())).reused
    forest = Path(event.output)
    whole = forest.read_bytes()
    if damage == "record":
        Path(str(event.record)).write_text(json.dumps({"version": 0}))
    elif damage == "result":
        forest.unlink()
    else:
        forest.write_bytes(whole[:-1])
    reply = ForestReply.from_json(invoker.invoke(event.to_json()))
    assert (reply.ok, reply.reused) == (True, False)
    assert forest.read_bytes() == whole
    assert ForestReply.from_json(invoker.invoke(event.to_json())).reused
