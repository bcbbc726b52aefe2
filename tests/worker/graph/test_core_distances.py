"""Core distances from shards: those of scikit-learn's neighbours over all entities, whatever the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors
from written_columns import read_bytes, read_columns

from lambda_worker.contract import InputError, TableReply
from lambda_worker.contract.hdbscan import CoreDistancesEvent, NeighboursEvent
from lambda_worker.graph.core_distances import find_core_distances, keep_neighbours, read_core_distances
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Shards:
    """A day whose pairs are cut at random, and workers that hold few rows."""

    folder: Any
    min_samples: int
    rows: int = 1 << 16
    known: tuple[str, ...] = ()
    names: int = 0

    def keep(self, *candidates: str, **more: Any) -> str:
        self.names += 1
        event = NeighboursEvent(
            points=tuple(self.folder.points),
            candidates=candidates,
            point_count=self.folder.point_count,
            min_samples=self.min_samples,
            output=str(self.folder.folder / f"neighbours-{self.names}.parquet"),
            known=self.known,
            **more,
        )
        assert in_batches(
            self.rows, keep_neighbours, NeighboursEvent.from_json(event.to_json()), self.rows
        ).ok
        return event.output

    def find(self, *neighbours: str, span: tuple[int, int] | None = None) -> tuple[Any, Any, str]:
        self.names += 1
        event = CoreDistancesEvent(
            points=tuple(self.folder.points),
            neighbours=neighbours,
            point_count=self.folder.point_count,
            min_samples=self.min_samples,
            output=str(self.folder.folder / f"cores-{self.names}.parquet"),
            known=self.known,
            span=span,
        )
        reply = in_batches(
            self.rows, find_core_distances, CoreDistancesEvent.from_json(event.to_json()), self.rows
        )
        points, distances = read_columns(event.output, "point_id", "core_distance")
        assert reply.rows == len(points)
        return points, distances, event.output


@st.composite
def places(draw: Any) -> tuple[Any, Any]:
    """Distances of weighted points: on a grid, where they tie, or anywhere."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = rng.normal(0, 3, (draw(st.integers(2, 40)), draw(st.integers(1, 8))))
    if draw(st.booleans()):
        points = np.unique(np.round(points), axis=0)
    distance = squareform(pdist(points)) if len(points) > 1 else np.zeros((1, 1))
    return distance, rng.integers(1, draw(st.sampled_from([2, 4, 12])), len(points))


@settings(max_examples=120)
@given(
    day=places(),
    min_samples=st.integers(1, 12),
    shards=st.sampled_from([1, 2, 7]),
    rows=st.sampled_from([1, 4, 1 << 16]),
    radius=st.sampled_from([1.0, 3.0, 5.0, 1e3]),
    seed=st.integers(0, 2**16),
)
def test_they_are_those_of_all_entities(
    new_day: Callable[[], Any],
    *,
    day: tuple[Any, Any],
    min_samples: int,
    shards: int,
    rows: int,
    radius: float,
    seed: int,
) -> None:
    distance, weights = day
    entities = np.repeat(np.arange(len(weights)), weights)
    truth = np.full(len(weights), np.inf)
    if min_samples <= len(entities):
        whole = distance[np.ix_(entities, entities)]
        near = NearestNeighbors(n_neighbors=min_samples, metric="precomputed").fit(whole)
        truth[entities] = near.kneighbors(whole)[0][:, -1]  # a row of its own counts, as HDBSCAN asks

    folder = new_day()
    folder.add_points(np.arange(len(weights)), weights)
    pairs = np.argwhere(np.triu(distance <= radius, 1))
    order = np.random.default_rng(seed).permutation(len(pairs))
    cut = Shards(folder, min_samples, rows)
    files = []
    for part in np.array_split(order, shards):
        ends = pairs[part].reshape(-1, 2)
        files.append(cut.keep(folder.add_pairs(ends, distance[ends[:, 0], ends[:, 1]])))
    points, found, _ = cut.find(*files)
    within = np.flatnonzero(truth <= radius)
    assert np.array_equal(points, within)
    assert np.array_equal(found, truth[within])


def tied_day(new_day: Callable[[], Any]) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(7)
    grid = np.unique(rng.integers(0, 30, (400, 2)), axis=0)
    distance = squareform(pdist(grid))
    folder = new_day()
    folder.add_points(np.arange(len(grid)), rng.integers(1, 4, len(grid)))
    pairs = np.argwhere(np.triu(distance <= 5, 1))
    return folder, pairs, distance[pairs[:, 0], pairs[:, 1]]


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_every_split_gives_the_same_bytes(new_day: Callable[[], Any], shards: int) -> None:
    folder, pairs, distance = tied_day(new_day)
    whole = Shards(folder, 6)
    expected = whole.keep(folder.add_pairs(pairs, distance))
    order = np.random.default_rng(shards).permutation(len(pairs))
    small = Shards(folder, 6, rows=50, names=100)
    parts = [
        small.keep(folder.add_pairs(pairs[part], distance[part])) for part in np.array_split(order, shards)
    ]
    ends = np.array_split(np.arange(folder.point_count), 3)
    spans = [small.find(*parts[::-1], span=(int(part[0]), int(part[-1]) + 1)) for part in ends]
    points, found, name = whole.find(expected)
    assert np.array_equal(np.concatenate([span[0] for span in spans]), points)
    assert np.array_equal(np.concatenate([span[1] for span in spans]), found)
    assert read_bytes(small.find(*parts)[2]) == read_bytes(name)


