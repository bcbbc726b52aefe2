"""A certificate of dense cells holds true near pairs only, and gives the cores and labels of all pairs."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.cluster import DBSCAN

from cluster_assets.domain.tables import CANDIDATES, CORES, Column, points_contract
from cluster_assets.spec.metrics import EARTH_RADIUS_M
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics.dense_cells import directed_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    Rows = Sequence[tuple[float, ...]]
    Pairs = dict[tuple[int, int], float]

THRESHOLDS = (5e-324, 1e-200, 1e-150, 1e-9, 0.1, 1.0, 1e149)
PLACE = (Column("latitude", "double"), Column("longitude", "double"))


def vector_columns(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def comparison(metric: Any, threshold: float, dimensions: int) -> metrics.Comparison:
    if metric == "haversine":
        return metrics.Comparison("geo", metric, threshold, PLACE)
    return metrics.Comparison("vector", metric, threshold, vector_columns(dimensions))


def certificate(
    lake: Any, compared: metrics.Comparison, min_samples: int, weights: Sequence[int], rows: Rows
) -> tuple[Pairs, set[int]]:
    """Pairs and cores; checks the order, the uniqueness and the bound of the distance tests on the way."""
    plan = metrics.cells(compared, min_samples)
    assert plan.cores is not None
    contract = points_contract(compared.columns)
    numbered = [(n, weight, *row) for n, (weight, row) in enumerate(zip(weights, rows, strict=True))]
    relations = {"points": lake.write(contract.columns, numbered)}
    for step in plan.scratch:
        relations[step.table.name] = lake.fill(step.statement, relations, step.table)
    found = lake.rows(lake.fill(plan.candidates, relations, CANDIDATES))
    pairs = {(a, b): distance for a, b, distance in found}
    assert len(pairs) == len(found)
    assert list(pairs) == sorted(pairs)
    assert all(a < b for a, b in pairs)
    assert lake.engine.fetch(plan.comparisons, relations).rows[0]["comparisons"] >= len(pairs)
    return pairs, {core for (core,) in lake.rows(lake.fill(plan.cores, relations, CORES))}


def reduced(metric: str, p: tuple[float, ...], q: tuple[float, ...]) -> float:
    if metric == "haversine":
        (lat1, lon1), (lat2, lon2) = ((a * (math.pi / 180), b * (math.pi / 180)) for a, b in (p, q))
        sin_lat, sin_lon = math.sin(0.5 * (lat1 - lat2)), math.sin(0.5 * (lon1 - lon2))
        return sin_lat * sin_lat + math.cos(lat1) * math.cos(lat2) * sin_lon * sin_lon
    sizes = [abs(x - y) for x, y in zip(p, q, strict=True)]
    if metric == "chebyshev":
        return max(sizes)
    total = 0.0
    for size in sizes:
        total += size * size if metric == "euclidean" else size
    return total


def all_pairs(metric: str, threshold: float, rows: Rows) -> Pairs:
    """Brute force in the same doubles."""
    found = {}
    for (a, p), (b, q) in itertools.combinations(enumerate(rows), 2):
        r = reduced(metric, p, q)
        if metric == "haversine":
            limit = math.sin(0.5 * (threshold / EARTH_RADIUS_M)) ** 2
            distance = 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(r)))
        else:
            limit = threshold * threshold if metric == "euclidean" else threshold
            distance = math.sqrt(r) if metric == "euclidean" else r
        if r <= limit or (metric == "haversine" and limit >= 1):
            found[a, b] = min(distance, threshold)
    return found


def cores_of(pairs: Pairs, weights: Sequence[int], min_samples: int) -> set[int]:
    degrees = list(weights)
    for a, b in pairs:
        degrees[a] += weights[b]
        degrees[b] += weights[a]
    return {point for point, degree in enumerate(degrees) if degree >= min_samples}


def labels_of(count: int, pairs: Pairs, cores: set[int]) -> list[int]:
    """DBSCAN from near pairs and known cores; clusters are numbered by their smallest core."""
    roots = list(range(count))

    def root(point: int) -> int:
        while roots[point] != point:
            roots[point] = point = roots[roots[point]]
        return point

    for a, b in pairs:
        if a in cores and b in cores:
            low, high = sorted((root(a), root(b)))
            roots[high] = low
    numbers = {found: n for n, found in enumerate(sorted({root(core) for core in cores}))}
    labels = [numbers[root(point)] if point in cores else count for point in range(count)]
    for a, b in pairs:
        for core, border in ((a, b), (b, a)):
            if core in cores and border not in cores:
                labels[border] = min(labels[border], labels[core])
    return [-1 if label == count else label for label in labels]


def check(
    lake: Any, compared: metrics.Comparison, min_samples: int, weights: Sequence[int], rows: Rows
) -> list[int]:
    """Compare with brute force; the labels."""
    pairs, cores = certificate(lake, compared, min_samples, weights, rows)
    truth = all_pairs(compared.metric, compared.threshold, rows)
    assert pairs.items() <= truth.items()
    assert cores == cores_of(truth, weights, min_samples)
    labels = labels_of(len(rows), pairs, cores)
    assert labels == labels_of(len(rows), truth, cores)
    return labels


@st.composite
def clouds(draw: st.DrawFn) -> tuple[metrics.Comparison, int, list[int], Rows]:
    """Heavy and light points in cells, on their borders, thresholds apart, beyond the grid, huge."""
    metric = draw(st.sampled_from(["euclidean", "manhattan", "chebyshev"]))
    threshold, dimensions = draw(st.sampled_from(THRESHOLDS)), draw(st.integers(1, 3))
    compared = comparison(metric, threshold, dimensions)
    side = threshold / (dimensions if metric == "manhattan" else math.sqrt(dimensions))
    number = st.one_of(
        st.integers(-4, 4).map(lambda k: k * threshold),
        st.integers(-12, 12).map(lambda k: k * threshold / 8),
        st.integers(-4, 4).map(lambda k: k * side),
        st.integers(-3, 3).map(lambda k: float(np.nextafter(k * threshold, math.inf))),
        st.sampled_from([2.0**40, 2.0**40 - 1, 2.0**41, -(2.0**40)]).map(lambda k: k * min(threshold, 1.0)),
        st.sampled_from([0.0, 1e150, -1e150, 1e-300]),
        st.floats(-3, 3).map(lambda k: k * threshold),
    ).map(lambda x: min(max(x, -1e150), 1e150) + 0.0)
    rows = draw(st.lists(st.tuples(*[number] * dimensions), max_size=16))
    weights = draw(st.lists(st.integers(1, 4), min_size=len(rows), max_size=len(rows)))
    return compared, draw(st.integers(1, 9)), weights, rows


@pytest.mark.parametrize("examples", [7, pytest.param(20, marks=pytest.mark.long)])
def test_vectors_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(clouds())
    def holds(cloud: tuple[metrics.Comparison, int, list[int], Rows]) -> None:
        check(lake, *cloud)

    holds()


@st.composite
def globes(draw: st.DrawFn) -> tuple[metrics.Comparison, int, list[int], Rows]:
    """Places about one threshold apart anywhere, at the poles and along the antimeridian."""
    half_way = EARTH_RADIUS_M * math.pi
    threshold = draw(st.sampled_from([1e-9, 1e-3, 0.01, 1.0, 1e3, 1e6, 1e7, half_way]))
    degrees = math.degrees(threshold / EARTH_RADIUS_M)
    middles = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 45.0, -45.0, 90.0, -90.0, 89.9999999]),
                st.sampled_from([0.0, 180.0, -180.0, 12.5]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    moves = st.one_of(st.integers(-8, 8).map(lambda k: k / 4), st.floats(-2, 2))
    rows = []
    for latitude, longitude in draw(st.lists(st.sampled_from(middles), max_size=14)):
        north = min(max(latitude + draw(moves) * degrees, -90.0), 90.0)
        stretch = max(math.cos(math.radians(latitude)), 1e-3)
        east = (longitude + draw(moves) * degrees / stretch + 180) % 360 - 180
        rows.append((north, east))
    weights = draw(st.lists(st.integers(1, 4), min_size=len(rows), max_size=len(rows)))
    return comparison("haversine", threshold, 2), draw(st.integers(1, 9)), weights, rows


@pytest.mark.parametrize("examples", [5, pytest.param(15, marks=pytest.mark.long)])
def test_places_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(globes())
    def holds(globe: tuple[metrics.Comparison, int, list[int], Rows]) -> None:
        check(lake, *globe)

    holds()


def scattered(dimensions: int, count: int, spread: float) -> np.ndarray[Any, Any]:
    """Blobs on a lattice of 1/64, where sums are exact and pairs lie exactly at the threshold, and noise."""
    chance = np.random.default_rng([dimensions, count])
    middles = chance.uniform(0, spread, (6, dimensions))
    blobs = middles[chance.integers(0, 6, count)] + chance.normal(0, 0.5, (count, dimensions))
    noise = chance.uniform(-1, spread + 1, (count // 5, dimensions))
    values: np.ndarray[Any, Any] = np.unique(np.round(np.concatenate([blobs, noise]) * 64) / 64, axis=0) + 0.0
    chance.shuffle(values, axis=0)
    return values


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize(("dimensions", "spread", "min_samples"), [(1, 90, 5), (2, 8, 12), (3, 6, 20)])
def test_labels_equal_scikit_learn(
    lake: Any, metric: Any, dimensions: int, spread: float, min_samples: int
) -> None:
    values = scattered(dimensions, 900, spread)
    weights = np.random.default_rng(1).integers(1, 4, len(values))
    wider = {"euclidean": 1.0, "manhattan": 1.5, "chebyshev": 0.75}[metric]
    eps = {1: 0.25, 2: 0.25, 3: 0.5}[dimensions] * wider
    compared = comparison(metric, eps, dimensions)
    rows = list(map(tuple, values.tolist()))
    pairs, cores = certificate(lake, compared, min_samples, weights.tolist(), rows)
    theirs = DBSCAN(eps=eps, min_samples=min_samples, metric=metric, algorithm="kd_tree")
    theirs.fit(values, sample_weight=weights)
    assert cores == set(theirs.core_sample_indices_.tolist())
    assert labels_of(len(rows), pairs, cores) == theirs.labels_.tolist()
    assert len(set(theirs.labels_)) > 2
    of_scipy = {"manhattan": "cityblock"}.get(metric, metric)
    assert len(pairs) < np.count_nonzero(pdist(values, of_scipy) <= eps)


@pytest.mark.parametrize("min_samples", [1, 6])
def test_labels_of_places_equal_scikit_learn(lake: Any, min_samples: int) -> None:
    chance = np.random.default_rng(3)
    middles = np.array([[90.0, 0.0], [0.0, 180.0], [-90.0, 10.0], [48.0, 11.0], [48.3, 11.0]])
    values = middles[chance.integers(0, 5, 900)] + chance.normal(0, 0.15, (900, 2))
    values[:, 0] = np.clip(values[:, 0], -90, 90)
    values[:, 1] = (values[:, 1] + 180) % 360 - 180
    values = np.unique(values, axis=0)
    threshold = 7_000.0
    pairs, cores = certificate(
        lake,
        comparison("haversine", threshold, 2),
        min_samples,
        [1] * len(values),
        list(map(tuple, values.tolist())),
    )
    eps = threshold / EARTH_RADIUS_M
    theirs = DBSCAN(eps=eps, min_samples=min_samples, metric="haversine", algorithm="ball_tree")
    assert labels_of(len(values), pairs, cores) == theirs.fit_predict(np.radians(values)).tolist()


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_a_full_lattice_with_neighbours_exactly_at_the_threshold(lake: Any, metric: Any) -> None:
    rows = [(0.5 * x, 0.5 * y) for x in range(12) for y in range(12) if (x, y) != (6, 6)]
    for threshold, min_samples in ((0.5, 5), (1.0, 9), (0.5, 1), (10.0, 100)):
        check(lake, comparison(metric, threshold, 2), min_samples, [1] * len(rows), rows)


@pytest.mark.parametrize(
    ("compared", "rows"),
    [
        (comparison("euclidean", 1.0, 1), [(2.0**41,), (2.0**41 + 0.5,), (2.0**41 + 5,), (2.0**42,)]),
        (comparison("euclidean", 1e-200, 2), [(0.0, 0.0), (1e-155, 0.0), (1e-170, 0.0), (1.0, 1.0)]),
        (comparison("manhattan", 1e-200, 1), [(0.0,), (1e-160,), (1e-201,)]),
        (comparison("haversine", 1e-3, 2), [(10.0, 20.0), (10.00000002, 20.0), (10.000000005, 20.0)]),
    ],
)
def test_cells_that_do_not_make_near(lake: Any, compared: metrics.Comparison, rows: Rows) -> None:
    """Points that share a cell may be far apart beyond the grid, and in cells wider than the threshold."""
    pairs = all_pairs(compared.metric, compared.threshold, rows)
    assert len(pairs) == 1
    assert max(check(lake, compared, 1, [1] * len(rows), rows)) == len(rows) - 2


def test_one_point_and_none(lake: Any) -> None:
    assert check(lake, comparison("euclidean", 1.0, 2), 1, [1], [(0.0, 0.0)]) == [0]
    assert check(lake, comparison("euclidean", 1.0, 2), 2, [], []) == []


def test_cells_that_meet_in_extreme_points_of_other_directions(lake: Any) -> None:
    """The points farthest right in one and left in the other are far apart, the upper ones are near."""
    rows = [(0.0, 0.0), (0.69, 0.01), (0.6, 0.7), (1.43, 0.7), (2.1, 0.0), (2.1, 0.7)]
    assert check(lake, comparison("euclidean", 1.0, 2), 3, [1] * 6, rows) == [0] * 6


@pytest.mark.parametrize("mirrored", [False, True])
def test_cells_that_meet_in_no_extreme_point(lake: Any, mirrored: bool) -> None:
    """Two heavy cells two steps apart: no extreme point of the one is near one of the other."""
    left = [(0.0, 0.0), (0.69, 0.01), (0.3, 0.7), (0.6, 0.35)]
    right = [(1.43, 0.7), (1.75, 0.0), (2.1, 0.7), (1.58, 0.35)]
    rows = [(y, x) if mirrored else (x, y) for x, y in left + right]
    compared = comparison("euclidean", 1.0, 2)
    far = all_pairs("euclidean", 1.0, [*rows[:3], *rows[4:7]])
    assert not [pair for pair in far if pair[0] < 3 <= pair[1]]
    assert check(lake, compared, 4, [1] * 8, rows) == [0] * 8


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_steps_reach_every_cell_a_near_point_may_lie_in(metric: str, axes: int) -> None:
    """Cells that hold points at random offsets within the threshold, both halves together."""
    chance = np.random.default_rng(axes)
    share = {"euclidean": math.sqrt(axes), "manhattan": axes, "chebyshev": 1}[metric]
    side = (1 - 2.0**-10) / share
    order = {"euclidean": 2, "manhattan": 1, "chebyshev": np.inf}[metric]
    offsets = chance.normal(size=(20_000, axes))
    offsets /= np.linalg.norm(offsets, ord=order, axis=1, keepdims=True)
    starts = chance.uniform(0, side, (20_000, axes))
    steps = np.floor((starts + offsets) / side).astype(int) - np.floor(starts / side).astype(int)
    half = {step for step, _ in directed_steps(metric, axes)}
    both = half | {tuple(-k for k in step) for step in half}
    assert set(map(tuple, steps.tolist())) <= both
