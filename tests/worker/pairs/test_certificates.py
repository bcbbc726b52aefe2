"""Certificates give scikit-learn's DBSCAN labels, with the kernel and the numpy fallback, at any density."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from lambda_worker.contract import ClusterEvent, ClusterReply
from lambda_worker.contract.candidates import CertifyEvent, CertifyReply
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from pathlib import Path

METRICS = ("euclidean", "manhattan", "chebyshev")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


def write_points(path: Path, values: Any, weights: Any) -> str:
    columns = [np.arange(len(values)), weights, *np.ascontiguousarray(values.T)]
    arrays = [Array.from_numpy(np.ascontiguousarray(column)) for column in columns]
    names = ["point_id", "weight", *(f"x{k}" for k in range(values.shape[1]))]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=names), path)
    return str(path)


def certify(folder: Path, values: Any, weights: Any, **given: Any) -> tuple[CertifyEvent, CertifyReply]:
    event = CertifyEvent(
        points=(write_points(folder / "points.parquet", values, weights),),
        columns=tuple(f"x{k}" for k in range(values.shape[1])),
        point_count=len(values),
        pairs=str(folder / "pairs"),
        cores=str(folder / "cores.parquet"),
        **{"metric": "euclidean", "threshold": 1.0, "min_samples": 3, "max_pairs": 10**9, **given},
    )
    reply = CertifyReply.from_json(handler(event.to_json(), None))
    assert reply.ok, reply.error
    return event, reply


def labels_of(folder: Path, event: CertifyEvent, reply: CertifyReply) -> Any:
    """Labels that DBSCAN gives for the certificate."""
    cluster = ClusterEvent(
        points=event.points,
        candidates=tuple(file.uri for file in reply.files),
        point_count=event.point_count,
        output=str(folder / "labels.parquet"),
        algorithm={"type": "dbscan", "min_samples": event.min_samples},
        cores=(event.cores,),
    )
    answer = ClusterReply.from_json(handler(cluster.to_json(), None))
    assert answer.ok, answer.error
    return np.concatenate([batch["cluster"].to_numpy() for batch in arro3.io.read_parquet(cluster.output)])


def expected(values: Any, weights: Any, event: CertifyEvent) -> Any:
    model = DBSCAN(
        eps=event.threshold, min_samples=event.min_samples, metric=event.metric, algorithm="kd_tree"
    )
    return model.fit(values, sample_weight=weights).labels_


@st.composite
def days(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    """Lattices with ties at the threshold, clouds, heaps, lines; weighted or not."""
    dimensions, count = draw(st.integers(1, 8)), draw(st.integers(1, 60) | st.integers(61, 300))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from(["cloud", "lattice", "heaps", "line", "far"]))
    values: Any = chance.standard_normal((count, dimensions)) * draw(st.sampled_from([0.3, 1.0, 3.0]))
    if shape == "lattice":
        values = chance.integers(0, 5 if dimensions < 4 else 3, (count, dimensions)) * 0.5
    elif shape == "heaps":
        values = chance.integers(0, 3, (count, dimensions)) * 1.4 + values * 1e-3
    elif shape == "line":
        values[:, 1:] = 0.25
    elif shape == "far":
        values = values + 1e6
    weights = chance.integers(1, 4, count) if draw(st.booleans()) else np.ones(count, np.int64)
    metric = draw(st.sampled_from(METRICS))
    threshold = draw(st.sampled_from([0.5, 1.0, math.sqrt(2) / 2, 0.1]))
    return values, weights, {
        "metric": metric, "threshold": threshold, "min_samples": draw(st.integers(1, 7))
    }  # fmt: skip


@given(day=days())
# The kernel is switched for all examples at once.
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_clusters_are_those_of_all_near_pairs(
    kernel: str, folder: Path, day: tuple[Any, Any, dict[str, Any]]
) -> None:
    values, weights, given_values = day
    event, reply = certify(folder, values, weights, **given_values)
    assert labels_of(folder, event, reply).tolist() == expected(values, weights, event).tolist()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("dimensions", "spread"), [(2, 0.4), (3, 0.4), (4, 0.2), (8, 0.07)])
def test_a_dense_day_needs_few_pairs(
    kernel: str, folder: Path, metric: str, dimensions: int, spread: float
) -> None:
    chance = np.random.default_rng(dimensions)
    values = np.concatenate(
        [chance.normal(centre, spread, (800, dimensions)) for centre in (0.0, 2.2, 9.0)]
        + [chance.uniform(-3, 12, (200, dimensions))]
    )
    weights = chance.integers(1, 3, len(values))
    event, reply = certify(folder, values, weights, metric=metric, threshold=0.5, min_samples=9)
    labels = expected(values, weights, event)
    assert labels_of(folder, event, reply).tolist() == labels.tolist()
    assert len(set(labels.tolist()) - {-1}) > 1
    outer = len(values) - reply.cores
    assert reply.pairs <= reply.cores + outer * 8


@pytest.mark.parametrize(("dimensions", "width"), [(2, 6.0), (5, 1.0)])
def test_every_pair_is_near_and_listed_once_with_its_distance(
    kernel: str, folder: Path, dimensions: int, width: float
) -> None:
    values = np.random.default_rng(5).uniform(0, width, (2_000, dimensions))
    event, reply = certify(folder, values, np.ones(2_000, np.int64), threshold=0.3, min_samples=6)
    assert 0 < reply.cores < 2_000
    pairs = np.concatenate(
        [
            np.stack([batch[name].to_numpy() for name in ("point_a", "point_b", "distance")], axis=1)
            for file in reply.files
            for batch in arro3.io.read_parquet(file.uri)
        ]
    )
    a, b = pairs[:, 0].astype(int), pairs[:, 1].astype(int)
    assert (a < b).all()
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(pairs) == reply.pairs
    exact = np.sqrt(np.add.accumulate((values[a] - values[b]) ** 2, axis=1)[:, -1])
    assert np.array_equal(pairs[:, 2], np.minimum(exact, event.threshold))


def test_too_many_pairs_and_wrong_points_are_refused(kernel: str, folder: Path) -> None:
    values, weights = np.zeros((50, 2)), np.ones(50, np.int64)
    event, _ = certify(folder, values, weights)
    body = event.to_json()
    for change, message in (
        ({"max_pairs": 10}, "more than 10 pairs"),
        ({"point_count": 51}, "promises 51 points, the files hold 50"),
        ({"columns": ["x0", "x7"]}, "no column x7"),
        ({"min_samples": 0}, "min_samples"),
    ):
        reply = handler(body | change, None)
        assert not reply["ok"]
        assert message in reply["error"]


def test_points_that_no_grid_holds_are_certified_all_the_same(kernel: str, folder: Path) -> None:
    """Quotients beyond 2^40 and more cells than numbers: the kernel steps back."""
    values = np.array([[0.0, 0.0], [1e150, 1.0], [1e150, 1.5], [-1e149, 3.0], [0.1, 0.1]])
    event, reply = certify(folder, values, np.ones(5, np.int64), min_samples=2)
    assert labels_of(folder, event, reply).tolist() == [0, 1, 1, -1, 0]