def test_parts_of_a_file_are_shards_too(new_day: Callable[[], Any]) -> None:
    folder, pairs, distance = tied_day(new_day)
    cut = Shards(folder, 6, rows=100)
    name = folder.add_pairs(pairs, distance)
    parts = [cut.keep(name, part=(k, 3)) for k in range(3)]
    assert read_bytes(cut.find(*parts)[2]) == read_bytes(cut.find(cut.keep(name))[2])


def test_no_more_rows_are_kept_than_are_needed(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_points([0, 1, 2, 3], [1, 1, 5, 2])
    name = folder.add_pairs([(0, 1), (0, 2), (0, 3), (1, 2)], [1.0, 2.0, 2.0, 0.5])
    kept = read_columns(Shards(folder, 5).keep(name), "point_id", "distance", "weight")
    # Point 2 is enough by itself; of point 0, all that is at distance 2 is one row.
    assert [column.tolist() for column in kept] == [[0, 0, 1, 3], [1.0, 2.0, 0.5, 2.0], [1, 5, 5, 1]]


def test_points_that_are_known_are_left_alone(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_points(np.arange(4), [1, 1, 1, 9])
    near, far = folder.add_pairs([(0, 1)], [1.0]), folder.add_pairs([(0, 2), (1, 2)], [3.0, 0.5])
    first = Shards(folder, 2)
    points, distances, name = first.find(first.keep(near))
    assert (points.tolist(), distances.tolist()) == ([0, 1, 3], [1.0, 1.0, 0.0])
    second = Shards(folder, 2, known=(name,), names=10)
    points, distances, later = second.find(second.keep(far))
    assert (points.tolist(), distances.tolist()) == ([2], [0.5])
    assert read_core_distances((name, later), 5).tolist() == [1.0, 1.0, 0.5, 0.0, np.inf]


def test_two_distances_of_one_point_are_refused(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_points([0, 1], [1, 1])
    cut = Shards(folder, 2)
    names = [cut.find(cut.keep(folder.add_pairs([(0, 1)], [gap])))[2] for gap in (1.0, 2.0)]
    with pytest.raises(InputError, match="two of one point"):
        read_core_distances(tuple(names), 2)
    with pytest.raises(InputError, match=r"point id 1 is not in 0\.\.0"):
        read_core_distances((names[0],), 1)


def test_no_pair_and_no_point_have_no_distance(new_day: Callable[[], Any]) -> None:
    for weights, found in ((np.empty(0), []), ([1, 2, 3], [2])):
        folder = new_day()
        folder.add_points(np.arange(len(weights)), weights)
        cut = Shards(folder, 3)
        assert cut.find(cut.keep(folder.add_pairs([])), cut.keep())[0].tolist() == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"min_samples": 0}, "min_samples: Expected `int` >= 1"),
        ({"min_samples": 2**31}, "min_samples: Expected `int` <= 2147483647"),
        ({"point_count": 2**32}, "point_count: Expected `int` <= 3037000499"),
        ({"known": "a.parquet"}, "known: Expected `array`"),
        ({"part": [2, 2]}, "part must be"),
        ({"candidates": ["/nowhere.parquet"]}, "no file /nowhere.parquet"),
    ],
)
def test_a_bad_event_is_refused_with_the_reason(
    new_day: Callable[[], Any], change: dict[str, Any], words: str
) -> None:
    folder = new_day()
    folder.add_points([0], [1])
    event = NeighboursEvent(
        points=tuple(folder.points), candidates=(), point_count=1, min_samples=2, output=str(folder.output)
    )
    reply = handler(event.to_json() | change, None)
    assert not reply["ok"]
    assert words in reply["error"]
    assert not TableReply.from_json(reply).ok


@pytest.mark.parametrize("span", [[2, 1], [0], "all", [-1, 3]])
def test_a_bad_span_is_refused(new_day: Callable[[], Any], span: Any) -> None:
    folder = new_day()
    folder.add_points([0], [1])
    event = CoreDistancesEvent(
        points=tuple(folder.points), neighbours=(), point_count=1, min_samples=2, output=str(folder.output)
    )
    reply = TableReply.from_json(handler(event.to_json() | {"span": span}, None))
    assert not reply.ok
    assert "the event core_distances" in reply.error
    assert "span" in reply.error
