"""All distances of a few points are those that the SQL statements and an independent library compute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from batches import in_batches
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import haversine_distances
from wagner_fischer import levenshtein

import lambda_worker.metrics.edits
from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics.haversine import EARTH_RADIUS_M
from lambda_worker.contract import ContractError, InputError
from lambda_worker.kernel import VARIABLE, loaded
from lambda_worker.kernel.compiler import find_compiler
from lambda_worker.metrics.listed import build_metric, directions
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.features import Features, read_points
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

POINTS = 60
VECTOR = ("x0 DOUBLE", "x1 DOUBLE", "x2 DOUBLE")
EVERYTHING = 1e9
WORDS = ["a", "b", "ab", "é", "日本", "\U0001f600", "e\u0301", "", "c", "d", "x y", "'"]


def vectors(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Far from the origin, near to one another, and a vector of zeros."""
    rows = np.concatenate([rng.random((30, 3)), 1e6 + rng.random((20, 3)), 1e-3 * rng.random((9, 3))])
    return [*(tuple(row) for row in rows.tolist()), (0.0, 0.0, 0.0)]


def places(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    rows = np.column_stack([rng.uniform(-90, 90, POINTS - 6), rng.uniform(-180, 180, POINTS - 6)])
    poles = [(90.0, 0.0), (-90.0, 12.0), (10.0, 180.0), (10.0, -180.0), (-10.0, 0.0), (10.0, 180.0 - 1e-9)]
    return [*(tuple(row) for row in rows.tolist()), *poles]


def sets(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [(rng.choice(WORDS, rng.integers(1, 9), replace=False).tolist(),) for _ in range(POINTS)]


def texts(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    made = ["".join(rng.choice(WORDS, rng.integers(0, 9))) for _ in range(3 * POINTS)]
    return [(text,) for text in sorted(set(made))[:POINTS]]


CASES = [
    ("vector", VECTOR, "euclidean", EVERYTHING, vectors),
    ("vector", VECTOR, "manhattan", EVERYTHING, vectors),
    ("vector", VECTOR, "chebyshev", EVERYTHING, vectors),
    ("vector", VECTOR, "cosine", 2.0, vectors),
    ("geo", ("latitude DOUBLE", "longitude DOUBLE"), "haversine", math.pi * EARTH_RADIUS_M, places),
    ("set", ("tokens VARCHAR[]",), "jaccard", 1.0, sets),
    ("set", ("tokens VARCHAR[]",), "dice", 1.0, sets),
    ("set", ("tokens VARCHAR[]",), "overlap", 1.0, sets),
    ("set", ("tokens VARCHAR[]",), "cosine", 1.0, sets),
    ("text", ("text VARCHAR",), "levenshtein", 25, texts),
]
TYPES = {"DOUBLE": "double", "VARCHAR[]": "array(varchar)", "VARCHAR": "varchar"}


def write(path: Path, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made (point_id BIGINT, weight BIGINT, {', '.join(columns)})")
        marks = ", ".join("?" * (len(columns) + 2))
        connection.executemany(
            f"INSERT INTO made VALUES ({marks})", [(k, 1, *row) for k, row in enumerate(rows)]
        )
        connection.execute(f"COPY made TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 7)")
    return str(path)


@pytest.mark.parametrize(("kind", "columns", "metric", "threshold", "make"), CASES)
def test_distances_are_those_of_the_statements(
    tmp_path: Path, kind: str, columns: tuple[str, ...], metric: str, threshold: float, make: Any
) -> None:
    address = write(tmp_path / "points.parquet", columns, make(np.random.default_rng(3)))
    names = tuple(column.split()[0] for column in columns)
    (ids,), features = in_batches(13, read_points, (address,), ("point_id",), kind, names)
    matrix = pairwise(features, metric)
    contract = points_contract(
        tuple(Column(name, TYPES[column.split()[1]]) for name, column in zip(names, columns, strict=True))
    )
    engine = DuckDbEngine(DuckDbConfig(2, 1024, tmp_path / "scratch", allowed_dirs=(tmp_path,)))
    plan = metrics.plan(metrics.Comparison(kind, metric, threshold, contract.columns[2:]))
    known = {"points": FileRelation((address,))}
    for step in plan.scratch:
        filled = engine.unload(step.statement, known, step.table, str(tmp_path / step.table.name))
        known[step.table.name] = FileRelation(
            tuple(file.uri for file in filled.files), columns=step.table.columns
        )
    files = [
        file.uri for file in engine.unload(plan.candidates, known, CANDIDATES, str(tmp_path / "c")).files
    ]
    engine.close()
    a, b, distance = duckdb.read_parquet(files).fetchnumpy().values()
    assert len(a) == POINTS * (POINTS - 1) // 2
    assert (ids == np.arange(POINTS)).all()
    assert matrix[a, b] == pytest.approx(distance, rel=1e-12, abs=1e-12)
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("kind", ["vector", "embedding"])
def test_distances_are_those_of_measured_pairs(kind: str, metric: str) -> None:
    """The worker itself lists the near pairs of embeddings."""
    values = np.random.default_rng(1).normal(size=(300, 40))
    points = Points(np.arange(300), values.T)
    points = directions(points) if metric == "cosine" else points
    a, b = np.triu_indices(300, 1)
    found = build_metric(metric, EVERYTHING).measure(points, a, points, b)
    assert pairwise(Features(kind, rows=values), metric)[a, b] == pytest.approx(found.distance, rel=1e-12)


def test_distances_are_those_of_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(8)
    values = rng.random((700, 4))  # more than one block of rows
    for metric, name in (("euclidean", "euclidean"), ("manhattan", "cityblock"), ("cosine", "cosine")):
        expected = cdist(values, values, name)
        assert pairwise(Features("vector", rows=values), metric) == pytest.approx(expected, abs=1e-12)
    degrees = np.array(places(rng))
    metres = haversine_distances(np.radians(degrees)) * EARTH_RADIUS_M
    assert pairwise(Features("geo", rows=degrees), "haversine") == pytest.approx(metres, rel=1e-9, abs=1e-6)


@pytest.mark.skipif(find_compiler() is None, reason="no compiler on this machine: numpy is all there is")
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize(("points", "dimensions"), [(0, 2), (1, 1), (300, 1), (513, 3), (300, 40)])
def test_the_kernel_and_numpy_measure_the_same_bits(points: int, dimensions: int, metric: str) -> None:
    rng = np.random.default_rng(points + dimensions)
    rows = rng.normal(size=(points, dimensions)) * 10.0 ** rng.integers(-8, 8, (points, 1))
    found = []
    for switch in ("on", "off"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, switch)
            assert (loaded() is None) == (switch == "off")
            found.append(pairwise(Features("vector", rows=rows), metric).tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("many", [-1, 4, 10**9])
def test_texts_of_all_lengths_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """From nothing to a hundred characters; equal ends, and texts within others; in one portion or many."""
    made = [
        "",
        "a",
        "abc",
        "abd",
        "xabc",
        "é" * 40,
        "é" * 39 + "e",
        "ab" * 50,
        "ba" * 50,
        "日" * 30,
        "xx" * 20,
    ]
    made += [text for (text,) in texts(np.random.default_rng(5))[:20]]
    address = write(tmp_path / "texts.parquet", ["text VARCHAR"], [(text,) for text in made])
    _, features = read_points((address,), ("point_id",), "text", ("text",))
    monkeypatch.setattr(lambda_worker.metrics.edits, "_MANY", many)
    monkeypatch.setattr(lambda_worker.metrics.edits, "_PAIRS", 50)
    expected = [[levenshtein(one, other) for other in made] for one in made]
    assert pairwise(features, "levenshtein").tolist() == expected


def test_equal_tokens_are_equal_in_all_files_and_orders(tmp_path: Path) -> None:
    rows = sets(np.random.default_rng(2))
    one = write(tmp_path / "one.parquet", ["tokens VARCHAR[]"], rows)
    half = POINTS // 2
    first, second = (
        write(tmp_path / f"{name}.parquet", ["tokens VARCHAR[]"], part)
        for name, part in (("first", rows[:half]), ("second", rows[half:]))
    )
    _, whole = read_points((one,), ("point_id",), "set", ("tokens",))
    _, parts = in_batches(4, read_points, (second, first), ("point_id",), "set", ("tokens",))
    moved = whole.take(np.roll(np.arange(POINTS), -half))
    assert (moved.codes.values == parts.codes.values).all()
    assert (moved.codes.offsets == parts.codes.offsets).all()


def test_repeated_tokens_count_once(tmp_path: Path) -> None:
    address = write(tmp_path / "sets.parquet", ["tokens VARCHAR[]"], [(["a", "b", "a"],), (["b", "a"],)])
    _, features = read_points((address,), ("point_id",), "set", ("tokens",))
    assert pairwise(features, "jaccard").tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("kind", "columns", "row", "wrong"),
    [
        ("set", ["tokens VARCHAR"], ("a",), "ARRAY"),
        ("set", ["tokens DOUBLE[]"], ([1.0],), "ARRAY"),
        ("set", ["tokens VARCHAR[]"], (None,), "nulls"),
        ("set", ["tokens VARCHAR[]"], ([None],), "null"),
        ("text", ["tokens BIGINT"], (4,), "VARCHAR"),
        ("text", ["tokens VARCHAR"], (None,), "nulls"),
        ("text", ["text VARCHAR"], ("a",), "no column tokens"),
        ("vector", ["tokens DOUBLE"], (float("nan"),), "finite"),
    ],
)
def test_what_is_no_feature_is_refused(
    tmp_path: Path, kind: str, columns: list[str], row: tuple[Any, ...], wrong: str
) -> None:
    address = write(tmp_path / "points.parquet", columns, [row])
    with pytest.raises(InputError, match=wrong):
        read_points((address,), ("point_id",), kind, ("tokens",))


def test_kinds_and_metrics_must_fit(tmp_path: Path) -> None:
    features = Features("vector", rows=np.zeros((2, 2)))
    with pytest.raises(ContractError, match="haversine"):
        pairwise(features, "haversine")
    with pytest.raises(ContractError, match="neither sets nor texts"):
        features.codes  # noqa: B018
    with pytest.raises(ContractError, match="mixed"):
        read_points((), ("point_id",), "mixed", ("a",))
    with pytest.raises(ContractError, match="geo"):
        read_points((), ("point_id",), "geo", ("latitude",))


def test_no_points_have_no_distances() -> None:
    for kind, columns in (("set", ("tokens",)), ("text", ("text",)), ("vector", ("x", "y"))):
        _, features = read_points((), ("point_id",), kind, columns)
        metric = {"set": "jaccard", "text": "levenshtein", "vector": "euclidean"}[kind]
        assert pairwise(features, metric).shape == (0, 0)
