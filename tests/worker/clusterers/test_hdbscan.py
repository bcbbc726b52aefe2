"""HDBSCAN from shards and levels against scikit-learn and against a plain recursion over all entities."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hdbscan_days import Points, Split, algorithms, compare, new_run, points_of, scattered, splits
from hdbscan_recursion import Cluster, grow, mutual_reachability, plain_hdbscan, single_linkage
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.cluster import HDBSCAN
from written_columns import read_bytes, read_columns

from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable


@settings(max_examples=80)
@given(points=scattered(), algorithm=algorithms, split=splits, start=st.sampled_from([0.3, 1.0, 4.0, 100.0]))
def test_labels_of_levels_and_shards_are_those_of_the_whole_day(
    new_day: Callable[[], Any], points: Points, algorithm: dict[str, Any], split: Split, start: float
) -> None:
    truth = plain_hdbscan(points, algorithm)
    reply, columns = new_run(new_day, points, split, **algorithm).until_final(start)
    compare(points, columns, *truth)
    assert reply.noise_entities == (truth[0] == -1).sum()


@pytest.mark.parametrize("heaviest", [1, 4])
def test_the_condensed_tree_is_that_of_a_plain_recursion(new_day: Callable[[], Any], heaviest: int) -> None:
    rng = np.random.default_rng(heaviest)
    places = rng.uniform(-9, 9, (5, 3))[rng.integers(0, 5, 70)] + rng.normal(0, 1, (70, 3))
    points = points_of(places, rng.integers(1, heaviest + 1, 70))
    run = new_run(new_day, points, min_cluster_size=5)
    run.until_final(64.0)
    tree = str(run.folder.folder / "tree.parquet")
    parent, child, distance, entities = read_columns(tree, "parent", "child", "distance", "entities")
    assert child.tolist() == [*range(70), *range(71, len(child) + 1)]
    assert (parent < child)[70:].all()
    # By the entities of a cluster: how far away it begins, and who leaves it where.
    beneath = {number: {k for k in range(70) if parent[k] == number} for number in range(70, 71 + len(child))}
    for k in reversed(range(70, len(child))):
        beneath[parent[k]] |= beneath[child[k]]
    found = {
        frozenset(beneath[number]): (
            begin,
            dict(sorted((k, distance[k]) for k in range(70) if parent[k] == number)),
        )
        for number, begin in [(70, 0.0), *zip(child[70:].tolist(), distance[70:].tolist(), strict=True)]
    }
    reach = mutual_reachability(points, 5)
    root = grow(
        single_linkage(reach, points.entities), 5, Cluster(None, 0.0, np.arange(len(points.entities)))
    )
    truth = {
        frozenset(points.entities[one.members].tolist()): (
            1 / one.birth if one.birth else 0.0,
            {int(points.entities[k]): 1 / density for k, density in sorted(one.leaves.items())},
        )
        for one in root.all()
    }
    assert found.keys() == truth.keys()
    for members, (begin, leaves) in truth.items():
        assert found[members][0] == pytest.approx(begin)
        assert found[members][1] == pytest.approx(leaves)
    assert entities[:70].tolist() == points.weights.tolist()


@pytest.mark.parametrize("dimensions", range(1, 9))
@pytest.mark.parametrize("heaviest", [1, 3])
def test_labels_equal_scikit_learn_where_nothing_ties(
    new_day: Callable[[], Any], dimensions: int, heaviest: int
) -> None:
    equal = 0
    for seed in range(6):
        rng = np.random.default_rng(100 * dimensions + seed)
        centres = rng.uniform(-9, 9, (4, dimensions))
        places = centres[rng.integers(0, 4, 60)] + rng.normal(0, 1, (60, dimensions))
        points = points_of(places, rng.integers(1, heaviest + 1, 60))
        algorithm = {
            "min_cluster_size": 4 + seed % 3,
            "min_samples": [None, 2, 4][seed % 3],
            "cluster_selection_method": ["eom", "leaf"][seed // 3],
            "cluster_selection_epsilon": 0.0,  # scikit-learn 1.9.1 fails on any other with numpy 2.4
            "allow_single_cluster": seed in (2, 4),
        }
        reply, columns = new_run(new_day, points, Split(3, 500, seed=seed), **algorithm).until_final(64.0)
        if reply.contested:
            continue
        matrix = points.distance[np.ix_(points.entities, points.entities)]
        truth = HDBSCAN(metric="precomputed", algorithm="brute", copy=True, **algorithm).fit(matrix)
        compare(points, columns, truth.labels_, truth.probabilities_)
        if heaviest == 1:
            truth = HDBSCAN(algorithm="kd_tree", copy=True, **algorithm).fit(places)
            compare(points, columns, truth.labels_, columns[1][points.entities])
            np.testing.assert_allclose(columns[1], truth.probabilities_, rtol=1e-9)
        equal += 1
    assert equal >= 2


@settings(max_examples=30)
@given(points=scattered(), samples=st.integers(1, 6), split=splits)
def test_the_forest_weighs_as_much_as_scipy_says(
    new_day: Callable[[], Any], points: Points, samples: int, split: Split
) -> None:
    assume(points.weights.sum() >= samples)
    run = new_run(new_day, points, split, min_cluster_size=5, min_samples=samples)
    run.add_level(1e3, np.arange(len(points.weights)))
    reply, _, _ = run.cluster(1e3)
    # To scipy an entry of 0 is no edge: all are moved up.
    tree = minimum_spanning_tree(mutual_reachability(points, samples) + 1)
    weight = tree.sum() - tree.nnz
    assert (reply.components, reply.unresolved, tree.nnz) == (1, 0, points.weights.sum() - 1)
    assert reply.tree_weight == pytest.approx(weight, rel=1e-12, abs=1e-12 * tree.nnz)


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_equal_pairs_give_equal_bytes(new_day: Callable[[], Any], shards: int) -> None:
    rng = np.random.default_rng(5)
    places = np.unique(np.round(rng.normal(0, 4, (150, 2))), axis=0)
    points = points_of(places, rng.integers(1, 4, len(places)))
    algorithm = {"min_cluster_size": 6, "min_samples": 5}
    files = []
    for split in (Split(), Split(shards, 100, merge=True, spans=3, seed=shards)):
        run = new_run(new_day, points, split, **algorithm)
        reply, _ = run.until_final(1.0)
        merged = run.reduce(run.forests)
        again = run.reduce((merged, *run.forests))
        files.append([read_bytes(path) for path in (run.folder.output, merged, again)])
        assert reply.contested
    assert files[0] == files[1]
    assert files[0][1] == files[0][2]


def test_an_early_end_gives_the_labels_of_a_late_one(new_day: Callable[[], Any]) -> None:
    rng = np.random.default_rng(8)
    centres = np.array([[0, 0], [40, 0], [0, 40], [40, 40], [200, 200]])
    places = centres[rng.integers(0, 5, 400)] + rng.normal(0, 1, (400, 2))
    points = points_of(np.vstack([places, [[1e4, 1e4]]]), np.ones(401))
    algorithm = {"min_cluster_size": 15, "min_samples": 5, "cluster_selection_method": "eom"}
    runs = [new_run(new_day, points, Split(3), **algorithm) for _ in range(2)]
    early, columns = runs[0].until_final(0.5)
    late, all_columns = runs[1].until_final(1e5)
    assert (early.components, late.components) == (2, 1)
    assert [column.tolist() for column in columns] == [column.tolist() for column in all_columns]


@pytest.mark.parametrize("single", [False, True])
def test_all_identical_points_and_no_pairs(new_day: Callable[[], Any], *, single: bool) -> None:
    identical = Points(np.zeros((1, 1)), np.array([1000]))
    run = new_run(new_day, identical, min_cluster_size=5, allow_single_cluster=single)
    reply, columns = run.until_final(1.0)
    assert (reply.final, reply.components, reply.tree_weight) == (True, 1, 0.0)
    assert [column.tolist() for column in columns] == ([[0], [1]] if single else [[-1], [0]])

    lonely = points_of(np.arange(50)[:, None] * 1e6, np.ones(50))
    run = new_run(new_day, lonely, min_cluster_size=5)
    run.add_level(1.0, np.arange(50))
    reply, columns, _ = run.cluster(1.0)
    assert (reply.final, reply.unresolved, reply.noise_entities) == (False, 50, 50)
    assert "no component has 5 entities" in reply.undecided

    few = points_of(np.arange(4)[:, None], np.ones(4))
    run = new_run(new_day, few, min_cluster_size=5)
    run.add_level(0.5, np.arange(4))
    assert run.cluster(0.5)[0].final  # four entities have no fifth one near


def test_a_day_without_points_is_final(new_day: Callable[[], Any]) -> None:
    run = new_run(new_day, Points(np.empty((0, 0)), np.empty(0, np.int64)), min_cluster_size=5)
    run.add_level(1.0, np.empty(0))
    reply, columns, _ = run.cluster(1.0)
    assert (reply.ok, reply.final, reply.rows, len(columns[0])) == (True, True, 0, 0)


@pytest.mark.parametrize("scale", [1e-300, 1e-155, 1e155, 1e300])
def test_huge_and_tiny_values_give_the_same_clusters(new_day: Callable[[], Any], scale: float) -> None:
    rng = np.random.default_rng(3)
    places = np.concatenate([rng.normal(0, 1, 40), rng.normal(50, 1, 40)])[:, None]
    plain = points_of(places, np.ones(80))
    algorithm = {"min_cluster_size": 8, "min_samples": 4}
    _, expected = new_run(new_day, plain, **algorithm).until_final(1.0)
    scaled = replace(plain, distance=plain.distance * scale)
    reply, columns = new_run(new_day, scaled, **algorithm).until_final(scale)
    assert columns[0].tolist() == expected[0].tolist()
    np.testing.assert_allclose(columns[1], expected[1], rtol=1e-9)
    assert reply.clusters == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"algorithm": {"type": "dbscan"}}, "type 'dbscan'"),
        ({"algorithm": {"type": "hdbscan", "alpha": 1.0}}, "unknown field `alpha`"),
        ({"algorithm": {"type": "hdbscan", "min_cluster_size": 1}}, "min_cluster_size: Expected `int` >= 2"),
        ({"algorithm": {"type": "hdbscan", "min_samples": 0}}, "min_samples: Expected `int"),
        ({"algorithm": {"type": "hdbscan", "min_samples": True}}, "min_samples: Expected `int"),
        ({"algorithm": {"type": "hdbscan", "cluster_selection_method": "best"}}, "eom or leaf"),
        (
            {"algorithm": {"type": "hdbscan", "cluster_selection_epsilon": -1}},
            "epsilon: Expected `float` >= 0",
        ),
        (
            {"algorithm": {"type": "hdbscan", "allow_single_cluster": 1}},
            "allow_single_cluster: Expected `bool`",
        ),
        ({"threshold": 0}, "threshold: Expected `float` > 0"),
        ({"threshold": 0.5}, "the radius; they reach"),
        ({"core_distances": "a.parquet"}, "core_distances: Expected `array`"),
    ],
)
def test_a_bad_event_is_refused_with_the_reason(
    new_day: Callable[[], Any], change: dict[str, Any], words: str
) -> None:
    run = new_run(new_day, points_of(np.arange(6)[:, None], np.ones(6)), min_cluster_size=2)
    run.add_level(1.0, np.arange(6))
    reply = handler(run.event(1.0).to_json() | change, None)
    assert not reply["ok"]
    assert words in reply["error"]
    assert not run.folder.output.exists()
