"""Sketches against scipy on all entities: distances, hierarchies, and layouts that keep neighbours."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from component_days import COLUMNS, Table
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform

from lambda_worker.contract.sketches import SketchEvent, SketchReply
from lambda_worker.handler import handler
from lambda_worker.profiles.layout import principal_coordinates
from lambda_worker.profiles.sketches import count_distances

if TYPE_CHECKING:
    from pathlib import Path


def table_of(folder: Path, points: int = 60, heaviest: int = 1, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-9, 9, (4, 2))[rng.integers(0, 4, points)] + rng.normal(0, 1, (points, 2))
    return Table(folder, rows, rng.integers(1, heaviest + 1, points), 1.5, seed)


def sketch(table: Table, files: int = 1, **changes: Any) -> SketchReply:
    written = table.write(
        f"sample{files}",
        files,
        point_id=np.arange(table.count),
        weight=table.weights,
        component=table.component.astype(np.int64),
        x0=table.rows[:, 0],
        x1=table.rows[:, 1],
    )
    event = SketchEvent(
        points=written,
        point_count=table.count,
        columns=COLUMNS,
        kind="vector",
        metric="euclidean",
        threshold=table.threshold,
        **changes,
    )
    reply = SketchReply.from_json(handler(event.to_json(), None))
    assert reply.ok, reply.error
    return reply


def test_every_distance_is_in_its_bin_and_one_bin_ends_at_the_threshold(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    bins = sketch(table).histogram
    distances = pdist(table.rows)
    assert sum(one.pairs for one in bins) == len(distances)
    assert (
        sum(one.pairs for one in bins if one.high <= table.threshold) == (distances <= table.threshold).sum()
    )
    for one, after in itertools.pairwise(bins):
        assert one.high == after.low
        assert one.pairs == ((distances > one.low) & (distances <= one.high)).sum()


@example([5e-324], 0.0)
@given(
    st.lists(st.floats(0, 1e12) | st.integers(0, 5).map(float), min_size=1),
    st.sampled_from([0.0, 1e-9, 1.0, 3.0, 1e13]),
)
def test_a_histogram_has_all_pairs_and_the_threshold(values: list[float], threshold: float) -> None:
    bins = count_distances(np.array(values), threshold, 48)
    assert sum(one.pairs for one in bins) == len(values)
    assert 2 <= len(bins) <= 60
    assert all(one.low < one.high for one in bins)
    near = sum(one.pairs for one in bins if one.high <= threshold * (1 + 1e-9))
    assert threshold == 0.0 or near == sum(value <= threshold * (1 + 1e-9) for value in values)


@pytest.mark.parametrize("heaviest", [1, 4])
@pytest.mark.parametrize("method", ["single", "complete", "average", "ward"])
def test_the_hierarchy_is_that_of_all_entities(tmp_path: Path, method: str, heaviest: int) -> None:
    table = table_of(tmp_path, heaviest=heaviest)
    reply = sketch(table, linkage=method)
    assert len(reply.merges) == table.count - 1
    heights = [merge.height for merge in reply.merges]
    assert heights == sorted(heights)
    # The order of the reply is by cluster and id.
    order = np.lexsort((np.arange(table.count), table.component))
    entities = np.repeat(np.arange(table.count), table.weights.take(order))
    truth = linkage(table.rows.take(order, axis=0).take(entities, axis=0), method)
    first = np.unique(entities, return_index=True)[1]
    expected = squareform(cophenet(truth))[np.ix_(first, first)]
    np.testing.assert_allclose(cophenetic(reply), expected, rtol=1e-5)
    assert [point.cluster for point in reply.points] == table.component.take(order).tolist()


def cophenetic(reply: SketchReply) -> Any:
    """The height at which each two points are merged."""
    points = len(reply.points)
    inside = {k: [k] for k in range(points)}
    found = np.zeros((points, points))
    for number, merge in enumerate(reply.merges, points):
        one, other = inside.pop(merge.left), inside.pop(merge.right)
        found[np.ix_(one, other)] = found[np.ix_(other, one)] = float(merge.height)
        inside[number] = one + other
    return found


def test_a_sketch_depends_on_the_points_alone(tmp_path: Path) -> None:
    table = table_of(tmp_path, 40, 3)
    one = sketch(table, projects=True, linkage="average")
    table.seed = 7
    other = sketch(table, 3, projects=True, linkage="average")
    assert (one.points, one.histogram, one.merges) == (other.points, other.histogram, other.merges)


def test_a_layout_keeps_neighbours_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(120) % 4
    rows = rng.normal(0, 0.3, (120, 2)) + np.array([[0, 0], [40, 0], [0, 40], [40, 40]])[groups]
    table = Table(tmp_path, rows, np.ones(120, np.int64), 5.0)
    reply = sketch(table, projects=True)
    places = np.array([(point.x, point.y) for point in reply.points])
    cluster = np.array([point.cluster for point in reply.points])
    distance = squareform(pdist(places)) + np.diag(np.full(120, np.inf))
    assert (cluster[distance.argmin(axis=1)] == cluster).all()


@pytest.mark.parametrize("points", [0, 1, 2, 5])
def test_few_points_have_a_sketch(tmp_path: Path, points: int) -> None:
    table = table_of(tmp_path, max(points, 1))
    table.rows, table.weights = table.rows[:points], table.weights[:points]
    table.component = table.component[:points]
    reply = sketch(table, projects=True, linkage="complete")
    assert len(reply.points) == points
    assert len(reply.merges) == max(points - 1, 0)
    assert sum(one.pairs for one in reply.histogram) == points * (points - 1) // 2


def test_principal_coordinates_keep_the_distances_of_a_plane() -> None:
    rows = np.random.default_rng(3).normal(size=(30, 2)) * 1e150
    found = principal_coordinates(squareform(pdist(rows)))
    np.testing.assert_allclose(pdist(found), pdist(rows), rtol=1e-9)
