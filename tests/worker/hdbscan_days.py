"""Days that HDBSCAN clusters level by level, their pairs cut into shards."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from batches import in_batches
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from written_columns import read_columns

from lambda_worker.clusterers.hdbscan.hdbscan import cluster_hierarchy
from lambda_worker.contract import ForestEvent
from lambda_worker.contract.hdbscan import CoreDistancesEvent, HdbscanEvent, HdbscanReply, NeighboursEvent
from lambda_worker.graph.core_distances import find_core_distances, keep_neighbours
from lambda_worker.graph.forests import reduce_shard

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
    """Points at places, with as many of the weights."""
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
    last_radius: float = 0.0

    def path(self, name: str) -> str:
        """A file that no step has written yet."""
        self.names += 1
        return str(self.folder.folder / f"{name}-{self.names}.parquet")

    def until_final(self, radius: float) -> tuple[HdbscanReply, list[Any]]:
        """Levels of doubling radius; the last reply, and its labels and probabilities."""
        apart = np.arange(len(self.points.weights))
        for _ in range(60):
            self.add_level(radius, apart)
            reply, columns, apart = self.cluster(radius)
            if reply.final:
                self.last_radius = radius
                return reply, columns
            radius *= 2
        raise AssertionError(reply.undecided)

    def add_level(self, radius: float, apart: Any) -> None:
        """The pairs at most the radius apart: their core distances, then their forests."""
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
        """Core distances that the pairs so far make known, span by span."""
        day, rows = self.folder, self.split.rows
        common = {"points": tuple(day.points), "point_count": day.point_count, "known": self.cores}
        common["min_samples"] = self.samples
        neighbours = []
        for shard in shards:
            event = NeighboursEvent(candidates=(shard,), output=self.path("neighbours"), **common)
            assert in_batches(rows, keep_neighbours, NeighboursEvent.from_json(event.to_json()), rows).ok
            neighbours.append(event.output)
        ends = np.linspace(0, day.point_count, self.split.spans + 1).astype(int).tolist()
        found = []
        for span in pairwise(ends):
            name = self.path("cores")
            event = CoreDistancesEvent(neighbours=tuple(neighbours), output=name, span=span, **common)
            assert in_batches(
                rows, find_core_distances, CoreDistancesEvent.from_json(event.to_json()), rows
            ).ok
            found.append(name)
        self.cores += tuple(found)

    def find_forests(self, shards: list[str]) -> None:
        """Minimum forests of the shards, merged into one where the split asks for it."""
        self.forests += tuple(self.reduce((shard,)) for shard in shards)
        if self.split.merge:
            self.forests = (self.reduce(self.forests[::-1]),)

    def reduce(self, files: tuple[str, ...]) -> str:
        """The minimum forest of some files."""
        event = ForestEvent(
            kind="minimum",
            candidates=files,
            point_count=self.folder.point_count,
            output=self.path("forest"),
            core_distances=self.cores,
        )
        assert in_batches(
            self.split.rows, reduce_shard, ForestEvent.from_json(event.to_json()), self.split.rows
        ).ok
        return event.output

    def event(self, radius: float) -> HdbscanEvent:
        """The event that clusters the forests so far."""
        return HdbscanEvent(
            points=tuple(self.folder.points),
            forests=self.forests,
            core_distances=self.cores,
            point_count=self.folder.point_count,
            algorithm={"type": "hdbscan", **self.algorithm},
            threshold=radius,
            output=str(self.folder.output),
            components=str(self.folder.folder / "components.parquet"),
            tree=str(self.folder.folder / "tree.parquet"),
        )

    def cluster(self, radius: float) -> tuple[HdbscanReply, list[Any], Any]:
        """The reply, labels with probabilities, and the component of each point."""
        event = HdbscanEvent.from_json(self.event(radius).to_json())
        reply = in_batches(self.split.rows, cluster_hierarchy, event, self.split.rows)
        columns = read_columns(event.output, "point_id", "cluster", "probability")
        assert np.array_equal(columns[0], np.arange(len(self.points.weights)))
        (apart,) = read_columns(event.components, "component")
        return reply, columns[1:], apart

    @property
    def samples(self) -> int:
        """What `min_samples` comes to."""
        samples: int = self.algorithm.get("min_samples") or self.algorithm["min_cluster_size"]
        return samples


def new_run(new_day: Callable[[], Any], points: Points, split: Split | None = None, **algorithm: Any) -> Run:
    """A day in a fresh folder of which no level is clustered yet."""
    folder = new_day()
    folder.add_points(np.arange(len(points.weights)), points.weights)
    return Run(folder, points, algorithm, split or Split())


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


def same_clusters(one: Any, two: Any) -> bool:
    """Equal up to numbering; noise is noise."""
    pairs = set(zip(one.tolist(), two.tolist(), strict=True))
    return len({a for a, _ in pairs}) == len(pairs) == len({b for _, b in pairs}) and all(
        (a == -1) == (b == -1) for a, b in pairs
    )


def compare(points: Points, columns: list[Any], labels: Any, probability: Any) -> None:
    """Labels and probabilities of entities; clusters are numbered by their first points."""
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
