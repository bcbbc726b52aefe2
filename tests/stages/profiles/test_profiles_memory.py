"""The events of profiles take no more than what is predicted, and not much less: each in its own process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from peak_process import peak_mb

from lambda_worker.contract.profiles import (
    MedoidsEvent,
    Part,
    SilhouettesEvent,
    SurveyEvent,
    measure_memory_mb,
    most_points,
    survey_memory_mb,
)
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from pathlib import Path

POINTS = 3_000


def within(event: Any, predicted: float) -> None:
    """Never above, and a third below at most."""
    assert 0.66 * predicted <= peak_mb(event.to_json()) <= predicted


@pytest.mark.parametrize("clusters", [1_000, 1_000_000])
def test_a_survey_takes_what_is_predicted(clusters: int, tmp_path: Path) -> None:
    points = 1_000_000
    ids = np.random.default_rng(1).permutation(np.repeat(np.arange(points), 2))
    path = str(tmp_path / "clusters")
    write_table(path, {"point_id": ids, "cluster": ids % clusters})
    event = SurveyEvent(
        clusters=(path,),
        point_count=points,
        medoid_points=points,
        silhouette_points=points,
        bin_mb=1000.0,
        budget_s=1e6,
        point_bytes=16.0,
        pair_us=0.03,
        output=f"{path}.bins",
        silhouettes=f"{path}.silhouettes",
    )
    within(event, survey_memory_mb(points))


@dataclass(frozen=True)
class Shape:
    """Points of a kind: their columns as SQL of a number i, and bytes of each in memory."""

    select: str
    bytes: float
    metric: str
    columns: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


VECTOR = "sin(i) AS x0, cos(i * 7) AS x1"
TOKENS = "list_transform([0, 1, 2], lambda k: 't' || (hash(i + k) % 500)) AS tokens"
SHAPES = {
    "vector": Shape(VECTOR, 16.0, "euclidean", ("x0", "x1")),
    "set": Shape(TOKENS, 24.0, "jaccard", ("tokens",)),
    "mixed": Shape(
        f"{VECTOR}, {TOKENS}",
        40.0,
        "gower",
        parts=(Part("x0", "number", 1.0, 2.0), Part("x1", "number", 1.0, 2.0), Part("tokens", "set", 1.0)),
    ),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_distances_take_what_is_predicted(kind: str, tmp_path: Path) -> None:
    shape = SHAPES[kind]
    path, one = tmp_path / "two.parquet", tmp_path / "one.parquet"
    for clusters, target in ((2, path), (1, one)):
        duckdb.sql(
            f"COPY (SELECT i::BIGINT AS point_id, 1::BIGINT AS weight, (i % {clusters})::BIGINT AS component"
            f", {shape.select} FROM range({POINTS}) t(i)) TO '{target}' (FORMAT parquet)"
        )
    shared: dict[str, Any] = {
        "point_count": POINTS,
        "kind": kind,
        "metric": shape.metric,
        "columns": shape.columns,
        "parts": shape.parts,
    }
    predicted = measure_memory_mb(POINTS, POINTS, shape.bytes, len(shape.parts))
    within(MedoidsEvent(points=(str(one),), exemplars=5, output=f"{one}.medoids", **shared), predicted)
    within(SilhouettesEvent(points=(str(path),), output=f"{path}.silhouettes", **shared), predicted)


@pytest.mark.parametrize("memory_mb", [128.0, 512.0, 1769.0, 10_240.0])
def test_samples_are_as_large_as_fits(memory_mb: float) -> None:
    points = most_points(memory_mb, 64.0)
    assert measure_memory_mb(points, points, 64.0) <= memory_mb
    assert measure_memory_mb(points + 1, points + 1, 64.0) > memory_mb
    assert most_points(1.0, 64.0) == 4
    assert most_points(memory_mb, 64.0, 3) < points
