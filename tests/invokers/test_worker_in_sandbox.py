"""The real worker inside the local Lambda."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cluster_assets.domain.errors import WorkerMemoryError
from cluster_assets.invokers.local_lambda import LocalLambda, LocalLambdaConfig
from lambda_worker.contract import ClusterEvent, ClusterReply

ROOT = Path(__file__).parents[2]


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
    return LocalLambda(LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 512, 60, 1))


def test_a_day_is_clustered_and_a_bad_event_is_a_reply(worker: LocalLambda, event: ClusterEvent) -> None:
    with worker:
        reply = ClusterReply.from_json(dict(worker.invoke(event.to_json())))
        assert (reply.ok, reply.rows, reply.pairs) == (True, 1000, 800)
        assert (reply.clusters, reply.core_points, reply.noise_entities) == (100, 700, 100)
        assert 10 < reply.peak_memory_mb < 512
        refused = ClusterReply.from_json(dict(worker.invoke(event.to_json() | {"point_count": 7})))
        assert (refused.ok, refused.error_type) == (False, "InputError")
        assert len(worker.cold_starts) == 1


def test_a_day_too_large_for_the_memory_says_so(event: ClusterEvent, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select range as point_id, 1::bigint as weight from range(10000000))
                to '{tmp_path}/many.parquet' (format parquet)"""
        )
    big = event.to_json() | {"points": [f"{tmp_path}/many.parquet"], "point_count": 10_000_000}
    config = LocalLambdaConfig(ROOT, "lambda_worker.handler.handler", 128, 60, 1)
    with LocalLambda(config) as worker, pytest.raises(WorkerMemoryError, match=r"limits\.memory_mb"):
        worker.invoke(big)
    assert not Path(event.output).exists()
