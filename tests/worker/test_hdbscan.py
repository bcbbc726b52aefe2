"""HDBSCAN from shards and levels against scikit-learn and against a plain recursion over all entities."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import HDBSCAN

from lambda_worker.contract import ForestEvent
from lambda_worker.contract.hierarchies import CoreDistancesEvent, HdbscanEvent, HdbscanReply, NeighboursEvent
from lambda_worker.forests import reduce_shard
from lambda_worker.handler import handler
from lambda_worker.hierarchy.core_distances import find_core_distances, keep_neighbours
from lambda_worker.hierarchy.hdbscan import cluster_hierarchy

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Points:
    """Weighted points, by the matrix of their distances."""

    distance: Any
    weights: Any

    @property
    def entities(self) -> Any:
        """The point of each entity."""
        return np.repeat(np.arange(len(self.weights)), self.weights)

    def pairs(self, radius: float, apart: Any) -> Any:
        """Pairs at most the radius apart, of different components."""
        near = np.triu(self.distance <= radius, 1) & (apart[:, None] != apart[None, :])
        return np.argwhere(near)


def points_of(places: Any, weights: Any) -> Points:
    places = np.asarray(places, np.float64)
    if len(places) == 1:
        return Points(np.zeros((1, 1)), np.asarray(weights[:1], np.int64))
    return Points(squareform(pdist(places)), np.asarray(weights[: len(places)], np.int64))


@dataclass(frozen=True)
class Split:
    """How the pairs of a level are cut into shards, and how little a worker may hold."""

    shards: int = 1
    rows: int = 1 << 16
    merge: bool = False
    spans: int = 1
    seed: int = 0


splits = st.builds(
    Split,
    st.sampled_from([1, 2, 7]),
    st.sampled_from([3, 1 << 16]),
    st.booleans(),
    st.sampled_from([1, 3]),
    st.integers(0, 2**16),
)


@dataclass
class Run:
    """A day that is clustered level by level, the way a stage does it."""

    folder: Any
    points: Points
    algorithm: dict[str, Any]
    split: Split = field(default_factory=Split)
    cores: tuple[str, ...] = ()
    forests: tuple[str, ...] = ()
    names: int = 0

    def path(self, name: str) -> str:
        self.names += 1
        return str(self.folder.folder / f"{name}-{self.names}.parquet")

    def until_final(self, radius: float) -> tuple[HdbscanReply, list[Any]]:
        """Levels of doubling radius; the last reply, and its labels and probabilities."""
        apart = np.arange(len(self.points.weights))
        for _ in range(60):
            self.add_level(radius, apart)
            reply, columns, apart = self.cluster(radius)
            if reply.final:
                return reply, columns
            radius *= 2
        raise AssertionError(reply.undecided)

    def add_level(self, radius: float, apart: Any) -> None:
        pairs = self.points.pairs(radius, apart)
        distance = self.points.distance[pairs[:, 0], pairs[:, 1]]
        order = np.random.default_rng(self.split.seed).permutation(len(pairs))
        shards = [
            self.folder.add_pairs(pairs[part], distance[part])
            for part in np.array_split(order, self.split.shards)
        ]
        self.find_cores(shards)
        self.find_forests(shards)

    def find_cores(self, shards: list[str]) -> None:
        day, rows = self.folder, self.split.rows
        common = {"points": tuple(day.points), "point_count": day.point_count, "known": self.cores}
        common["min_samples"] = self.samples
        neighbours = []
        for shard in shards:
            event = NeighboursEvent(candidates=(shard,), output=self.path("neighbours"), **common)
            assert keep_neighbours(NeighboursEvent.from_json(event.to_json()), rows, rows).ok
            neighbours.append(event.output)
        ends = np.linspace(0, day.point_count, self.split.spans + 1).astype(int).tolist()
        found = []
        for span in pairwise(ends):
            name = self.path("cores")
            event = CoreDistancesEvent(neighbours=tuple(neighbours), output=name, span=span, **common)
            assert find_core_distances(CoreDistancesEvent.from_json(event.to_json()), rows, rows).ok
            found.append(name)
        self.cores += tuple(found)

    def find_forests(self, shards: list[str]) -> None:
        self.forests += tuple(self.reduce((shard,)) for shard in shards)
        if self.split.merge:
            self.forests = (self.reduce(self.forests[::-1]),)

    def reduce(self, files: tuple[str, ...]) -> str:
        event = ForestEvent(
            kind="minimum",
            candidates=files,
            point_count=self.folder.point_count,
            output=self.path("forest"),
            core_distances=self.cores,
        )
        assert reduce_shard(ForestEvent.from_json(event.to_json()), self.split.rows, self.split.rows).ok
        return event.output

    def event(self, radius: float) -> HdbscanEvent:
        return HdbscanEvent(
            points=tuple(self.folder.points),
            forests=self.forests,
            core_distances=self.cores,
            point_count=self.folder.point_count,
            algorithm={"type": "hdbscan", **self.algorithm},
            threshold=radius,
            output=str(self.folder.output),
            components=str(self.folder.folder / "components.parquet"),
        )

    def cluster(self, radius: float) -> tuple[HdbscanReply, list[Any], Any]:
        event = HdbscanEvent.from_json(self.event(radius).to_json())
        reply = cluster_hierarchy(event, self.split.rows, self.split.rows)
        columns = read_columns(event.output, "point_id", "cluster", "probability")
        assert np.array_equal(columns[0], np.arange(len(self.points.weights)))
        (apart,) = read_columns(event.components, "component")
        return reply, columns[1:], apart

    @property
    def samples(self) -> int:
        samples: int = self.algorithm.get("min_samples") or self.algorithm["min_cluster_size"]
        return samples


def read_columns(path: Any, *names: str) -> list[Any]:
    batches = list(arro3.io.read_parquet(str(path)))
    return [np.concatenate([np.empty(0), *(batch[name].to_numpy() for batch in batches)]) for name in names]


def new_run(new_day: Callable[[], Any], points: Points, split: Split | None = None, **algorithm: Any) -> Run:
    folder = new_day()
    folder.add_points(np.arange(len(points.weights)), points.weights)
    return Run(folder, points, algorithm, split or Split())


def mutual_reachability(points: Points, samples: int) -> Any:
    """Of all entities; the diagonal is 0."""
    entities = points.entities
    distance = points.distance[np.ix_(entities, entities)]
    core = np.sort(distance, axis=1)[:, samples - 1]
    reach = np.maximum(np.maximum(core[:, None], core[None, :]), distance)
    np.fill_diagonal(reach, 0)
    return reach


@dataclass
class Cluster:
    """A cluster of the plain recursion."""

    above: Cluster | None
    birth: float
    members: Any
    leaves: dict[int, float] = field(default_factory=dict)
    below: list[Cluster] = field(default_factory=list)

    @property
    def stability(self) -> float:
        stays = [*self.leaves.values(), *(one.birth for one in self.below for _ in one.members)]
        return math.fsum(0.0 if end == self.birth else end - self.birth for end in stays)

    @property
    def end(self) -> float:
        return max([*self.leaves.values(), *(one.birth for one in self.below)])

    def all(self) -> list[Cluster]:
        return [self, *(deeper for one in self.below for deeper in one.all())]


def grow(reach: Any, size: int, cluster: Cluster) -> Cluster:
    """Take a cluster apart, at one distance after the other."""
    members = cluster.members
    while True:
        inside = reach[np.ix_(members, members)]
        if len(members) == 1:
            return cluster
        height = linkage(squareform(inside, checks=False), "single")[-1, 2]
        _, part = connected_components(csr_array(inside < height), directed=False)
        parts = [members[part == k] for k in range(part.max() + 1)]
        density = 1 / height if height > 0 else math.inf
        large = [one for one in parts if len(one) >= size]
        for one in parts:
            if len(one) < size:
                cluster.leaves |= dict.fromkeys(one.tolist(), density)
        if len(large) != 1:
            cluster.below = [grow(reach, size, Cluster(cluster, density, one)) for one in large]
            return cluster
        members = large[0]


def best_below(cluster: Cluster) -> tuple[float, list[Cluster]]:
    """Excess of mass at or below a cluster; days on which rounding decides are left out."""
    sums, chosen = (
        zip(*(best_below(one) for one in cluster.below), strict=True) if cluster.below else ((), ())
    )
    below, own = math.fsum(sums), cluster.stability
    assume(below == 0 or math.inf in (below, own) or abs(below - own) > 1e-9 * (below + own))
    return (below, list(chain(*chosen))) if below > own else (own, [cluster])


def choose(root: Cluster, algorithm: dict[str, Any]) -> list[Cluster]:
    single, epsilon = algorithm["allow_single_cluster"], algorithm["cluster_selection_epsilon"]
    if algorithm["cluster_selection_method"] == "leaf":
        chosen = [one for one in root.all() if not one.below and one is not root]
    elif single:
        chosen = best_below(root)[1]
    else:
        chosen = list(chain(*(best_below(one)[1] for one in root.below)))
    if epsilon == 0 or chosen == [root]:
        return chosen
    lifted = {id(one): one for one in (lift(one, root, epsilon, single=single) for one in chosen)}
    return list(lifted.values())


def lift(cluster: Cluster, root: Cluster, epsilon: float, *, single: bool) -> Cluster:
    assume(all(abs(1 / one.birth - epsilon) > 1e-9 for one in root.all() if 0 < one.birth < math.inf))
    if 1 / cluster.birth >= epsilon:
        return cluster
    while cluster.above is not root and cluster.above is not None:
        cluster = cluster.above
        if 1 / cluster.birth > epsilon:
            return cluster
    return root if single else cluster


def plain_hdbscan(points: Points, algorithm: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and probabilities of all entities: equal distances merge at once, whatever the order."""
    size = algorithm["min_cluster_size"]
    samples = algorithm["min_samples"] or size
    count = int(points.weights.sum())
    labels, probability = np.full(count, -1), np.zeros(count)
    if count < samples or count == 1:
        return labels, probability
    root = grow(mutual_reachability(points, samples), size, Cluster(None, 0.0, np.arange(count)))
    chosen = choose(root, algorithm)
    epsilon = algorithm["cluster_selection_epsilon"]
    for number, cluster in enumerate(chosen):
        end = cluster.end
        for one in cluster.all():
            for entity, density in one.leaves.items():
                if cluster is root and density < (1 / epsilon if epsilon else end):
                    continue
                labels[entity] = number
                probability[entity] = 1.0 if density == math.inf else min(density, end) / end
    return labels, probability


