"""Bins, packing and numbering take the memory that was predicted: each event in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from component_days import AVERAGE, COLUMNS
from peak_process import peak_mb

from lambda_worker.contract import ComponentsEvent, NumberEvent, PackEvent
from lambda_worker.contract.component_costs import bin_memory_mb, component_memory_mb, component_seconds
from lambda_worker.contract.components import number_memory_mb, pack_memory_mb

if TYPE_CHECKING:
    from pathlib import Path


def test_costs_are_for_numbers_and_for_arrays() -> None:
    for algorithm in (AVERAGE, {"type": "agglomerative", "linkage": "single"}, {"type": "unheard of"}):
        counts = np.array([1.0, 100.0]), np.array([3.0, 1e15]), np.array([0.0, 700.0])
        for cost in (component_memory_mb, component_seconds):
            both = cost(algorithm, *counts)
            assert both.tolist() == [cost(algorithm, *(float(count[k]) for count in counts)) for k in (0, 1)]
            assert 0 <= both[0] < both[1]


def wide_bin(folder: Path, points: int, size: int, pairs: int, columns: str) -> ComponentsEvent:
    """Components of some size, each point near the next ones; features by an SQL expression over `i`."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute(
            f"COPY (SELECT i AS point_id, 1::BIGINT AS weight, i // {size} AS component, {columns} "
            f"FROM range({points}) r(i)) TO '{folder}/points.parquet' (FORMAT parquet)"
        )
        connection.execute(
            f"COPY (SELECT i AS point_a, i + k AS point_b, 0.4 + k / 1000 AS distance "
            f"FROM range({points}) r(i), range(1, {pairs} + 1) q(k) WHERE i // {size} = (i + k) // {size}) "
            f"TO '{folder}/pairs.parquet' (FORMAT parquet)"
        )
    return ComponentsEvent(
        points=(f"{folder}/points.parquet",),
        candidates=(f"{folder}/pairs.parquet",),
        point_count=points,
        kind="vector",
        columns=COLUMNS,
        metric="euclidean",
        threshold=0.5,
        algorithm=AVERAGE,
        output=f"{folder}/part.parquet",
    )


@pytest.mark.parametrize(
    ("points", "size", "pairs", "linkage"),
    [
        (4000, 4000, 20, "average"),
        (4000, 4000, 20, "complete"),
        (4000, 4000, 20, "ward"),
        (200_000, 200_000, 10, "single"),
        (400_000, 1, 1, "average"),
    ],
)
def test_a_bin_takes_the_memory_that_is_predicted(
    tmp_path: Path, points: int, size: int, pairs: int, linkage: str
) -> None:
    event = wide_bin(tmp_path, points, size, pairs, "sin(i) AS x0, cos(i * i) AS x1")
    algorithm = {"type": "agglomerative", "linkage": linkage}
    event = ComponentsEvent.from_json(event.to_json() | {"algorithm": algorithm})
    listed = float(points * pairs if size > 1 else 0)
    work = component_memory_mb(algorithm, float(size), float(size), listed) if size > 1 else 0.0
    assert peak_mb(event.to_json()) == pytest.approx(
        bin_memory_mb(float(points), listed, 16.0, work), rel=0.25
    )


@pytest.mark.parametrize(
    ("kind", "columns", "point_bytes"),
    [
        ("embedding", "list_transform(range(64), lambda j: sin(i * j)) AS f", 8.0 * 64),
        (
            "set",
            "list_transform(range(12), lambda j: 'token' || ((i * 7919 + j * 104729) % 5003)) AS f",
            8.0 * 12,
        ),
        ("text", "left(repeat(md5(i::VARCHAR), 2), 48) AS f", 5.0 * 48),
    ],
)
def test_features_take_the_memory_that_is_predicted(
    tmp_path: Path, kind: str, columns: str, point_bytes: float
) -> None:
    event = wide_bin(tmp_path, 90_000, 1, 1, columns)
    event = ComponentsEvent.from_json(event.to_json() | {"kind": kind, "columns": ["f"]})
    assert peak_mb(event.to_json()) == pytest.approx(bin_memory_mb(90_000.0, 0.0, point_bytes, 0.0), rel=0.25)


@pytest.mark.parametrize("size", [1, 50])
def test_packing_and_numbering_take_the_memory_that_is_predicted(tmp_path: Path, size: int) -> None:
    points = 800_000
    whole = wide_bin(
        tmp_path, points, size, 2, "1::DOUBLE AS probability, 3::BIGINT AS role, 0::BIGINT AS cluster"
    )
    event = PackEvent(
        points=whole.points,
        labels=(str(tmp_path / "labels.parquet"),),
        candidates=whole.candidates,
        point_count=points,
        algorithm=AVERAGE,
        memory_mb=1769.0,
        budget_s=60.0,
        output=str(tmp_path / "bins.parquet"),
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT point_id, component AS cluster FROM '{whole.points[0]}') "
            f"TO '{event.labels[0]}' (FORMAT parquet)"
        )
    assert peak_mb(event.to_json()) == pytest.approx(pack_memory_mb(points, points // size), rel=0.25)
    number = NumberEvent(
        points=whole.points, parts=whole.points, point_count=points, output=str(tmp_path / "out.parquet")
    )
    assert peak_mb(number.to_json()) == pytest.approx(number_memory_mb(points), rel=0.25)
