"""Every statement under sql/ gives the same rows, types and order on DuckDB and on a real Trino."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.partitions import parse_day
from cluster_assets.features import comparison_of
from cluster_assets.metrics.density import sample_density
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import SQL_ROOT, bind
from cluster_assets.stages.lineage_history import find_id, life_of
from cluster_assets.stages.way import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {str(path.relative_to(SQL_ROOT)) for path in SQL_ROOT.rglob("*.sql")}
DAY = "2026-01-01"
DBSCAN = {"type": "dbscan", "min_samples": 3}
VECTOR = {"vector": ["avg(x)", "avg(y)"]}
SCALED = [VECTOR | {"scale": scale} for scale in ("standard", "minmax", "robust")]
MANY = {"vector": [f"avg(x + {k} * y)" for k in range(8)]}
SETS = {"set": "tag"}
GEO = {"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}}
TEXT = {"text": "max(label)"}
EMBEDDING = {"embedding": "max(embedding)"}
MIXED = {
    "mixed": {
        "size": {"number": "avg(x)"},
        "group": {"category": "max(label)"},
        "tags": {"set": "tag"},
        "name": {"text": "max(label)"},
        "place": {"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}},
    }
}

# (features, metric, threshold, blocking): what a pipeline may say, as long as it is possible.
PIPELINES: list[tuple[dict[str, Any], str, float, str]] = [
    *((SETS, metric, threshold, "join") for metric in ("jaccard", "dice", "overlap", "cosine")
      for threshold in (0.4, 1.0)),
    (SETS, "jaccard", 0.4, "lsh"),
    (SETS | {"tokens": {"min_df": 2, "max_df": 0.5}}, "jaccard", 0.4, "join"),
    *((VECTOR, metric, 0.5, blocking) for metric in ("euclidean", "manhattan", "chebyshev")
      for blocking in ("join", "cells", "blocks")),
    *((features, "euclidean", 0.1, "join") for features in SCALED),
    (VECTOR, "cosine", 0.001, "join"),
    (MANY, "euclidean", 1.0, "blocks"),
    (GEO, "haversine", 50_000.0, "join"),
    (GEO, "haversine", 50_000.0, "cells"),
    (TEXT, "levenshtein", 2.0, "join"),
    (MIXED, "gower", 0.1, "join"),
    (EMBEDDING, "cosine", 0.1, "blocks"),
    (EMBEDDING, "cosine", 0.1, "lsh"),
]  # fmt: skip
# Blocks of a few points, so that there are some, with a halo; a recall on a sample; cores of one entity;
# algorithms with statements of their own.
OTHERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (MANY, {"metric": "euclidean", "threshold": 0.5}, {"type": "blocks", "points": 64}, DBSCAN),
    (EMBEDDING, {"metric": "cosine", "threshold": 0.1}, {"type": "lsh", "recall_sample": 100}, DBSCAN),
    (VECTOR, {"metric": "euclidean", "threshold": 0.5}, {"type": "cells"}, {"type": "connected_components"}),
    (
        GEO,
        {"metric": "haversine", "threshold": 50_000.0},
        {"type": "cells"},
        {"type": "connected_components"},
    ),
    (VECTOR, {"metric": "euclidean", "threshold": 0.5}, {"type": "join"}, {"type": "agglomerative"}),
    (VECTOR, {"metric": "euclidean", "threshold": 0.5}, {"type": "join"}, {"type": "hdbscan"}),
]


TO_CLUSTERS = STAGES[:4]


def write_source(path: Path, entities: int) -> None:
    """Rows of two days with all kinds of columns; texts beyond ASCII, ties, repetitions."""
    duckdb.sql(
        f"""COPY (
            SELECT
                'id ' || chr(CAST(945 + n % 20 AS INTEGER)) || n AS id,
                TIMESTAMP '2026-01-01 00:59:59.999999' + INTERVAL 1 HOUR * (n % 48) AS at,
                round(sin(n * 12.9898) * 5, 2) AS x,
                round(cos(n * 78.233) * 5, 2) AS y,
                'tag ' || (hash(n * 7 + r) % 12) || CASE WHEN n % 5 = 0 THEN 'é😀' ELSE '' END AS tag,
                round(sin(n * 3.7) * 89, 1) AS latitude,
                round(cos(n * 1.3) * 180, 1) AS longitude,
                substr('ärger über straße', CAST(1 + n % 9 AS BIGINT), 6) || (n % 4) AS label,
                [sin(n % 30), cos(n % 30 + r * 0), 0.5e0, (n % 7) / 7e0] AS embedding
            FROM range({entities}) AS t(n), range(4) AS s(r)
        ) TO '{path}' (FORMAT parquet)"""
    )


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda one: f"{next(iter(one[0]))}-{one[1]}-{one[3]}")
def test_a_pipeline_gives_the_same_rows_on_both(
    both: Any,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    pipeline: tuple[dict[str, Any], str, float, str],
) -> None:
    backend, _ = both
    features, metric, threshold, blocking = pipeline
    write_source(tmp_path / "source.parquet", 300)
    runner = make_runner(
        backend,
        raw={"files": str(tmp_path / "source.parquet"), "time_column": "at"},
        features=features,
        distance={"metric": metric, "threshold": threshold},
        blocking={"type": blocking},
    )
    # What follows the clusters depends on the kind of the features, not on metric and blocking.
    is_first = next(one for one in PIPELINES if one[0] == features) is pipeline
    stages = STAGES if is_first else TO_CLUSTERS
    assert runner.run(DAY, stages)["clusters"].manifest.tables["clusters"].rows > 100
    assert runner.first_day() == DAY


@pytest.mark.parametrize(
    "pipeline", OTHERS, ids=["blocks", "recall", "cells", "places", "components", "levels"]
)
def test_another_pipeline_gives_the_same_rows_on_both(
    both: Any,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    pipeline: tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]],
) -> None:
    backend, _ = both
    features, distance, blocking, algorithm = pipeline
    write_source(tmp_path / "source.parquet", 600)
    raw = {"files": str(tmp_path / "source.parquet"), "time_column": "at"}
    runner = make_runner(
        backend, raw=raw, features=features, distance=distance, blocking=blocking, algorithm=algorithm
    )
    assert runner.run(DAY, TO_CLUSTERS)["clusters"].manifest.tables["clusters"].rows > 200


def test_days_that_look_back_give_the_same_rows_on_both(
    both: Any, make_runner: Callable[..., Any], tmp_path: Path
) -> None:
    """Entities turn over from day to day, so that clusters are matched by their features."""
    backend, engine = both
    write_source(tmp_path / "source.parquet", 300)
    runner = make_runner(
        backend,
        raw={"files": str(tmp_path / "source.parquet"), "time_column": "at"},
        features=VECTOR,
        distance={"metric": "euclidean", "threshold": 0.5},
        checks={"min_days": 1},
    )
    runner.run(DAY)
    runner.run("2026-01-02")
    stable_id = find_id(runner.ledger, engine, "2026-01-02/0")
    assert life_of(runner.ledger, engine, stable_id)[-1].day == "2026-01-02"


def test_statements_for_what_is_rare_give_the_same_rows_on_both(
    both: Any, make_runner: Callable[..., Any], tmp_path: Path
) -> None:
    """What the choice of an executor asks of many points, and a check that failed."""
    backend, engine = both
    write_source(tmp_path / "source.parquet", 300)
    raw = {"files": str(tmp_path / "source.parquet"), "time_column": "at"}
    for features, metric in ((VECTOR, "euclidean"), (GEO, "haversine")):
        distance = {"metric": metric, "threshold": 0.5}
        runner = make_runner(backend, name=metric, raw=raw, features=features, distance=distance)
        points = runner.run(DAY, TO_CLUSTERS)["points"].manifest
        relation = FileRelation(runner.ledger.uris(points, "points"))
        engine.fetch(sample_density(comparison_of(runner.spec), 3), {"points": relation})
    members = FileRelation(runner.ledger.uris(points, "members"))
    clusters = FileRelation(runner.ledger.uris(runner.ledger.require("clusters", parse_day(DAY)), "clusters"))
    (row,) = engine.fetch(bind("checks/entities.sql"), {"clusters": clusters, "members": members}).rows
    assert (row["rows"], row["unmatched"]) == (row["entities"], 0)


def test_every_file_was_compared(compared: set[str], request: pytest.FixtureRequest) -> None:
    """Stands after the pipelines; a file that none of them reaches needs a pipeline of its own here."""
    assert len(request.session.items) > len(PIPELINES), "run the whole file"
    parts = {name for name in FILES if _is_included(name)}
    assert sorted(FILES - parts - compared - COMPARED_ELSEWHERE) == []


# Of a source that is a table, of which there is none that both engines have.
COMPARED_ELSEWHERE = {"raw/counts.sql"}


def _is_included(name: str) -> bool:
    """Whether a file is a part of other statements."""
    if name.startswith("cells/"):
        return True
    texts = (path.read_text(encoding="utf-8") for path in SQL_ROOT.rglob("*.*"))
    return any(re.search(rf"include .{re.escape(name)}", text) for text in texts)


@pytest.mark.parametrize("entities", [1])
def test_a_day_of_one_entity_and_a_day_of_none(
    both: Any, make_runner: Callable[..., Any], tmp_path: Path, entities: int
) -> None:
    backend, _ = both
    write_source(tmp_path / "source.parquet", entities)
    raw = {"files": str(tmp_path / "source.parquet"), "time_column": "at"}
    for number, (features, metric, threshold) in enumerate(
        [(SETS, "jaccard", 0.4), (VECTOR, "euclidean", 0.5), (GEO, "haversine", 1.0)]
    ):
        runner = make_runner(
            backend,
            name=f"p{number}",
            raw=raw,
            features=features,
            distance={"metric": metric, "threshold": threshold},
        )
        assert runner.run(DAY)["clusters"].manifest.tables["clusters"].rows == entities
        assert runner.run("2026-01-02")["clusters"].manifest.tables["clusters"].rows == 0