def same_clusters(one: Any, two: Any) -> bool:
    """Equal up to numbering; noise is noise."""
    pairs = set(zip(one.tolist(), two.tolist(), strict=True))
    return len({a for a, _ in pairs}) == len(pairs) == len({b for _, b in pairs}) and all(
        (a == -1) == (b == -1) for a, b in pairs
    )


def compare(points: Points, columns: list[Any], labels: Any, probability: Any) -> None:
    own, sure = (column[points.entities] for column in columns)
    assert same_clusters(own, labels), (own, labels)
    np.testing.assert_allclose(sure, probability, rtol=1e-12, atol=0)
    found = columns[0][columns[0] >= 0]
    assert list(dict.fromkeys(found.tolist())) == list(range(len(set(found.tolist()))))


algorithms = st.fixed_dictionaries(
    {
        "min_cluster_size": st.integers(2, 7),
        "min_samples": st.sampled_from([None, 1, 2, 3, 5]),
        "cluster_selection_method": st.sampled_from(["eom", "leaf"]),
        "cluster_selection_epsilon": st.sampled_from([0.0, 0.0, 0.7, 1.5, 3.3]),
        "allow_single_cluster": st.booleans(),
    }
)


@st.composite
def scattered(draw: Any) -> Points:
    """Clumps of points in 1 to 8 dimensions, on a fine or a coarse grid, some of them heavy."""
    dimensions = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 36))
    centres = rng.uniform(-6, 6, (draw(st.integers(1, 4)), dimensions))
    places = centres[rng.integers(0, len(centres), count)] + rng.normal(0, 1, (count, dimensions))
    if draw(st.booleans()):
        places = np.unique(np.round(places), axis=0)
        rng.shuffle(places)
    heaviest = draw(st.sampled_from([1, 1, 3, 9]))
    return points_of(places, rng.integers(1, heaviest + 1, count))


