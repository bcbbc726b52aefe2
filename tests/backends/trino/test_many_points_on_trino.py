"""50,000 points: DuckDB and Trino find the same pairs, all there are by an independent truth."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.cluster import DBSCAN

from cluster_assets.domain.tables import Column
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics.haversine import EARTH_RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    Truth = tuple[Numbers, Numbers]  # pairs in order, shape (pairs, 2); distances

COUNT = 50_000
TOKENS = (Column("tokens", "array(varchar)"),)
PLACE = (Column("latitude", "double"), Column("longitude", "double"))
RADIAN = 0.017453292519943295


def in_order(pairs: Numbers, distances: Numbers) -> Truth:
    """Each pair once with its smaller id first, ordered by ids."""
    pairs = np.sort(pairs, axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], distances[order]


def expect(found: Any, truth: Truth, *, relative: float = 0.0) -> None:
    """All pairs of the truth and no other, at their distances."""
    pairs, distances = truth
    assert 10_000 < len(pairs) < 400_000
    assert np.array_equal(found.pairs, pairs)
    np.testing.assert_allclose(found.distances, distances, rtol=relative, atol=0)


def add_up(terms: Iterator[Numbers]) -> Numbers:
    """The sum in the order given, as the statements add."""
    return functools.reduce(np.add, terms)


# --- numbers and places -------------------------------------------------------------------------------------


def number_columns(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def as_columns(names: list[str], values: Numbers) -> dict[str, Numbers]:
    return {"point_id": np.arange(len(values)), "weight": np.ones(len(values), np.int64)} | {
        name: np.ascontiguousarray(values[:, k]) for k, name in enumerate(names)
    }


@functools.cache
def lattice() -> Numbers:
    """A plane, a third of it crowded, where sums are exact and many pairs lie exactly at the threshold."""
    chance = np.random.default_rng(1)
    crowd = chance.normal(0.5, 0.13, (COUNT // 3, 2))
    values = np.concatenate([chance.uniform(0, 1, (COUNT - len(crowd), 2)), crowd])
    found: Numbers = np.round(values * 4096) / 4096 + 0.0
    return found


def near_vectors(metric: str, threshold: float, values: Numbers) -> Truth:
    norm = {"euclidean": 2, "manhattan": 1, "chebyshev": np.inf}[metric]
    pairs = cKDTree(values).query_pairs(threshold * (1 + 1e-9), p=norm, output_type="ndarray")
    sizes = np.abs(values[pairs[:, 0]] - values[pairs[:, 1]]).T
    if metric == "chebyshev":
        distances = sizes.max(axis=0)
    else:
        distances = add_up(size * size if metric == "euclidean" else size for size in sizes)
    near = distances <= (threshold * threshold if metric == "euclidean" else threshold)
    pairs, distances = pairs[near], distances[near]
    return in_order(pairs, np.minimum(np.sqrt(distances), threshold) if metric == "euclidean" else distances)


def near_directions(threshold: float, values: Numbers) -> Truth:
    units = values / np.sqrt(add_up(column * column for column in values.T))[:, None]
    pairs = cKDTree(units).query_pairs(np.sqrt(2 * threshold) * (1 + 1e-9), output_type="ndarray")
    products = add_up(x * y for x, y in zip(units[pairs[:, 0]].T, units[pairs[:, 1]].T, strict=True))
    distances = 1 - np.clip(products, -1, 1)
    near = distances <= threshold
    return in_order(pairs[near], distances[near])


@functools.cache
def globe() -> Numbers:
    """Places all over the Earth, some at a pole, some about the antimeridian."""
    chance = np.random.default_rng(2)
    latitude = np.degrees(np.arcsin(chance.uniform(-1, 1, COUNT)))
    longitude = chance.uniform(-180, 180, COUNT)
    latitude[:500] = chance.uniform(88, 90, 500)
    latitude[500:510] = -90.0
    turned = np.mod(chance.normal(180, 3, 1000) + 180, 360) - 180
    longitude[510:1510], latitude[510:1510] = turned, chance.normal(0, 10, 1000)
    return np.column_stack([latitude, longitude])


def near_places(metres: float, values: Numbers) -> Truth:
    latitude, longitude = (values * RADIAN).T
    sphere = np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    chord = 2 * np.sin(0.5 * metres / EARTH_RADIUS_M)
    pairs = cKDTree(sphere).query_pairs(chord * (1 + 1e-9), output_type="ndarray")
    a, b = pairs.T
    north, east = (np.sin(0.5 * (angle[a] - angle[b])) for angle in (latitude, longitude))
    reduced = north * north + np.cos(latitude[a]) * np.cos(latitude[b]) * east * east
    distances = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(np.sqrt(reduced), 1))
    near = distances <= metres
    return in_order(pairs[near], distances[near])


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_vectors(searcher: Any, metric: Any) -> None:
    values, threshold, columns = lattice(), 16 / 4096, number_columns(2)
    plan = metrics.plan(metrics.Comparison("vector", metric, threshold, columns))
    expect(
        searcher.search(plan, columns, as_columns(["x0", "x1"], values)),
        near_vectors(metric, threshold, values),
    )


def test_directions(searcher: Any) -> None:
    values, columns = np.random.default_rng(3).normal(size=(COUNT, 3)), number_columns(3)
    plan = metrics.plan(metrics.Comparison("vector", "cosine", 1e-4, columns))
    expect(
        searcher.search(plan, columns, as_columns(["x0", "x1", "x2"], values)), near_directions(1e-4, values)
    )


def test_places(searcher: Any) -> None:
    plan = metrics.plan(metrics.Comparison("geo", "haversine", 80_000.0, PLACE))
    found = searcher.search(plan, PLACE, as_columns(["latitude", "longitude"], globe()))
    expect(found, near_places(80_000.0, globe()), relative=1e-9)


# --- certificates -------------------------------------------------------------------------------------------


def clusters(count: int, pairs: Numbers, cores: Numbers) -> Numbers:
    """DBSCAN from near pairs and known cores, numbered by the first core point."""
    is_core = np.isin(np.arange(count), cores)
    inner = pairs[is_core[pairs].all(axis=1)]
    graph = scipy.sparse.coo_matrix((np.ones(len(inner)), inner.T), shape=(count, count))
    components = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(components[is_core], return_index=True, return_inverse=True)
    labels = np.full(count, count)
    labels[is_core] = np.argsort(np.argsort(first))[numbers]
    mixed = pairs[is_core[pairs].sum(axis=1) == 1]
    swapped = np.where(is_core[mixed[:, 0]][:, None], mixed, mixed[:, ::-1])
    np.minimum.at(labels, swapped[:, 1], labels[swapped[:, 0]])
    return np.where(labels == count, -1, labels)


def check_certificate(found: Any, truth: Truth, dbscan: DBSCAN, count: int, *, relative: float = 0.0) -> None:
    keys, known = (pairs[:, 0] * count + pairs[:, 1] for pairs in (found.pairs, truth[0]))
    places = np.searchsorted(known, keys)
    assert np.array_equal(known[places], keys)
    np.testing.assert_allclose(found.distances, truth[1][places], rtol=relative, atol=0)
    assert np.array_equal(found.cores, np.sort(dbscan.core_sample_indices_))
    assert len(np.unique(dbscan.labels_)) > 10
    assert np.array_equal(clusters(count, found.pairs, found.cores), dbscan.labels_)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_dense_cells_of_vectors(searcher: Any, metric: Any) -> None:
    values, threshold, columns = lattice(), 20 / 4096, number_columns(2)
    plan = metrics.cells(metrics.Comparison("vector", metric, threshold, columns), 8)
    found = searcher.search(plan, columns, as_columns(["x0", "x1"], values))
    dbscan = DBSCAN(eps=threshold, min_samples=8, metric=metric).fit(values)
    check_certificate(found, near_vectors(metric, threshold, values), dbscan, COUNT)


def test_dense_cells_of_places(searcher: Any) -> None:
    plan = metrics.cells(metrics.Comparison("geo", "haversine", 80_000.0, PLACE), 8)
    found = searcher.search(plan, PLACE, as_columns(["latitude", "longitude"], globe()))
    dbscan = DBSCAN(eps=80_000.0 / EARTH_RADIUS_M, min_samples=8, metric="haversine", algorithm="ball_tree")
    dbscan.fit(globe() * RADIAN)
    check_certificate(found, near_places(80_000.0, globe()), dbscan, COUNT, relative=1e-9)


# --- sets ---------------------------------------------------------------------------------------------------


@functools.cache
def token_sets() -> list[list[str]]:
    """Sets of near kinds; a twelfth of all hold one token."""
    chance = np.random.default_rng(4)
    kinds = chance.integers(0, 6000, (15_000, 9))
    made: dict[frozenset[str], None] = {}
    while len(made) < COUNT:
        kind = kinds[chance.integers(len(kinds))]
        tokens = {f"t{token}" for token in kind[: chance.integers(6, 10)]}
        if chance.random() < 0.5:
            tokens |= {f"é{chance.integers(6000)}"}
        if chance.random() < 1 / 12:
            tokens |= {"everywhere"}
        made[frozenset(tokens)] = None
    return [sorted(tokens) for tokens in made]


@functools.cache
def common_tokens() -> tuple[Numbers, Numbers, Numbers]:
    """Pairs of sets with much in common, how much, and the sizes of all sets."""
    sets = token_sets()
    sizes = np.array([len(tokens) for tokens in sets])
    numbers = {token: n for n, token in enumerate(sorted({token for tokens in sets for token in tokens}))}
    columns = [numbers[token] for tokens in sets for token in tokens]
    rows = np.repeat(np.arange(COUNT), sizes)
    holds = scipy.sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, columns)))
    turned, pairs, common = holds.T.tocsr(), [], []
    for start in range(0, COUNT, 5000):
        product = (holds[start : start + 5000] @ turned).tocoo()
        a, b = product.row.astype(np.int64) + start, product.col.astype(np.int64)
        kept = (a < b) & (product.data >= 3)  # of six or more tokens; fewer are no match for any metric below
        pairs.append(np.column_stack([a[kept], b[kept]]))
        common.append(product.data[kept])
    return np.concatenate(pairs), np.concatenate(common).astype(np.int64), sizes


def near_sets(metric: str, threshold: float) -> Truth:
    pairs, common, sizes = common_tokens()
    a, b = sizes[pairs.min(axis=1)], sizes[pairs.max(axis=1)]
    a, b = np.minimum(a, b), np.maximum(a, b)
    distances = {
        "jaccard": lambda: (a + b - 2 * common) / (a + b - common),
        "dice": lambda: (a + b - 2 * common) / (a + b),
        "overlap": lambda: (a - common) / a,
        "cosine": lambda: 1 - common / np.sqrt(a * b),
    }[metric]()
    near = distances <= threshold
    return in_order(pairs[near], distances[near])


def set_rows() -> dict[str, Any]:
    return {"point_id": np.arange(COUNT), "weight": np.ones(COUNT, np.int64), "tokens": token_sets()}


@pytest.mark.parametrize(
    ("metric", "threshold"), [("jaccard", 0.4), ("dice", 0.25), ("overlap", 0.2), ("cosine", 0.25)]
)
def test_sets(searcher: Any, metric: Any, threshold: float) -> None:
    plan = metrics.plan(metrics.Comparison("set", metric, threshold, TOKENS))
    expect(searcher.search(plan, TOKENS, set_rows()), near_sets(metric, threshold))
