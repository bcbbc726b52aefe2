"""Every statement under sql/ gives the same rows, types and order on DuckDB and on a real Trino."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from trino_sources import EMBEDDING, GEO, LISTS, MANY, MIXED, SETS, TEXT, VECTOR, write_source

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import SQL_ROOT, bind
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.operations.explore.grid import choose_grid
from cluster_assets.operations.explore.run import explore_days
from cluster_assets.stages.candidates.metrics.density import cells_of_join, sample_density
from cluster_assets.stages.lineage.history import find_id, life_of
from cluster_assets.stages.points.kinds import comparison_of
from cluster_assets.stages.profiles.naming import names_by_day
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {str(path.relative_to(SQL_ROOT)) for path in SQL_ROOT.rglob("*.sql")}
DAY = "2026-01-01"
DBSCAN = {"type": "dbscan", "min_samples": 3}
EXCEL = "date_add('day', cast(floor(cast(at AS double)) AS bigint), date '1899-12-30')"
SCALED = [VECTOR | {"scale": scale} for scale in ("standard", "minmax", "robust")]
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
    (MIXED, "gower", 0.25, "join"),
    (LISTS, "gower", 0.3, "join"),
    ({"set": "codes"}, "jaccard", 0.4, "join"),
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
    (VECTOR, {"metric": "euclidean", "threshold": 0.5}, {"type": "join"}, {"type": "optics"}),
]


TO_CLUSTERS = STAGES[:4]


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
    "pipeline", OTHERS, ids=["blocks", "recall", "cells", "places", "components", "levels", "order"]
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
    # The report reads the tables of these algorithms.
    stages = STAGES if algorithm["type"] in ("hdbscan", "optics") else TO_CLUSTERS
    assert runner.run(DAY, stages)["clusters"].manifest.tables["clusters"].rows > 200


@pytest.mark.parametrize(
    ("features", "metric", "threshold"),
    [(TEXT, "levenshtein", 2.0), (LISTS, "gower", 0.3), (EMBEDDING, "cosine", 0.1)],
    ids=["texts", "mixed", "embeddings"],
)
def test_windows_that_take_over_pairs_give_the_same_rows_on_both(
    both: Any,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    features: dict[str, Any],
    metric: str,
    threshold: float,
) -> None:
    backend, _ = both
    write_source(tmp_path / "source.parquet", 300)
    runner = make_runner(
        backend,
        raw={"files": str(tmp_path / "source.parquet"), "time_column": "at"},
        features=features,
        distance={"metric": metric, "threshold": threshold},
        window={"days": 2, "reuse": True},
    )
    runner.run(DAY, TO_CLUSTERS)
    candidates = runner.run("2026-01-02", TO_CLUSTERS)["candidates"].manifest
    assert "of the tests are saved" in str(candidates.metrics["reuse"])


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
    assert list(names_by_day(runner.ledger, engine, stable_id)) == ["2026-01-02"]
    # The days share no entity, so a day is compared with itself.
    days = [parse_day(DAY), parse_day(DAY)]
    place = (backend, runner.ledger)
    found = explore_days(runner.spec, days, place, choose_grid(runner.spec, (0.25, 0.5), (3, 5)))
    assert {one.agreement_days for one in found.settings} == {1.0}


def test_statements_that_no_pipeline_runs_give_the_same_rows_on_both(
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
        engine.fetch(sample_density(cells_of_join(comparison_of(runner.spec)), 3), {"points": relation})
    members = FileRelation(runner.ledger.uris(points, "members"))
    clusters = FileRelation(runner.ledger.uris(runner.ledger.require("clusters", parse_day(DAY)), "clusters"))
    (row,) = engine.fetch(bind("checks/entities.sql"), {"clusters": clusters, "members": members}).rows
    assert (row["rows"], row["unmatched"]) == (row["entities"], 0)


@pytest.mark.parametrize(
    "case",
    [
        ("'02/03/2026'", ("%d/%m/%Y", "%m/%d/%Y"), None),
        ("'2026-01-03 24:00:00'", ("'2026-01-03 24:00:00'",), "replace(at, ' 24:', ' 23:')"),
        ("'Sat Jan  3 10:00:00 2026'", ("%a %b %d",), None),
        ("'2026-01-03 10:00:00 utc'", ("upper",), "upper(at)"),
        ("46025.75", ("Excel",), EXCEL),
    ],
)
def test_times_that_are_not_declared_are_explained_on_both(
    both: Any,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    compared: set[str],
    case: tuple[str, tuple[str, ...], str | None],
) -> None:
    backend, _ = both
    value, said, expression = case
    rows = f"SELECT {value} AS at, 'a' AS entity, 1.0::DOUBLE AS x"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path / 'source.parquet'}' (FORMAT parquet)")

    def runner(time_column: str) -> Any:
        return make_runner(
            backend,
            raw={"files": str(tmp_path / "source.parquet"), "time_column": time_column},
            entity="entity",
            features={"vector": ["avg(x)"]},
            distance={"metric": "euclidean", "threshold": 1.0},
        )

    with pytest.raises(SourceSchemaError, match=re.escape(value.strip("'")[:5])) as caught:
        runner("at").run(DAY)
    assert all(text in str(caught.value) for text in said)
    assert {"raw/times.sql", "raw/file_of_time.sql"} <= compared
    if expression is not None:
        assert expression in str(caught.value.remedy)
        found = runner(expression)
        found.run("2026-01-03", STAGES[:2])  # raw and points
        assert [row[0] for row in found.table("members", "2026-01-03")[1]] == ["a"]


def test_every_file_was_compared(compared: set[str], request: pytest.FixtureRequest) -> None:
    """Runs after the pipelines; a file that none of them uses needs its own pipeline here."""
    assert len(request.session.items) > len(PIPELINES), "run the whole file"
    parts = {name for name in FILES if _is_included(name)}
    assert sorted(FILES - parts - compared - COMPARED_ELSEWHERE) == []


# Of a source that is a table, of which there is none that both engines have.
COMPARED_ELSEWHERE = {"raw/counts.sql"}


def _is_included(name: str) -> bool:
    """Whether a file is a part of other statements."""
    if "/cells/" in name:
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
