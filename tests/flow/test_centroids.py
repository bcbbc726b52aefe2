"""From points files to labels: rounds planned over shards, the worker's handler called in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from sklearn.cluster import KMeans

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.errors import WorkerMemoryError, WorkerUserError
from cluster_assets.spec.pipeline import Limits
from cluster_assets.stages.clusters import kmeans as centroids
from cluster_assets.stages.clusters.kmeans import PointTable, label_points, plan_shards
from lambda_worker.clusterers.kmeans.centres import read_centres
from lambda_worker.contract.operations import OPERATIONS
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_worker.contract import Event, Reply

K_MEANS = {"type": "kmeans", "n_clusters": 5, "n_init": 2, "seed": 2, "tol": 1e-4, "max_iter": 40}
COLUMNS = ("x0", "x1")


class Worker:
    """Answers events in this process, and remembers them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, events: Sequence[Event]) -> list[Reply]:
        self.events += events
        return [
            OPERATIONS[event.operation()].reply.from_json(
                json.loads(json.dumps(handler(json.loads(json.dumps(event.to_json())), None)))
            )
            for event in events
        ]

    def operations(self, name: str) -> list[Any]:
        return [event for event in self.events if event.operation() == name]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "results")


def write_files(folder: Path, values: Any, weights: Any, files: int) -> PointTable:
    """The points in random order in some files."""
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng(files).permutation(len(values))
    written = []
    for number, ids in enumerate(np.array_split(order, files)):
        path = folder / f"points-{files}-{number}.parquet"
        columns = {"point_id": ids.astype(np.int64), "weight": weights[ids].astype(np.int64)}
        columns |= {name: np.ascontiguousarray(values[ids, k]) for k, name in enumerate(COLUMNS)}
        arrays = [Array.from_numpy(column) for column in columns.values()]
        arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path)
        written.append(WrittenFile(str(path), len(ids), path.stat().st_size))
    return PointTable(tuple(written), COLUMNS)


@pytest.fixture(scope="module")
def points() -> tuple[Any, Any]:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(3000, 2)) + 5.0 * rng.integers(0, 4, (3000, 2))
    return values, rng.integers(1, 5, 3000)


def read_labels(uri: str) -> tuple[Any, list[str]]:
    batches = list(arro3.io.read_parquet(uri))
    ids = np.concatenate([batch["point_id"].to_numpy() for batch in batches])
    assert np.array_equal(ids, np.arange(len(ids)))
    roles = [role for batch in batches for role in batch["role"].to_pylist()]
    return np.concatenate([batch["cluster"].to_numpy() for batch in batches]), roles


def assert_same_clusters(ours: Any, theirs: Any) -> None:
    pairs = np.unique(np.stack([ours, theirs]), axis=1)
    assert len(np.unique(ours)) == len(np.unique(theirs)) == pairs.shape[1]


def test_labels_equal_those_of_scikit_learn(tmp_path: Path, folder: str, points: tuple[Any, Any]) -> None:
    values, weights = points
    worker = Worker()
    table = write_files(tmp_path, values, weights, 3)
    found = label_points(table, K_MEANS, folder, Limits(), worker)
    first = read_centres(worker.operations("round")[0].centres).places
    entities = np.repeat(values, weights, axis=0)
    truth = KMeans(5, init=first.T, n_init=1, tol=1e-4, max_iter=40).fit(entities)
    labels, roles = read_labels(found.uri)
    assert_same_clusters(labels, truth.labels_[np.cumsum(weights) - weights])
    assert set(roles) == {"member"}
    assert (found.clusters, found.numbers["iterations"], found.numbers["converged"]) == (
        5,
        truth.n_iter_,
        "true",
    )
    assert found.numbers["inertia"] == pytest.approx(truth.inertia_, rel=1e-9)


