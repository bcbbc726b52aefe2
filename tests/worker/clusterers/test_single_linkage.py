"""Minimum forests, single-linkage labels and dendrograms against scipy on the whole day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from written_columns import read_columns

from lambda_worker.clusterers.whole_day.day import cluster_day
from lambda_worker.contract import ClusterEvent, DendrogramEvent, ForestEvent, TableReply
from lambda_worker.graph.forests import reduce_shard
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable


def forests_of(folder: Any, pairs: Any, distance: Any, shards: int, seed: int) -> list[str]:
    """Minimum forests of random shards, with folds of five pairs."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    files = []
    for k, part in enumerate(np.array_split(order, shards)):
        candidates = (folder.add_pairs(pairs[part], distance[part]),)
        output = str(folder.folder / f"forest-{k}.parquet")
        in_batches(
            3,
            reduce_shard,
            ForestEvent(kind="minimum", candidates=candidates, point_count=folder.point_count, output=output),
            5,
        )
        files.append(output)
    return files


def draw(folder: Any, forests: list[str]) -> list[Any]:
    output = folder.folder / "dendrogram.parquet"
    event = DendrogramEvent(forests=tuple(forests), point_count=folder.point_count, output=str(output))
    reply = TableReply.from_json(handler(event.to_json(), None))
    assert reply.ok, reply.error
    columns = read_columns(output, "left", "right", "distance", "size")
    assert reply.rows == len(columns[0])
    return columns


@dataclass(frozen=True)
class Graph:
    """Near pairs with distances that tie, or never tie."""

    count: int
    pairs: Any
    distance: Any


@st.composite
def graphs(choose: Any) -> Graph:
    count = choose(st.integers(1, 25))
    every = np.argwhere(np.triu(np.ones((count, count)), 1))
    seed = choose(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    pairs = every[rng.random(len(every)) < choose(st.sampled_from([0.05, 0.2, 1.0]))]
    steps = choose(st.sampled_from([1, 3, 10**9]))
    return Graph(count, pairs, rng.integers(1, steps + 1, len(pairs)) / 4.0)


def kruskal(graph: Graph) -> list[tuple[float, int, int]]:
    """The definition: by (distance, a, b), a pair stays when it joins two sets."""
    kept, own = [], list(range(graph.count))
    rows = zip(graph.distance.tolist(), *graph.pairs.T.tolist(), strict=True)
    for distance, a, b in sorted(rows):
        if own[a] != own[b]:
            own = [own[a] if one == own[b] else one for one in own]
            kept.append((distance, a, b))
    return kept


@settings(max_examples=120)
@given(graph=graphs(), shards=st.sampled_from([1, 2, 7, 64]), seed=st.integers(0, 99))
def test_a_minimum_forest_is_the_one_of_the_declared_order(
    new_day: Callable[[], Any], graph: Graph, shards: int, seed: int
) -> None:
    folder = new_day()
    folder.point_count = graph.count
    forests = forests_of(folder, graph.pairs, graph.distance, shards, seed)
    in_batches(
        3,
        reduce_shard,
        ForestEvent(
            kind="minimum", candidates=tuple(forests), point_count=graph.count, output=str(folder.output)
        ),
        5,
    )
    a, b, distance = read_columns(folder.output, "point_a", "point_b", "distance")
    assert list(zip(distance, a, b, strict=True)) == kruskal(graph)
    whole = coo_matrix((graph.distance, graph.pairs.T), shape=(graph.count, graph.count))
    assert distance.sum() == pytest.approx(minimum_spanning_tree(whole).sum(), rel=1e-12)


def test_zero_distances_count_as_pairs(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_points(np.arange(3), [1, 1, 1])
    forests = forests_of(folder, np.array([(0, 1), (1, 2)]), np.zeros(2), 2, 0)
    left, right, distance, size = draw(folder, forests)
    assert [left.tolist(), right.tolist(), distance.tolist(), size.tolist()] == [
        [0, 2],
        [1, 3],
        [0, 0],
        [2, 3],
    ]


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_a_dendrogram_without_ties_is_scipys(new_day: Callable[[], Any], shards: int) -> None:
    points = np.random.default_rng(shards).random((150, 2))
    pairs, distance = np.argwhere(np.triu(np.ones((150, 150)), 1)), pdist(points)
    folder = new_day()
    folder.add_points(np.arange(150), np.ones(150))
    truth = linkage(pdist(points), "single")
    merges = np.column_stack(draw(folder, forests_of(folder, pairs, distance, shards, 0)))
    assert np.array_equal(merges, truth)
    near = distance <= 0.06
    assert not np.array_equal(near, np.ones(len(near)))
    other = new_day()
    other.add_points(np.arange(150), np.ones(150))
    known = np.column_stack(draw(other, forests_of(other, pairs[near], distance[near], shards, 1)))
    assert np.array_equal(known, truth[truth[:, 2] <= 0.06])
    assert 0 < len(known) < 149


@settings(max_examples=60)
@given(seed=st.integers(0, 2**16), count=st.integers(2, 30), threshold=st.sampled_from([0, 1, 1.5, 3]))
def test_ties_leave_cophenetic_distances_and_cuts_as_scipys(
    new_day: Callable[[], Any], read_labels: Any, seed: int, count: int, threshold: float
) -> None:
    points = np.random.default_rng(seed).integers(0, 6, (count, 2))
    pairs, distance = np.argwhere(np.triu(np.ones((count, count)), 1)), pdist(points)
    folder = new_day()
    weights = np.arange(1, count + 1)
    folder.add_points(np.arange(count), weights)
    forests = forests_of(folder, pairs, distance, 3, seed)
    left, right, height, size = draw(folder, forests)
    truth = linkage(pdist(points), "single")
    assert np.array_equal(
        squareform(cophenet(np.column_stack([left, right, height, size]))), squareform(cophenet(truth))
    )
    assert (left < right).all()
    assert size[-1] == count

    event = folder.event(type="single_linkage", threshold=threshold) | {"candidates": forests}
    reply = cluster_day(ClusterEvent.from_json(event))
    expected = fcluster(truth, threshold, "distance")
    _, first = np.unique(expected, return_index=True)
    rank = np.argsort(np.argsort(first))
    assert np.array_equal(read_labels(folder.output)[1], rank[expected - 1])
    assert reply.clusters == len(first)


@pytest.mark.parametrize("threshold", [-1, True, "1", float("nan"), float("inf")])
def test_an_impossible_threshold_is_refused(new_day: Callable[[], Any], threshold: Any) -> None:
    folder = new_day()
    folder.add_points([0], [1])
    reply = handler(folder.event(type="single_linkage", threshold=threshold), None)
    assert not reply["ok"]
    assert "the algorithm single_linkage, threshold: Expected `float" in reply["error"]


def test_a_forest_without_distances_is_refused(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_points([0, 1], [1, 1])
    spanning = str(folder.folder / "spanning.parquet")
    reduce_shard(
        ForestEvent(kind="spanning", candidates=(folder.add_pairs([(0, 1)]),), point_count=2, output=spanning)
    )
    event = DendrogramEvent(forests=(spanning,), point_count=2, output=str(folder.output))
    reply = handler(event.to_json(), None)
    assert not reply["ok"]
    assert "no column distance" in reply["error"]
