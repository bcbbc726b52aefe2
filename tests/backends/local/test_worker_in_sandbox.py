"""The real worker inside the local Lambda."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from waiting import LONGEST_S

from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.domain.errors import WorkerMemoryError
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import Limits
from lambda_worker.contract import ClusterEvent, ClusterReply

ROOT = Path(__file__).parents[3]


@pytest.fixture
def event(tmp_path: Path) -> ClusterEvent:
    points, candidates = tmp_path / "points.parquet", tmp_path / "candidates.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select range as point_id, 1::bigint as weight from range(1000))
                to '{points}' (format parquet)"""
        )
        connection.execute(
            f"""copy (select range as point_a, range + 1 as point_b, 1.0::double as distance
                      from range(999) where range % 10 < 8) to '{candidates}' (format parquet)"""
        )
    output = str(tmp_path / "labels.parquet")
    return ClusterEvent(
        points=(str(points),),
        candidates=(str(candidates),),
        point_count=1000,
        output=output,
        algorithm={"type": "dbscan", "min_samples": 3},
    )


@pytest.fixture
def worker() -> LocalLambda:
    return LocalLambda(LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 512, LONGEST_S, 1))


def test_a_day_is_clustered_and_a_bad_event_is_a_reply(worker: LocalLambda, event: ClusterEvent) -> None:
    with worker:
        reply = ClusterReply.from_json(dict(worker.invoke(event.to_json())))
        assert (reply.ok, reply.rows, reply.pairs) == (True, 1000, 800)
        assert (reply.clusters, reply.core_points, reply.noise_entities) == (100, 700, 100)
        assert 10 < reply.peak_memory_mb < 512
        refused = ClusterReply.from_json(dict(worker.invoke(event.to_json() | {"point_count": 7})))
        assert (refused.ok, refused.error_type) == (False, "InputError")
        assert len(worker.cold_starts) == 1


@pytest.mark.parametrize("switch", ["on", "off"])
def test_the_kernel_can_be_switched_off_in_worker_processes(
    event: ClusterEvent, switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_WORKER_KERNEL", switch)
    monkeypatch.setenv("CLUSTER_HOME", str(tmp_path))
    others = set(_maps_of_children())
    with open_backend(load_settings()) as backend:
        assert backend.invoker_for(Limits()).invoke(event.to_json())["ok"]
        mapped = [path.read_text() for path in _maps_of_children() if path not in others]
    is_mapped = any("/kernel-" in text for text in mapped)
    assert mapped
    assert is_mapped == (switch == "on")


def _maps_of_children() -> list[Path]:
    """Return the files that list the libraries which the children of this process have loaded."""
    children = Path("/proc/self/task").glob("*/children")  # of the thread that started them
    return [Path(f"/proc/{pid}/maps") for file in children for pid in file.read_text().split()]


def test_a_day_too_large_for_the_memory_says_so(event: ClusterEvent, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select range as point_id, 1::bigint as weight from range(10000000))
                to '{tmp_path}/many.parquet' (format parquet)"""
        )
    big = event.to_json() | {"points": [f"{tmp_path}/many.parquet"], "point_count": 10_000_000}
    config = LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 128, LONGEST_S, 1)
    with LocalLambda(config) as worker, pytest.raises(WorkerMemoryError, match=r"limits\.memory_mb"):
        worker.invoke(big)
    assert not Path(event.output).exists()
