"""Real Dagster runs that die between two calls of AWS, at every point of the protocol, by either signal.

Readers poll all the while and see the old day or the new one. Each run follows the one that died before it,
so that the last of them, which nobody kills, ends what twenty-one dead ones began.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from athena_lake import BUCKET
from fault_proxy import Fault, FaultProxy
from waiting import LONGEST_S
from watcher import Watcher

from cluster_assets.domain.days import parse_day
from cluster_assets.project import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from athena_lake import Lake
    from cloud import Cloud
    from fault_proxy import Call

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).with_name("forked_runs.py")
DAY = parse_day("2026-01-02")
SERVICES = ("S3", "GLUE", "ATHENA", "LAMBDA")


@dataclass(frozen=True)
class Point:
    """Where a run dies.

    Attributes:
        stage: The stage that is under way.
        name: The moment.
        service: Whose call it is.
        matches: Which call.
        nth: Of those that match, from 1; 0 for the last invocation of the stage.
        when: Before AWS does what the call asks, or after it.
    """

    stage: str
    name: str
    service: str
    matches: Callable[[Call], bool]
    nth: int = 1
    when: str = "before"


def starts(call: Call) -> bool:
    return call.target == "StartQueryExecution"


def invokes(call: Call) -> bool:
    return call.path.endswith("/invocations") or "/invocations?" in call.path


def commits(stage: str) -> Callable[[Call], bool]:
    return lambda call: call.method == "PUT" and f"/{stage}/_manifests/" in call.path


def moves(table: str) -> Callable[[Call], bool]:
    name = f'"crashing_{table}"'.encode()
    return lambda call: call.target == "BatchUpdatePartition" and name in call.body


def points_of(stage: str) -> Iterator[Point]:
    """The points of a stage in the order of its work."""
    if stage == "clusters":
        yield Point(stage, "planned", "LAMBDA", invokes)
    else:
        yield Point(stage, "planned", "ATHENA", starts)
    if stage in ("candidates", "clusters"):
        yield Point(stage, "invoked some", "LAMBDA", invokes, nth=2)
        yield Point(stage, "all done", "LAMBDA", invokes, nth=0, when="after")
    yield Point(stage, "staged", "S3", commits(stage))
    yield Point(stage, "committed", "S3", commits(stage), when="after")
    if stage == "points":
        yield Point(stage, "half flipped", "GLUE", moves("members"), when="after")
    yield Point(stage, "flipped", "GLUE", moves(stage), when="after")


STAGES = ("raw", "points", "candidates", "clusters")
POINTS = tuple(itertools.chain.from_iterable(map(points_of, STAGES)))


class Runs:
    """The program that starts runs, and a bad line from them to each service."""

    def __init__(self, program: subprocess.Popen[str], proxies: dict[str, FaultProxy], said: Path) -> None:
        self._program = program
        self._proxies = proxies
        self._said = said

    def run(self, spec: Path, death: tuple[Point, int, signal.Signals] | None = None) -> int:
        """Run the day; its exit status, negative for a signal.

        Args:
            spec: The YAML.
            death: Where it dies, at which of the calls that match, and by what.
        """
        lines = {f"AWS_ENDPOINT_URL_{name}": proxy.url for name, proxy in self._proxies.items()}
        order = {
            "spec": str(spec),
            "day": DAY.key,
            "environment": dict(os.environ) | lines,
            "said": str(self._said),
            "shard_rows": 400,
        }
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        print(json.dumps(order), file=self._program.stdin, flush=True)
        pid = int(self._program.stdout.readline())
        hits: list[int] = []
        if death is not None:
            self._arm(*death, pid, hits)
        status = int(self._program.stdout.readline())
        for proxy in self._proxies.values():
            proxy.reset()
        assert death is None or hits == [pid], f"{death} was never reached: {self._said.read_text()}"
        return status

    def _arm(self, point: Point, nth: int, number: signal.Signals, pid: int, hits: list[int]) -> None:
        matching = itertools.count(1)

        def matches(call: Call) -> bool:
            return point.matches(call) and next(matching) == nth

        def kill() -> None:
            hits.append(pid)
            os.kill(pid, number)

        answer: dict[str, Any] = {} if point.when == "after" else {"answer": (500, "")}
        fault = Fault(matches, lose=True, **answer, **{point.when: kill})
        self._proxies[point.service].faults.append(fault)


@pytest.fixture(scope="module")
def program(athena_servers: Lake) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)],
        cwd=PROJECT_ROOT,
        env=os.environ | athena_servers.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        yield program
        assert program.stdin is not None
        program.stdin.close()
        program.wait(LONGEST_S)


@contextmanager
def bad_lines(variables: dict[str, str]) -> Iterator[dict[str, FaultProxy]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(FaultProxy(variables[f"AWS_ENDPOINT_URL_{name}"])) for name in SERVICES
        }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_readers_see_the_old_day_or_the_new_one_wherever_a_run_dies(
    cloud: Cloud,
    program: subprocess.Popen[str],
    home: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    write_source(cloud, tmp_path)
    old, new = (pipeline(tmp_path, name, rows) for name, rows in (("old", 500), ("new", 600)))
    cloud.enter(f"undisturbed_{number.name.lower()}")
    with bad_lines(cloud.variables) as proxies:
        assert Runs(program, proxies, tmp_path / "said").run(new) == 0
    expected = Watcher("crashing", DAY, tmp_path).tables()
    last = {stage: Watcher("crashing", DAY, tmp_path).metric(stage, "invocations") for stage in STAGES[2:]}
    assert min(last.values()) > 3

    name = f"crashed_{number.name.lower()}"
    cloud.enter(name)
    with bad_lines(cloud.variables) as proxies:
        runs = Runs(program, proxies, tmp_path / "said")
        assert runs.run(old) == 0
        with Watcher("crashing", DAY, tmp_path) as watcher:
            before = watcher.tables()
            watcher.look()
            assert all(before[table] != expected[table] for table in expected)
            for point in POINTS:
                nth = point.nth or last[point.stage]
                status = runs.run(new, (point, nth, number))
                where = f"{point.stage}, {point.name}"
                assert status == (-signal.SIGKILL if number is signal.SIGKILL else 1), where
                assert watcher.versions() == versions_after(point), where
                watcher.look()
                if number is signal.SIGTERM:  # who is asked to end leaves nothing behind
                    assert cloud.lake.scratch_tables(f"{name}_scratch") == [], where
                    assert all(one.ended for one in cloud.lake.wire.executions.values()), where
            assert runs.run(new) == 0
            assert watcher.tables() == expected
            watcher.look()
        for table, seen in watcher.seen.items():
            assert seen == [before[table], expected[table]], table
        # The run that published the clusters found what dead ones had finished.
        reused = watcher.metric("clusters", "invocations_reused")
        assert reused == watcher.metric("clusters", "invocations") == last["clusters"]


def versions_after(point: Point) -> dict[str, int]:
    """What is published once a run has died there: old before the flip, new after it."""
    reached = STAGES.index(point.stage) + (point.name == "flipped")
    return {stage: 2 if position < reached else 1 for position, stage in enumerate(STAGES)}


def write_source(cloud: Cloud, folder: Path) -> None:
    """Six hundred entities of one day in a plane, on S3."""
    path = folder / "source.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT TIMESTAMP '{DAY.key} 10:00:00' AS event_time, lpad(i::VARCHAR, 4, '0') AS id, i,
                             (i * 7919 % 1009) / 20e0 AS x, (i * 104729 % 997) / 20e0 AS y
                      FROM range(600) AS t(i)) TO '{path}' (FORMAT parquet)"""
        )
    cloud.lake.put(f"s3://{BUCKET}/crashes/source.parquet", path.read_bytes())


def pipeline(folder: Path, name: str, rows: int) -> Path:
    """Blocks and shards, one invocation at a time, over the entities below a number."""
    attributes = {
        "name": "crashing",
        "start_date": "2026-01-01",
        "raw": {
            "files": f"s3://{BUCKET}/crashes/*.parquet",
            "time_column": "event_time",
            "where": f"i < {rows}",
        },
        "entity": "id",
        "features": {"vector": ["max(x)", "max(y)"]},
        "distance": {"metric": "euclidean", "threshold": 3.0},
        "algorithm": {"type": "dbscan", "min_samples": 6},
        "blocking": {"type": "blocks", "points": 128},
        "limits": {"max_concurrency": 1, "timeout_s": 900},
    }
    path = folder / name / "defs.yaml"
    path.parent.mkdir()
    path.write_text(
        yaml.safe_dump({"type": "cluster_assets.components.ClusteringPipeline", "attributes": attributes})
    )
    return path
