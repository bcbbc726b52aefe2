"""Whole days on Athena: every table equals the one that DuckDB makes, row for row and type for type."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from athena_paths import AthenaOnPaths

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from athena_lake import Lake

pytestmark = pytest.mark.long

DAY = parse_day("2026-01-01")
TABLES = {"points": "points", "members": "points", "candidates": "candidates", "clusters": "clusters"}


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "source.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (
                SELECT 'id ' || chr(CAST(945 + n % 20 AS INTEGER)) || n AS id,
                    TIMESTAMP '2026-01-01' + INTERVAL 1 HOUR * (n % 48) AS at,
                    round(sin(n * 12.9898) * 5, 2) AS x, round(cos(n * 78.233) * 5, 2) AS y,
                    'it''s ' || (hash(n * 7 + r) % 12) || CASE WHEN n % 5 = 0 THEN 'é😀' ELSE '' END AS tag,
                    round(sin(n * 3.7) * 89, 1) AS latitude, round(cos(n * 1.3) * 180, 1) AS longitude
                FROM range(200) AS t(n), range(4) AS s(r)
            ) TO '{path}' (FORMAT parquet)"""
        )
    return str(path)


@pytest.mark.parametrize(
    ("features", "metric", "threshold"),
    [
        ({"set": "tag"}, "jaccard", 0.4),
        # Not `standard`: Athena adds its sums up in no fixed order, so that their last bit may differ.
        ({"vector": ["avg(x)", "avg(y)"], "scale": "minmax"}, "euclidean", 0.05),
        ({"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}}, "haversine", 50_000.0),
    ],
)
def test_a_day_is_the_same_on_both(
    athena_lake: Lake, home: Path, source: str, features: dict[str, Any], metric: str, threshold: float
) -> None:
    tables = {}
    athena = AthenaOnPaths(athena_lake.shared_engine, athena_lake)
    with open_backend(load_settings()) as local:
        for name, backend in (("local", local), ("athena", dataclasses.replace(local, engine=athena))):
            spec = PipelineSpec.model_validate(
                {
                    "name": name,
                    "start_date": "2026-01-01",
                    "entity": "id",
                    "raw": {"files": source, "time_column": "at"},
                    "features": features,
                    "distance": {"metric": metric, "threshold": threshold},
                    "algorithm": {"type": "dbscan", "min_samples": 3},
                }
            )
            ledger = Ledger(backend.store, backend.catalog, name)
            for stage in STAGES:
                run_day(stage, DayJob(spec, backend, ledger, DAY))
            tables[name] = {
                table: rows_of(ledger.uris(ledger.require(stage, DAY), table))
                for table, stage in TABLES.items()
            }
    assert len(tables["local"]["clusters"][1]) == 104
    assert tables["local"] == tables["athena"]
    assert athena_lake.wire.calls["StartQueryExecution"] > 5
    assert athena_lake.scratch_tables() == []


def rows_of(uris: tuple[str, ...]) -> tuple[list[Any], list[Any]]:
    """Columns with types, and rows in an order of their own."""
    if not uris:
        return [], []
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet($uris) ORDER BY ALL", {"uris": list(uris)})
        return [one[:2] for one in found.description or ()], found.fetchall()
