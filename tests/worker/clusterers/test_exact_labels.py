"""The worker's labels against scikit-learn and scipy on the whole day, for any batches and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN

from lambda_worker.clusterers.whole_day.day import cluster_day
from lambda_worker.contract import ClusterEvent

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Day:
    """Entities on a small grid: duplicates and ties at the threshold are the rule."""

    places: Any  # shape (entities, 2)
    reach: int  # squared distance up to which entities are near

    @property
    def squared(self) -> Any:
        gap = self.places[:, None, :] - self.places[None, :, :]
        return (gap * gap).sum(axis=2)

    def points(self) -> tuple[Any, Any]:
        """Point id of each entity (in order of first entity), and the weights."""
        _, first, inverse = np.unique(self.places, axis=0, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        point = rank[inverse.ravel()]
        return point, np.bincount(point)

    def pairs(self) -> Any:
        point, weights = self.points()
        first = np.array([np.flatnonzero(point == p)[0] for p in range(len(weights))])
        near = self.squared[np.ix_(first, first)] <= self.reach
        return np.argwhere(np.triu(near, 1))


@dataclass(frozen=True)
class Split:
    """How a day reaches the worker: rows a batch, number of files, seed of the order."""

    batch: int
    files: int
    seed: int


splits = st.builds(Split, st.sampled_from([1, 7, 1 << 16]), st.integers(1, 4), st.integers(0, 2**16))
days = st.builds(
    lambda places, reach: Day(np.array(places, np.int64), reach),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40),
    st.sampled_from([1, 2, 4, 5, 9]),
)


def write(day: Day, folder: Any, seed: int, files: int) -> None:
    """Points and pairs in any order, cut into any number of files."""
    rng = np.random.default_rng(seed)
    _, weights = day.points()
    for ids in np.array_split(rng.permutation(len(weights)), files):
        folder.add_points(ids, weights[ids])
    for part in np.array_split(rng.permutation(day.pairs()), files):
        folder.add_pairs(part)


@settings(max_examples=150)
@given(
    day=days,
    min_samples=st.integers(1, 8),
    split=splits,
)
def test_dbscan_equals_scikit_learn_number_for_number(
    new_day: Callable[[], Any],
    read_labels: Any,
    day: Day,
    min_samples: int,
    split: Split,
) -> None:
    folder = new_day()
    write(day, folder, split.seed, split.files)
    event = folder.event(type="dbscan", min_samples=min_samples)
    reply = in_batches(split.batch, cluster_day, ClusterEvent.from_json(event))

    truth = DBSCAN(eps=day.reach, min_samples=min_samples, metric="precomputed").fit(
        day.squared.astype(float)
    )
    point, weights = day.points()
    ids, cluster, roles = read_labels(folder.output)
    assert np.array_equal(ids, np.arange(len(weights)))
    assert np.array_equal(cluster[point], truth.labels_)
    core = np.zeros(len(point), bool)
    core[truth.core_sample_indices_] = True
    expected = np.where(core, "core", np.where(truth.labels_ == -1, "noise", "border"))
    assert [roles[p] for p in point] == expected.tolist()
    assert reply.ok
    assert reply.clusters == truth.labels_.max() + 1
    assert reply.noise_entities == (truth.labels_ == -1).sum()
    assert reply.core_points == len({int(p) for p in point[core]})
    assert (reply.rows, reply.pairs) == (len(weights), len(day.pairs()))


@settings(max_examples=100)
@given(day=days, split=splits)
def test_connected_components_equal_scipy(
    new_day: Callable[[], Any], read_labels: Any, day: Day, split: Split
) -> None:
    folder = new_day()
    write(day, folder, split.seed, split.files)
    reply = in_batches(
        split.batch, cluster_day, ClusterEvent.from_json(folder.event(type="connected_components"))
    )

    _, weights = day.points()
    a, b = day.pairs().T
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(weights), len(weights)))
    count, truth = connected_components(graph, directed=False)  # numbered by first node, as ours
    _, cluster, roles = read_labels(folder.output)
    assert np.array_equal(cluster, truth)
    assert set(roles) == {"member"}
    assert (reply.clusters, reply.core_points, reply.noise_entities) == (count, 0, 0)


def test_bytes_do_not_depend_on_batches_order_or_files(new_day: Callable[[], Any]) -> None:
    day = Day(np.random.default_rng(5).integers(0, 30, (400, 2)), reach=4)
    outputs = set()
    for seed, (files, batch) in enumerate([(1, 1 << 16), (1, 1), (3, 7), (5, 100), (1, 1 << 16)]):
        folder = new_day()
        write(day, folder, seed, files)
        event = ClusterEvent.from_json(folder.event(type="dbscan", min_samples=4))
        in_batches(batch, cluster_day, event)
        first = folder.output.read_bytes()
        in_batches(batch, cluster_day, event)
        assert folder.output.read_bytes() == first
        assert [path.name for path in folder.folder.glob(".*")] == []
        outputs.add(first)
    assert len(outputs) == 1


def test_a_border_point_takes_the_lowest_cluster_whatever_order_pairs_come_in(
    new_day: Callable[[], Any], read_labels: Any
) -> None:
    # 0 and 1 are core, each with three points of its own; 8 lies between them and has too few neighbours.
    pairs = [(1, 8), (0, 8), *((0, leaf) for leaf in (2, 3, 4)), *((1, leaf) for leaf in (5, 6, 7))]
    for order in (pairs, pairs[::-1]):
        folder = new_day()
        folder.add_points(np.arange(9), np.ones(9))
        folder.add_pairs(order)
        in_batches(1, cluster_day, ClusterEvent.from_json(folder.event(type="dbscan", min_samples=5)))
        _, cluster, roles = read_labels(folder.output)
        assert cluster.tolist() == [0, 1, 0, 0, 0, 1, 1, 1, 0]
        assert roles == ["core", "core", *["border"] * 7]


@pytest.mark.parametrize(
    "algorithm", [{"type": "dbscan", "min_samples": 3}, {"type": "connected_components"}]
)
def test_a_long_path_in_the_worst_orders_is_one_cluster(
    new_day: Callable[[], Any], read_labels: Any, algorithm: dict[str, Any]
) -> None:
    n = 20_000
    path = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    shuffled = np.random.default_rng(1).permutation(n)[path]
    for pairs in (path, path[::-1], np.sort(shuffled, axis=1)):
        folder = new_day()
        folder.add_points(np.arange(n), np.ones(n))
        folder.add_pairs(pairs)
        reply = in_batches(1000, cluster_day, ClusterEvent.from_json(folder.event(**algorithm)))
        assert reply.clusters == 1
        assert set(read_labels(folder.output)[1].tolist()) == {0}


def test_weights_beyond_one_byte_count_in_full(new_day: Callable[[], Any], read_labels: Any) -> None:
    folder = new_day()
    folder.add_points([0, 1], [1, 200])
    folder.add_points([2, 3], [70_000, 5_000_000_000])
    folder.add_pairs([(0, 1), (2, 3)])
    reply = cluster_day(ClusterEvent.from_json(folder.event(type="dbscan", min_samples=5_000_070_000)))
    assert read_labels(folder.output)[1].tolist() == [-1, -1, 0, 0]
    assert reply.noise_entities == 201
    reply = cluster_day(ClusterEvent.from_json(folder.event(type="dbscan", min_samples=5_000_070_001)))
    assert reply.noise_entities == 5_000_070_201