@pytest.mark.parametrize(("files", "concurrency"), [(1, 2), (1, 7), (2, 100), (7, 4), (64, 64)])
def test_files_and_shards_make_no_difference(
    tmp_path: Path,
    folder: str,
    points: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    concurrency: int,
) -> None:
    algorithm = {**K_MEANS, "max_iter": 3}
    whole = label_points(write_files(tmp_path, *points, 1), algorithm, folder, Limits(), Worker())
    monkeypatch.setattr(centroids, "_SHARD_S", 1e-6)  # as many shards as there may be
    worker = Worker()
    limits = Limits(max_concurrency=concurrency)
    aside = f"{folder}-aside"
    found = label_points(write_files(tmp_path, *points, files), algorithm, aside, limits, worker)
    assert found.numbers["shards"] == len(worker.operations("sample")) > 1
    # One round more than moves the centres: it writes the labels.
    assert len(worker.operations("round")) == found.numbers["shards"] * (found.numbers["iterations"] + 1)
    assert_files_equal(whole.uri, found.uri)
    assert (found.numbers["inertia"], found.numbers["iterations"]) == (
        whole.numbers["inertia"],
        whole.numbers["iterations"],
    )


def assert_files_equal(one: str, other: str) -> None:
    assert Path(one).read_bytes() == Path(other).read_bytes()


def test_rounds_end_with_max_iter(tmp_path: Path, folder: str, points: tuple[Any, Any]) -> None:
    algorithm = {**K_MEANS, "max_iter": 1, "tol": 0.0}
    found = label_points(write_files(tmp_path, *points, 1), algorithm, folder, Limits(), Worker())
    assert (found.numbers["iterations"], found.numbers["converged"]) == (1, "false")


def test_what_is_done_is_not_done_again(tmp_path: Path, folder: str, points: tuple[Any, Any]) -> None:
    table = write_files(tmp_path, *points, 2)
    first = label_points(table, K_MEANS, folder, Limits(), Worker())

    class Rerun(Worker):
        def __call__(self, events: Sequence[Event]) -> list[Reply]:
            replies = super().__call__(events)
            assert all(reply.reused for reply in replies)
            return replies

    assert label_points(table, K_MEANS, folder, Limits(), Rerun()) == first


@pytest.mark.parametrize(
    "algorithm",
    [
        {"type": "minibatch_kmeans", "n_clusters": 5, "seed": 2, "batch_size": 256, "max_iter": 10},
        {"type": "birch", "threshold": 0.8, "branching_factor": 50, "n_clusters": 16},
    ],
    ids=lambda algorithm: algorithm["type"],
)
def test_passes_take_one_invocation(
    tmp_path: Path, folder: str, points: tuple[Any, Any], algorithm: dict[str, Any]
) -> None:
    worker = Worker()
    found = label_points(write_files(tmp_path, *points, 3), algorithm, folder, Limits(), worker)
    labels, roles = read_labels(found.uri)
    assert len(np.unique(labels)) == found.clusters == algorithm["n_clusters"]
    assert set(roles) == {"member"}
    assert [event.operation() for event in worker.events] == ["learn"]


def test_refusals_say_what_to_do(tmp_path: Path, folder: str, points: tuple[Any, Any]) -> None:
    table = write_files(tmp_path, *points, 1)
    with pytest.raises(WorkerMemoryError, match=r"raise limits.memory_mb to [\d,]+, or lower") as refused:
        label_points(
            replace(table, columns=tuple(f"x{k}" for k in range(500))),
            {**K_MEANS, "n_clusters": 3000},
            folder,
            Limits(memory_mb=128),
            Worker(),
        )
    assert "a round with 3,000 centres in 500 dimensions" in str(refused.value)
    with pytest.raises(WorkerUserError, match="no column x2"):
        label_points(replace(table, columns=("x2",)), K_MEANS, folder, Limits(), Worker())


def test_shards_share_files_and_rows() -> None:
    small = [WrittenFile(f"/small-{number}", 1000, 16_000) for number in range(6)]
    large = WrittenFile("/large", 100_000_000, 1_600_000_000)
    table = PointTable((*small, large), COLUMNS)
    shards = plan_shards(table, 10, Limits(max_concurrency=8))
    assert shards[-1].files == tuple(file.uri for file in small)
    assert [shard.part for shard in shards[:-1]] == [(k, len(shards) - 1) for k in range(len(shards) - 1)]
    assert {shard.files for shard in shards[:-1]} == {("/large",)}
    assert 2 < len(shards) <= 9
    assert plan_shards(PointTable(tuple(small), COLUMNS), 10, Limits(max_concurrency=8)) == (shards[-1],)
    assert len(plan_shards(table, 10, Limits(max_concurrency=1))) == 1
