"""Mini-batch k-means and Birch over files in any order, against scikit-learn on arrays in point order."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from batches import in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from peak_process import answer
from same_clusters import assert_same_clusters
from sklearn.cluster import Birch, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.kmeans import birch
from lambda_worker.clusterers.kmeans.learning import learn_clusters
from lambda_worker.clusterers.kmeans.ordered import order_points
from lambda_worker.contract import CapacityError, ContractError, InputError
from lambda_worker.contract.kmeans import LearnEvent, LearnReply, birch_memory_mb, minibatch_memory_mb
from lambda_worker.handler import handler
from lambda_worker.tables import reading

if TYPE_CHECKING:
    from pathlib import Path

MINIBATCH = {"type": "minibatch_kmeans", "n_clusters": 4, "seed": 3, "batch_size": 16, "max_iter": 9}
BIRCH = {"type": "birch", "threshold": 0.7, "branching_factor": 4, "n_clusters": None}


def write_points(path: Path, ids: Any, weights: Any, values: Any) -> str:
    columns = {"point_id": np.asarray(ids, np.int64), "weight": np.asarray(weights, np.int64)}
    columns |= {f"x{k}": np.ascontiguousarray(column, np.float64) for k, column in enumerate(values.T)}
    arrays = [Array.from_numpy(column) for column in columns.values()]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path, compression="zstd(1)")
    return str(path)


def event_of(
    folder: Path, values: Any, weights: Any, algorithm: dict[str, Any], order: Any = None
) -> LearnEvent:
    """Points in one file for each array of ids in `order`."""
    parts = [np.arange(len(values))] if order is None else order
    files = [
        write_points(folder / f"points-{number}", ids, weights[ids], values[ids])
        for number, ids in enumerate(parts)
    ]
    return LearnEvent(
        points=tuple(files),
        columns=tuple(f"x{k}" for k in range(values.shape[1])),
        point_count=len(values),
        algorithm=algorithm,
        memory_mb=1769.0,
        output=str(folder / "labels"),
    )


def read_labels(path: str) -> Any:
    return np.concatenate([batch["cluster"].to_numpy() for batch in arro3.io.read_parquet(path)])


def blobs(seed: int, count: int = 120, dimensions: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, dimensions)) * 0.4 + 3.0 * rng.integers(0, 4, (count, 1))
    return values, rng.integers(1, 6, count)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), count=st.integers(1, 150), batch_size=st.sampled_from([1, 16, 1024]))
def test_minibatch_is_partial_fit_of_scikit_learn(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, batch_size: int
) -> None:
    values, weights = blobs(seed, count)
    algorithm = {**MINIBATCH, "batch_size": batch_size}
    event = event_of(tmp_path_factory.mktemp("day"), values, weights, algorithm)
    reply = learn_clusters(event)
    clusters = min(4, count)
    rows = max(clusters, min(batch_size, count))
    truth = MiniBatchKMeans(clusters, random_state=3, batch_size=rows)
    worth = [np.inf]
    with threadpool_limits(1):
        while len(worth) <= 9 and (len(worth) < 2 or worth[-1] < min(worth[:-1])):
            left = 0.0
            for start in range(0, count, rows):
                part = slice(start, start + rows)
                left += truth.partial_fit(values[part], sample_weight=weights[part]).inertia_
            worth.append(left)
        theirs = truth.predict(values)
    assert reply.iterations == len(worth) - 1
    assert_same_clusters(read_labels(event.output), theirs)
    distances = ((values - truth.cluster_centers_[theirs]) ** 2).sum(axis=1)
    assert reply.inertia == pytest.approx(float(weights @ distances), rel=1e-9, abs=1e-12)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 150),
    clusters=st.sampled_from([None, 1, 3, 60]),
    heavy=st.booleans(),
)
def test_birch_is_that_of_scikit_learn_on_all_entities(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, clusters: int | None, heavy: bool
) -> None:
    values, weights = blobs(seed, count)
    weights[0] = 40_000 if heavy and count < 20 else weights[0]  # more than a batch of entities
    event = event_of(tmp_path_factory.mktemp("day"), values, weights, {**BIRCH, "n_clusters": clusters})
    reply = learn_clusters(event)
    entities = np.repeat(values, weights, axis=0)
    truth = Birch(threshold=0.7, branching_factor=4, n_clusters=None).fit(entities)
    assert reply.subclusters == len(truth.subcluster_centers_)
    if clusters is not None and reply.subclusters > clusters:
        truth.set_params(n_clusters=clusters).partial_fit()
    assert_same_clusters(read_labels(event.output), truth.predict(values))
    assert reply.clusters == len(np.unique(truth.predict(values)))


@pytest.mark.parametrize("algorithm", [MINIBATCH, BIRCH], ids=lambda algorithm: algorithm["type"])
@pytest.mark.parametrize("files", [1, 2, 7, 64])
def test_labels_do_not_depend_on_the_files(tmp_path: Path, algorithm: dict[str, Any], files: int) -> None:
    values, weights = blobs(5)
    whole = event_of(tmp_path, values, weights, algorithm)
    learn_clusters(whole)
    expected = (tmp_path / "labels").read_bytes()
    order = np.array_split(np.random.default_rng(files).permutation(len(values)), files)
    split = event_of(tmp_path, values, weights, algorithm, order)
    in_batches(files, learn_clusters, split)
    assert (tmp_path / "labels").read_bytes() == expected


def test_points_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_ROWS", 4)
    values, weights = blobs(1, 50)
    order = np.array_split(np.random.default_rng(1).permutation(50), 3)
    event = event_of(tmp_path, values, weights, BIRCH, order)
    with order_points(event.points, event.columns, 50) as points:
        for _ in range(2):
            rows = list(points.batches(8))
            assert [row.first for row in rows] == list(range(0, 50, 8))
            assert np.array_equal(np.concatenate([row.vectors for row in rows]), values)
            assert np.array_equal(np.concatenate([row.weights for row in rows]), weights)
        assert points.entities == weights.sum()


@pytest.mark.parametrize("ids", [[0, 1, 1], [0, 1, 3], [0, 1], [0, 1, 2, 2]])
def test_points_that_are_not_dense_are_refused(tmp_path: Path, ids: list[int]) -> None:
    file = write_points(tmp_path / "points", ids, [1] * len(ids), np.zeros((len(ids), 1)))
    with (
        pytest.raises(InputError, match=r"promises 3 points|is not in 0..2|2 is missing"),
        order_points((file,), ("x0",), 3),
    ):
        pytest.fail("these points are not dense")


def test_a_full_disk_is_a_clear_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=15))
    file = write_points(tmp_path / "points", [0], [1], np.zeros((1, 1)))
    with pytest.raises(CapacityError, match="of scratch disk"), order_points((file,), ("x0",), 1):
        pytest.fail("16 bytes are needed")


def test_a_tree_that_outgrows_the_memory_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((2000, 2))
    algorithm = {**BIRCH, "threshold": 1e-9, "n_clusters": 2}
    event = event_of(tmp_path, values, np.ones(2000, np.int64), algorithm)
    small = LearnEvent.from_json(
        {**event.to_json(), "memory_mb": birch_memory_mb(1000, 2000, 2, joined=True)}
    )
    with pytest.raises(CapacityError, match=r"of 2,000 entities .*: raise the threshold 1e-09"):
        learn_clusters(small)


def test_more_entities_than_birch_takes_are_refused(tmp_path: Path) -> None:
    event = event_of(tmp_path, np.zeros((1, 1)), np.array([birch.MOST_ENTITIES + 1]), BIRCH)
    with pytest.raises(CapacityError, match="birch knows no weights and would take 4,194,305 entities"):
        learn_clusters(event)


def test_centres_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    event = event_of(tmp_path, np.zeros((3, 1)), np.ones(3, np.int64), MINIBATCH)
    with pytest.raises(CapacityError, match=r"there are 50"):
        learn_clusters(LearnEvent.from_json({**event.to_json(), "memory_mb": 50}))


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ({**MINIBATCH, "n_clusters": 0}, "n_clusters: Expected `int` >= 1"),
        ({**MINIBATCH, "seed": 1.5}, "seed: Expected `int`, got `float`"),
        ({**MINIBATCH, "tol": 1}, "unknown field `tol`"),
        ({**BIRCH, "threshold": 0}, "threshold: Expected `float` > 0"),
        ({**BIRCH, "branching_factor": 1}, "branching_factor: Expected `int` >= 2"),
        ({**BIRCH, "n_clusters": True}, "n_clusters: Expected `int"),
        ({"type": "kmeans"}, "there are birch, minibatch_kmeans"),
    ],
)
def test_impossible_parameters_are_refused(tmp_path: Path, algorithm: dict[str, Any], message: str) -> None:
    event = event_of(tmp_path, np.zeros((1, 1)), np.ones(1, np.int64), algorithm)
    with pytest.raises(ContractError, match=message):
        learn_clusters(event)
    reply = LearnReply.from_json(handler(json.loads(json.dumps(event.to_json())), None))
    assert (reply.ok, reply.error_type) == (False, "ContractError")


@pytest.mark.parametrize("algorithm", [{**MINIBATCH, "batch_size": 1024, "max_iter": 1}, BIRCH], ids=str)
def test_a_pass_takes_the_memory_that_is_predicted(tmp_path: Path, algorithm: dict[str, Any]) -> None:
    minibatch = algorithm["type"] == "minibatch_kmeans"
    rng = np.random.default_rng(1)
    rows, threshold = (300_000, 0.1) if minibatch else (8_000, 1e-6)
    algorithm = algorithm if minibatch else {**algorithm, "threshold": threshold, "branching_factor": 50}
    event = event_of(tmp_path, rng.random((rows, 8)), np.ones(rows, np.int64), algorithm)
    reply = answer(event.to_json())
    predicted = (
        minibatch_memory_mb(4, 1024, 8)
        if minibatch
        else birch_memory_mb(reply["subclusters"], rows, 8, joined=False)
    )
    assert reply["peak_memory_mb"] == pytest.approx(predicted, rel=0.25)
