"""What is called final stays, whatever lies beyond the radius; and most of what could stay is called so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lambda_worker.clusterers.hdbscan.certificate import Radius, find_undecided
from lambda_worker.clusterers.hdbscan.condensed import condense, stabilities
from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.clusterers.hdbscan.selection import label_points, select_clusters
from lambda_worker.clusterers.hdbscan.tree import draw_tree
from lambda_worker.graph.minimum import Edges

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS = 4.0


@dataclass(frozen=True)
class World:
    """A hierarchy: a tree of edges over weighted points, and core distances."""

    edges: Edges
    weights: NDArray[np.uint8]
    core: NDArray[np.float64]

    def within(self, radius: float) -> World:
        """What is known of it at a radius."""
        near = np.flatnonzero(self.edges.distance <= radius)
        core = np.where(self.core <= radius, self.core, np.inf)
        return World(self.edges.take(near), self.weights, core)

    def cluster(self, parameters: Hdbscan, radius: float) -> tuple[Any, str]:
        """Labels, and what is undecided."""
        tree = condense(draw_tree(self.edges, self.weights, self.core), parameters.min_cluster_size)
        stability = stabilities(tree, self.weights)
        selection = select_clusters(tree, stability, parameters)
        entities = int(self.weights.sum())
        loose = entities - int(tree.top_sizes.sum())
        known = Radius(radius, entities, len(self.weights) - len(self.edges), loose)
        undecided = find_undecided(tree, stability, selection, parameters, known)
        return label_points(tree, selection, parameters), undecided


def beyond(known: World, rng: np.random.Generator, spread: float) -> World:
    """Any continuation of what is known: distances above the radius join what it leaves apart."""
    points = len(known.weights)
    core = np.where(np.isinf(known.core), RADIUS * (1 + spread * rng.random(points) + 1e-6), known.core)
    edges = [known.edges.a, known.edges.b, known.edges.distance]
    roots = np.arange(points)
    for a, b in zip(known.edges.a, known.edges.b, strict=True):
        roots[roots == roots[b]] = roots[a]
    while len(left := np.unique(roots)) > 1:
        one, two = rng.choice(left, 2, replace=False)
        a = rng.choice(np.flatnonzero(roots == one))
        b = rng.choice(np.flatnonzero(roots == two))
        far = max(
            core[a], core[b], RADIUS * (1 + spread * rng.choice([0.0, 1e-9, 1.0]) * rng.random() + 1e-9)
        )
        for column, value in zip(range(3), (min(a, b), max(a, b), far), strict=True):
            edges[column] = np.append(edges[column], value)
        roots[roots == two] = one
    order = np.lexsort((edges[1], edges[0], edges[2]))
    return World(Edges(*(column[order] for column in edges)), known.weights, core)


def known_world(rng: np.random.Generator, components: list[int], unresolved: int, heaviest: int) -> World:
    """Components of some points each at densities of their own, and points without a core distance."""
    a, b, distance, core = [], [], [], []
    for count in components:
        first, densest = len(core), RADIUS * rng.choice([1.0, 0.3, 0.05, 0.005])
        core += [densest * rng.random()] * count
        for point in range(first + 1, first + count):
            other = int(rng.integers(first, point))
            a.append(other)
            b.append(point)
            gap = rng.choice([densest, RADIUS], p=[0.85, 0.15]) * rng.uniform(0.5, 1)
            distance.append(max(core[other], core[point], gap))
    core += [np.inf] * unresolved
    order = np.lexsort((b, a, distance))
    edges = Edges(
        np.array(a, np.int32)[order], np.array(b, np.int32)[order], np.array(distance, np.float64)[order]
    )
    return World(edges, rng.integers(1, heaviest + 1, len(core)).astype(np.uint8), np.array(core))


parameters = st.builds(
    Hdbscan,
    min_cluster_size=st.integers(2, 6),
    min_samples=st.just(2),
    cluster_selection_method=st.sampled_from(["eom", "eom", "leaf"]),
    cluster_selection_epsilon=st.sampled_from([0.0, 0.0, 0.5, 3.9, 5.0]),
    allow_single_cluster=st.booleans(),
)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    components=st.lists(st.sampled_from([1, 2, 4, 9, 25]), min_size=1, max_size=5),
    unresolved=st.sampled_from([0, 0, 1, 2, 4]),
    heaviest=st.sampled_from([1, 1, 3]),
    chosen=parameters,
)
def test_no_world_beyond_the_radius_changes_what_is_final(
    seed: int, components: list[int], unresolved: int, heaviest: int, chosen: Hdbscan
) -> None:
    rng = np.random.default_rng(seed)
    known = known_world(rng, components, unresolved, heaviest)
    labels, undecided = known.cluster(chosen, RADIUS)
    event(undecided.lstrip("0123456789 ")[:30] or "final")
    if undecided:
        return
    for spread in (1e-6, 0.1, 10.0, 1e6):
        for _ in range(4):
            world = beyond(known, rng, spread)
            later, rest = world.cluster(chosen, 2 * RADIUS)
            assert rest == ""
            assert np.array_equal(later.cluster, labels.cluster)
            assert np.array_equal(later.probability, labels.probability)


@dataclass
class Sketch:
    """A world drawn by hand; every core distance is small, but those of points that nothing joins."""

    edges: list[tuple[float, int, int]] = field(default_factory=list)
    core: list[float] = field(default_factory=list)

    def knot(self, gap: float) -> int:
        """Five entities that merge at once."""
        first = len(self.core)
        self.core += [1e-3] * 5
        self.edges += [(gap, point, point + 1) for point in range(first, first + 4)]
        return first

    def pair_of_knots(self, gap: float, height: float) -> int:
        """Ten entities that come apart into two knots; or one, where the distances are equal."""
        one, two = self.knot(gap), self.knot(gap)
        self.edges.append((height, one, two))
        return one

    def lonely(self) -> int:
        """A point without a core distance at the radius."""
        self.core.append(RADIUS * 1.0000001)
        return len(self.core) - 1

    def world(self, *further: tuple[float, int, int]) -> World:
        rows = sorted((far, min(a, b), max(a, b)) for far, a, b in [*self.edges, *further])
        distance, a, b = (np.array(column) for column in zip(*rows, strict=True))
        edges = Edges(a.astype(np.int32), b.astype(np.int32), distance)
        return World(edges, np.ones(len(self.core), np.uint8), np.array(self.core))


NEAR, FAR = RADIUS * 1.0000001, RADIUS * 1e9


def check(sketch: Sketch, chosen: Hdbscan, *worlds: list[tuple[float, int, int]], final: bool) -> None:
    """A world is called final when all are the same, and only then."""
    _, undecided = sketch.world().within(RADIUS).cluster(chosen, RADIUS)
    answers = [sketch.world(*further).cluster(chosen, RADIUS) for further in worlds]
    assert [rest for _, rest in answers] == [""] * len(worlds)
    clusters = [labels.cluster.tolist() for labels, _ in answers]
    assert (undecided == "", all(one == clusters[0] for one in clusters)) == (final, final)


@pytest.mark.parametrize(
    ("gap", "loose", "final"),
    [(1.35, 0, True), (1.1, 0, False), (0.99, 0, True), (0.98, 1, False), (0.97, 1, True)],
)
def test_a_cluster_against_what_it_splits_into(gap: float, loose: int, *, final: bool) -> None:
    sketch = Sketch()
    one, two = sketch.pair_of_knots(gap, 2.0), sketch.pair_of_knots(0.01, 2.0)
    points = [sketch.lonely() for _ in range(loose)]
    check(
        sketch,
        Hdbscan(5),
        [(NEAR, one, two), *((FAR, one, point) for point in points)],
        [(FAR, one, two), *((NEAR, one, point) for point in points)],
        [(FAR, one, two), *((NEAR, two, point) for point in points)],
        final=final,
    )


@pytest.mark.parametrize(
    ("gap", "tops", "single", "final"),
    [
        (2.1, 3, False, False),
        (1.9, 3, False, True),
        (2.1, 2, False, True),
        (2.1, 2, True, False),
        (1.9, 2, True, True),
    ],
)
def test_clusters_against_one_of_several_components(
    gap: float, tops: int, *, single: bool, final: bool
) -> None:
    sketch = Sketch()
    first, *others = (sketch.pair_of_knots(gap, gap) for _ in range(tops))
    check(
        sketch,
        Hdbscan(5, allow_single_cluster=single),
        [(NEAR if other == others[0] else FAR, first, other) for other in others],
        [(FAR, first, other) for other in others],
        final=final,
    )


@pytest.mark.parametrize(("loose", "final"), [(4, True), (5, False)])
def test_loose_points_that_are_enough_for_a_cluster(loose: int, *, final: bool) -> None:
    sketch = Sketch()
    one, two = sketch.pair_of_knots(0.01, 2.0), sketch.pair_of_knots(0.01, 2.0)
    points = [sketch.lonely() for _ in range(loose)]
    check(
        sketch,
        Hdbscan(5),
        [(FAR, one, two), (FAR, one, points[0]), *((NEAR, points[0], point) for point in points[1:])],
        [(FAR, one, two), *((FAR, one, point) for point in points)],
        final=final,
    )


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize(("gap", "final"), [(2.0, False), (0.01, True)])
def test_loose_points_beside_clusters_that_begin_beyond_the_radius(
    method: str, gap: float, *, final: bool
) -> None:
    sketch = Sketch()
    one, two = sketch.pair_of_knots(gap, 2.0), sketch.pair_of_knots(gap, 2.0)
    point = sketch.lonely()
    check(
        sketch,
        Hdbscan(5, cluster_selection_method=method),
        [(FAR, one, two), (NEAR, one, point)],
        [(FAR, one, two), (NEAR, two, point)],
        final=final,
    )


@pytest.mark.parametrize(("epsilon", "final"), [(3.9, True), (5.0, False)])
def test_an_epsilon_beyond_the_radius(epsilon: float, *, final: bool) -> None:
    sketch = Sketch()
    one, two, three = (sketch.pair_of_knots(0.5, 0.5) for _ in range(3))
    check(
        sketch,
        Hdbscan(5, cluster_selection_epsilon=epsilon),
        [(NEAR, one, two), (FAR, one, three)],
        [(FAR, one, two), (FAR, one, three)],
        final=final,
    )


@pytest.mark.parametrize(
    ("gap", "epsilon", "final"),
    [(1.01, 0.0, True), (0.98, 0.0, False), (0.97, 0.0, True), (1.01, 3.9, True), (1.01, 5.0, False)],
)
def test_the_one_cluster_of_a_day(gap: float, epsilon: float, *, final: bool) -> None:
    sketch = Sketch()
    one, point = sketch.pair_of_knots(gap, 2.0), sketch.lonely()
    chosen = Hdbscan(5, cluster_selection_epsilon=epsilon, allow_single_cluster=True)
    check(sketch, chosen, [(NEAR, one, point)], [(FAR, one, point)], final=final)
    alone = Hdbscan(5, cluster_selection_epsilon=epsilon)
    check(sketch, alone, [(NEAR, one, point)], [(FAR, one, point)], final=True)