@settings(max_examples=80, deadline=None)
@given(points=scattered(), algorithm=algorithms, split=splits, start=st.sampled_from([0.3, 1.0, 4.0, 100.0]))
def test_labels_of_levels_and_shards_are_those_of_the_whole_day(
    new_day: Callable[[], Any], points: Points, algorithm: dict[str, Any], split: Split, start: float
) -> None:
    truth = plain_hdbscan(points, algorithm)
    reply, columns = new_run(new_day, points, split, **algorithm).until_final(start)
    compare(points, columns, *truth)
    assert reply.noise_entities == (truth[0] == -1).sum()


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


@settings(max_examples=30, deadline=None)
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


def read_bytes(path: Any) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  # addresses are texts
        return file.read()


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
        ({"algorithm": {"type": "hdbscan", "alpha": 1.0}}, "hdbscan takes"),
        ({"algorithm": {"type": "hdbscan", "min_cluster_size": 1}}, "min_cluster_size must be"),
        ({"algorithm": {"type": "hdbscan", "min_samples": 0}}, "min_samples must be"),
        ({"algorithm": {"type": "hdbscan", "min_samples": True}}, "min_samples must be"),
        ({"algorithm": {"type": "hdbscan", "cluster_selection_method": "best"}}, "eom or leaf"),
        ({"algorithm": {"type": "hdbscan", "cluster_selection_epsilon": -1}}, "epsilon must be"),
        ({"algorithm": {"type": "hdbscan", "allow_single_cluster": 1}}, "true or false"),
        ({"threshold": 0}, "threshold must be"),
        ({"threshold": 0.5}, "the radius; they reach"),
        ({"core_distances": "a.parquet"}, "list of texts"),
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
