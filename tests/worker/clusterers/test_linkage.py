"""Agglomerative clusters, component by component, are those of scikit-learn on all entities at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering

from lambda_worker.clusterers.components import Component, Space, build_component_algorithm
from lambda_worker.contract import ContractError
from lambda_worker.contract.components import Linkage
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.features import Codes, Features
from lambda_worker.tables.labels import MEMBER_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

# scikit-learn gives scipy's Ward two equal entities in two dimensions, which look like their distances.
pytestmark = pytest.mark.filterwarnings("ignore:The symmetric non-negative hollow observation matrix")

LINKAGES = get_args(Linkage)
OF_MATRIX = tuple(name for name in LINKAGES if name != "ward")
CLOSE = 1e-9  # relative: heights nearer to one another may be rounded past one another


@dataclass(frozen=True)
class Day:
    """Weighted points, how they are compared, and the threshold."""

    features: Features
    weights: Any
    metric: str
    threshold: float

    @cached_property
    def matrix(self) -> Any:
        return pairwise(self.features, self.metric)

    @property
    def space(self) -> Space:
        return Space(self.features.kind, ("x",), self.metric, self.threshold)

    def components(self) -> Iterator[tuple[Any, Component]]:
        """Positions and content of each component."""
        matrix = self.matrix
        a, b = np.nonzero(np.triu(matrix <= self.threshold, 1))
        size = len(matrix)
        _, of_point = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(size, size)))
        for number in range(of_point.max() + 1):
            rows = np.flatnonzero(of_point == number)
            place = np.cumsum(of_point == number) - 1
            inside = of_point[a] == number
            low, high = a[inside], b[inside]
            yield (
                rows,
                Component(
                    ids=rows.astype(np.int64),
                    weights=self.weights[rows],
                    features=self.features.take(rows),
                    a=place[low],
                    b=place[high],
                    distance=matrix[low, high],
                ),
            )

    def clusters(self, linkage: str) -> Any:
        """Our labels, shape (points,); a number of its own for each cluster."""
        return self.answer(linkage)[0]

    def answer(self, linkage: str) -> tuple[Any, int]:
        """Our labels, and how many merges are contested."""
        algorithm = build_component_algorithm({"type": "agglomerative", "linkage": linkage})
        labels = np.empty(len(self.weights), np.int64)
        first = contested = 0
        for rows, component in self.components():
            if len(rows) == 1:
                found = algorithm.cluster_single(component.weights)
            else:
                found = algorithm.cluster(component, self.space)
            assert (found.role == MEMBER_ROLE).all()
            assert set(found.cluster.tolist()) == set(range(found.cluster.max() + 1))
            labels[rows] = first + found.cluster
            first += len(rows)
            contested += found.contested
        return labels, contested

    def expected(self, linkage: str) -> Any:
        """The labels of scikit-learn, by entity; an entity alone is a cluster."""
        rows = np.repeat(np.arange(len(self.weights)), self.weights)
        if len(rows) == 1:
            return rows
        model = AgglomerativeClustering(
            n_clusters=None,
            distance_threshold=self.threshold,
            linkage=linkage,
            metric="euclidean" if linkage == "ward" else "precomputed",
        )
        data = self.features.vectors[rows] if linkage == "ward" else self.matrix[np.ix_(rows, rows)]
        return model.fit_predict(data)

    def heights(self, linkage: str, groups: list[list[int]]) -> Any:
        """Of merging any two groups of points, from the distances of their entities, by definition."""
        merge = np.full((len(groups), len(groups)), np.inf)
        for i, j in itertools.combinations(range(len(groups)), 2):
            merge[i, j] = merge[j, i] = self._height(linkage, groups[i], groups[j])
        return merge

    def _height(self, linkage: str, one: list[int], other: list[int]) -> float:
        near = self.matrix[np.ix_(one, other)]
        weights = np.outer(self.weights[one], self.weights[other])
        if linkage == "ward":
            sizes = self.weights[one].sum(), self.weights[other].sum()
            means = [
                np.average(self.features.vectors[rows], axis=0, weights=self.weights[rows])
                for rows in (one, other)
            ]
            factor = 2 * sizes[0] * sizes[1] / sum(sizes)
            return float(np.sqrt(factor * ((means[0] - means[1]) ** 2).sum()))
        if linkage == "average":
            return float(np.average(near, weights=weights))
        return float(near.min() if linkage == "single" else near.max())

    def is_open(self, linkage: str) -> bool:
        """Whether two merges that exclude each other are as good, or a height is that of the threshold."""
        if linkage == "single":
            return False
        groups = [[point] for point in range(len(self.weights))]
        while len(groups) > 1:
            merge = self.heights(linkage, groups)
            lowest = merge.min()
            if abs(lowest - self.threshold) <= CLOSE * self.threshold:
                return True
            if lowest >= self.threshold:
                return False
            tied = np.argwhere(np.triu(merge <= lowest * (1 + CLOSE) + 1e-300, 1))
            if len(np.unique(tied)) < tied.size:
                return True
            i, j = tied[0]
            groups[i] += groups.pop(j)
        return False


def assert_same(day: Day, linkage: str) -> None:
    """The same partition: as many pairs of labels as labels."""
    found = np.repeat(day.clusters(linkage), day.weights)
    expected = day.expected(linkage)
    pairs = np.unique(np.stack([found, expected]), axis=1).shape[1]
    assert pairs == len(np.unique(found)) == len(np.unique(expected))


def vector_day(seed: int, dimensions: int, points: int, threshold: float) -> Day:
    """Clumps of points at random places: no two distances are equal."""
    rng = np.random.default_rng(seed)
    middle = rng.random((4, dimensions))
    rows = middle[rng.integers(0, 4, points)] + 0.15 * rng.normal(size=(points, dimensions))
    return Day(Features("vector", rows=rows), rng.integers(1, 5, points), "euclidean", threshold)


def grid_day(places: list[tuple[int, int]], weights: list[int], threshold: float) -> Day:
    rows = np.array(places, np.float64)
    return Day(Features("vector", rows=rows), np.array(weights[: len(rows)]), "euclidean", threshold)


def set_day(seed: int, points: int, threshold: float) -> Day:
    """Families of sets that lose some of their many tokens."""
    rng = np.random.default_rng(seed)
    families = [rng.choice(400, 40, replace=False) for _ in range(3)]
    rows = [np.sort(rng.choice(families[k % 3], rng.integers(8, 40), replace=False)) for k in range(points)]
    codes = Codes(np.cumsum([0, *map(len, rows)]), np.concatenate(rows).astype(np.int32))
    return Day(Features("set", lists=codes), rng.integers(1, 4, points), "jaccard", threshold)


def geo_day(seed: int, points: int, threshold: float) -> Day:
    """Places on both sides of the antimeridian and near a pole."""
    rng = np.random.default_rng(seed)
    longitude = (180.0 + 3 * rng.normal(size=points) + 180.0) % 360.0 - 180.0
    rows = np.column_stack([rng.choice([10.0, 84.0], points) + rng.normal(size=points), longitude])
    return Day(Features("geo", rows=rows), rng.integers(1, 4, points), "haversine", threshold)


grid_days = st.builds(
    grid_day,
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=24, unique=True),
    st.lists(st.integers(1, 4), min_size=24, max_size=24),
    st.sampled_from([1.0, 1.5, 2.0, 2.3, 3.7]),
)


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("dimensions", [2, 8])
@settings(max_examples=40)
@given(seed=st.integers(0, 2**20), points=st.integers(1, 60), reach=st.sampled_from([0.1, 0.2, 0.4, 0.8]))
def test_vectors(linkage: str, dimensions: int, seed: int, points: int, reach: float) -> None:
    assert_same(vector_day(seed, dimensions, points, reach * dimensions**0.5), linkage)


@pytest.mark.parametrize("linkage", LINKAGES)
@settings(max_examples=60)
@example(day=grid_day([(0, 0)], [2], 1.0))
@given(day=grid_days)
def test_where_ties_leave_one_answer_it_is_found(linkage: str, day: Day) -> None:
    if not day.is_open(linkage):
        assert_same(day, linkage)


@pytest.mark.parametrize("linkage", LINKAGES)
@settings(max_examples=60)
@given(day=grid_days)
def test_where_no_merge_is_contested_the_clusters_are_those_of_scikit_learn(linkage: str, day: Day) -> None:
    if day.answer(linkage)[1] == 0:
        assert_same(day, linkage)


def test_merges_that_exclude_each_other_are_contested() -> None:
    """Three in a row: the middle one is as near to both; with two of the first place it is not for Ward."""
    row = [(0, 0), (0, 2), (0, 4)]
    for linkage, threshold in (("average", 2.5), ("complete", 2.5), ("ward", 3.0)):
        assert grid_day(row, [1, 1, 1], threshold).answer(linkage)[1] == 1
    assert grid_day(row, [2, 1, 1], 3.0).answer("ward")[1] == 0
    assert grid_day(row, [1, 1, 1], 2.5).answer("single")[1] == 0
    # Two merges of equal height that have nothing in common may be made in any order.
    apart = [(0, 0), (0, 2), (0, 5), (0, 7)]
    assert grid_day(apart, [1] * 4, 3.5).answer("average")[1] == 0
    # A mean of distances that is the threshold, up to rounding.
    assert grid_day([(0, 0), (0, 1), (0, 3)], [1, 1, 1], 2.5).answer("average")[1] == 1


@pytest.mark.parametrize("linkage", LINKAGES)
def test_no_merge_of_points_at_random_places_is_contested(linkage: str) -> None:
    assert sum(vector_day(seed, 3, 60, 0.5).answer(linkage)[1] for seed in range(10)) == 0


@pytest.mark.parametrize("linkage", LINKAGES)
@settings(max_examples=40)
@given(day=grid_days)
def test_whatever_the_ties_no_merge_is_missing_and_none_is_too_high(linkage: str, day: Day) -> None:
    labels = day.clusters(linkage)
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    assert day.heights(linkage, groups).min() >= day.threshold * (1 - CLOSE)
    for group in groups:
        if linkage == "complete":
            assert day.matrix[np.ix_(group, group)].max() < day.threshold
        if linkage == "ward":
            weights, rows = day.weights[group], day.features.vectors[group]
            squares = (weights * ((rows - np.average(rows, axis=0, weights=weights)) ** 2).sum(axis=1)).sum()
            assert squares <= (weights.sum() - 1) * day.threshold**2 / 2 * (1 + CLOSE)


@pytest.mark.parametrize("linkage", OF_MATRIX)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**20), points=st.integers(2, 14), threshold=st.sampled_from([0.3, 0.6, 0.8]))
def test_sets(linkage: str, seed: int, points: int, threshold: float) -> None:
    day = set_day(seed, points, threshold)
    if not day.is_open(linkage):
        assert_same(day, linkage)


def test_most_days_of_sets_have_one_answer() -> None:
    """So that the test above tests something."""
    days = [set_day(seed, 12, 0.6) for seed in range(10)]
    assert sum(day.is_open("average") for day in days) < 5


@pytest.mark.parametrize("linkage", OF_MATRIX)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**20), points=st.integers(2, 40), threshold=st.sampled_from([5e4, 1.5e5, 4e5]))
def test_places(linkage: str, seed: int, points: int, threshold: float) -> None:
    assert_same(geo_day(seed, points, threshold), linkage)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_thousand_points_in_few_components(linkage: str) -> None:
    """Large enough that slots are forgotten on the way."""
    day = vector_day(5, 2, 1000, 0.08)
    assert max(len(rows) for rows, _ in day.components()) > 300
    assert_same(day, linkage)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_merge_at_the_threshold_is_not_made(linkage: str) -> None:
    assert grid_day([(0, 0), (0, 1)], [1, 1], 1.0).clusters(linkage).tolist() == [0, 1]
    assert grid_day([(0, 0), (0, 1)], [1, 1], 1.0000001).clusters(linkage).tolist() == [0, 0]


def test_weights_count_without_being_expanded() -> None:
    """Two heavy points are as near as ever on average, and far apart for Ward."""
    day = grid_day([(0, 0), (0, 1), (0, 3)], [10**12, 10**12, 1], 2.5)
    assert day.clusters("average").tolist() == [0, 0, 1]
    assert day.clusters("complete").tolist() == [0, 0, 1]
    assert day.clusters("ward").tolist() == [0, 1, 2]


def test_points_at_distance_zero_merge() -> None:
    rows = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 8.0], [-1.0, 0.0]])
    day = Day(Features("embedding", rows=rows), np.array([1, 2, 3, 1]), "cosine", 0.5)
    for linkage in OF_MATRIX:
        assert day.clusters(linkage).tolist() == [0, 0, 0, 3]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_numbers_of_any_size_end_in_clusters(linkage: str) -> None:
    rows = np.array([[0.0], [1e150], [1e150 + 1e140], [-1e150], [3e149]])
    day = Day(Features("vector", rows=rows), np.array([10**15, 1, 7, 10**15, 2]), "euclidean", 5e149)
    found = day.clusters(linkage)
    assert found[1] == found[2]
    assert found[3] != found[0]


@pytest.mark.parametrize(
    ("kind", "metric"), [("set", "jaccard"), ("geo", "haversine"), ("vector", "manhattan"), ("text", "x")]
)
def test_ward_is_for_euclidean_vectors(kind: str, metric: str) -> None:
    day = grid_day([(0, 0), (0, 1)], [1, 1], 2.0)
    _, component = next(day.components())
    algorithm = build_component_algorithm({"type": "agglomerative", "linkage": "ward"})
    with pytest.raises(ContractError, match="ward"):
        algorithm.cluster(component, Space(kind, ("x",), metric, 2.0))


@pytest.mark.parametrize(
    "algorithm",
    [
        {"type": "agglomerative"},
        {"type": "agglomerative", "linkage": "median"},
        {"type": "agglomerative", "linkage": None},
        {"type": "agglomerative", "linkage": "ward", "n_clusters": 3},
        {"type": "dbscan", "min_samples": 3},
        {},
    ],
)
def test_other_parameters_are_refused(algorithm: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        build_component_algorithm(algorithm)
