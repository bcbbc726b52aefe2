"""OPTICS by bins against scikit-learn's on all entities at once: the same plot, the same clusters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from day_splits import Split, splits
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optics_days import Day, days, extraction, make_day, order_day
from same_clusters import renumbered
from sklearn.cluster import OPTICS

from lambda_worker.clusterers.components import optics
from lambda_worker.clusterers.components.optics_clusters import extract_clusters, read_plot
from lambda_worker.tables.reading import read_features

if TYPE_CHECKING:
    from collections.abc import Callable


def rows_of(day: Day, plot: Any) -> dict[str, Any]:
    """The plot as scikit-learn would tell it, one row an entity."""
    first_row = np.append(np.cumsum(day.weights) - day.weights, -1)
    seen: set[int] = set()
    ordering: list[int] = []
    for point, copies in zip(plot.point.tolist(), plot.copies.tolist(), strict=True):
        begin = first_row[point] + (point in seen)
        ordering.extend(range(begin, begin + copies))
        seen.add(point)
    return {
        "ordering_": np.array(ordering),
        "reachability_": np.repeat(plot.reachability, plot.copies),
        "predecessor_": np.repeat(first_row[plot.predecessor], plot.copies),
        "core_distances_": np.repeat(plot.core_distance, plot.copies),
    }


def by_majority(day: Day, labels: Any, ordering: Any) -> Any:
    """The label of most entities of each point, of equally many the first in the ordering."""
    point = np.repeat(np.arange(len(day.weights)), day.weights)
    chosen = []
    for one in range(len(day.weights)):
        of_point = [int(labels[row]) for row in ordering if point[row] == one]
        chosen.append(max(of_point, key=of_point.count))
    return np.array(chosen)


@pytest.mark.long
@settings(max_examples=80)
@given(day=days, split=splits)
def test_the_plot_is_scikit_learns(new_day: Callable[[], Any], day: Day, split: Split) -> None:
    folder = new_day().folder
    plots = order_day(day, folder, split)
    found = rows_of(day, in_batches(split.batch, read_plot, extraction(day, plots, folder)))
    truth = day.truth()
    assert np.array_equal(found["ordering_"], truth.ordering_)
    for name in ("reachability_", "predecessor_", "core_distances_"):
        assert np.array_equal(found[name], getattr(truth, name)[truth.ordering_])


options = st.one_of(
    st.fixed_dictionaries(
        {
            "cluster_method": st.just("xi"),
            "xi": st.sampled_from([0.01, 0.05, 0.3]),
            "min_cluster_size": st.sampled_from([None, 2, 5, 12]),
            "predecessor_correction": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {"cluster_method": st.just("dbscan"), "eps": st.sampled_from([None, 0.0, 0.9, 1.0])}
    ),
)


@settings(max_examples=100)
@given(day=days, split=splits, option=options)
@example(make_day(3, 30, 2, "grid", 30), Split(2), {"cluster_method": "xi", "min_cluster_size": 12})
def test_labels_are_scikit_learns(
    new_day: Callable[[], Any], read_labels: Any, day: Day, split: Split, option: dict[str, Any]
) -> None:
    if (option.get("min_cluster_size") or 0) > day.weights.sum():
        return  # refused by scikit-learn; see test_too_few_entities_are_noise
    folder = new_day().folder
    event = extraction(day, order_day(day, folder, split), folder, **option)
    reply = in_batches(split.batch, extract_clusters, event)
    truth = day.truth(**option)
    expected = renumbered(by_majority(day, truth.labels_, truth.ordering_))
    ids, cluster, roles = read_labels(folder / "labels.parquet")
    assert np.array_equal(ids, np.arange(len(day.weights)))
    assert np.array_equal(cluster, expected)
    eps = option.get("eps")
    core = truth.core_distances_[np.cumsum(day.weights) - 1] <= (1e300 if eps is None else eps)
    names = np.where(expected < 0, "noise", np.where(core, "core", "border"))
    assert roles == names.tolist()
    assert reply.clusters == expected.max() + 1
    assert reply.noise_entities == day.weights[expected < 0].sum()
    assert reply.core_points == np.count_nonzero(names == "core")


def test_a_plot_whose_flats_are_too_short_gives_other_clusters(
    new_day: Callable[[], Any], read_labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of heavy points count: with one row each, the clusters are others."""
    rng = np.random.default_rng(5)
    vectors = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) * 0.3 + 5])
    day = Day(vectors, np.where(np.arange(60) % 5 == 0, 20, 1), 4.0, 4)
    folder = new_day().folder
    event = extraction(day, order_day(day, folder, Split(1)), folder, min_cluster_size=10)
    extract_clusters(event)
    truth = day.truth(min_cluster_size=10)
    expected = renumbered(by_majority(day, truth.labels_, truth.ordering_))
    assert np.array_equal(read_labels(folder / "labels.parquet")[1], expected)
    assert expected.max() > 0
    monkeypatch.setattr(
        "lambda_worker.clusterers.components.optics_clusters._Rows.of",
        classmethod(lambda cls, copies, _: cls(np.arange(len(copies)), np.ones_like(copies), len(copies))),
    )
    extract_clusters(event)
    assert not np.array_equal(read_labels(folder / "labels.parquet")[1], expected)


def test_ties_at_the_lowest_point_matter(new_day: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the plot can fail: where a heap takes the highest of equals, it does."""
    day = Day(np.array([[float(k)] for k in (0, 1, -1, 2, -2)]), np.ones(5, np.int64), 1.0, 2)
    folder = new_day().folder

    def ordering() -> list[int]:
        return list(read_plot(extraction(day, order_day(day, folder, Split()), folder)).point)

    assert ordering() == list(day.truth().ordering_)
    push, pop = optics.heapq.heappush, optics.heapq.heappop
    monkeypatch.setattr(optics.heapq, "heappush", lambda heap, entry: push(heap, (entry[0], -entry[1])))

    def highest(heap: Any) -> tuple[float, int]:
        reached, point = pop(heap)
        return reached, -point

    monkeypatch.setattr(optics.heapq, "heappop", highest)
    assert ordering() != list(day.truth().ordering_)


def test_any_metric_goes_by_its_pairs(new_day: Callable[[], Any]) -> None:
    """Only the pairs are looked at: scikit-learn on a matrix of other distances says the same."""
    rng = np.random.default_rng(8)
    distance = np.round(rng.random((40, 40)), 2) + 0.01
    distance = np.minimum(distance, distance.T)
    np.fill_diagonal(distance, 0)
    a, b = np.nonzero(np.triu(distance <= 0.15, 1))
    weights = np.ones(40, np.int64)
    neighbours = optics.Neighbours.of_pairs(a.astype(np.int32), b.astype(np.int32), distance[a, b], 40)
    plot = optics.draw_plot(neighbours, weights, 3)
    truth = OPTICS(min_samples=3, max_eps=0.15, metric="precomputed", algorithm="brute").fit(distance)
    assert np.array_equal(plot.point, truth.ordering_)
    assert np.array_equal(plot.reachability, truth.reachability_[truth.ordering_])


def test_a_small_heap_gives_the_same_plot(
    new_day: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = replace(make_day(11, 45, 2, "blobs", 3), threshold=9.0)
    folder = new_day().folder
    event = extraction(day, order_day(day, folder, Split()), folder)
    usual = read_plot(event)
    monkeypatch.setattr(optics, "_SPARE_ENTRIES", -80)
    order_day(day, folder, Split())
    small = read_plot(event)
    assert np.array_equal(usual.point, small.point)
    assert np.array_equal(usual.reachability, small.reachability)


def test_equal_bins_give_equal_bytes(new_day: Callable[[], Any]) -> None:
    day = make_day(2, 40, 3, "grid", 3)
    splits = (Split(1, 1, 1 << 16, 1), Split(1, 3, 2, 9))
    one, other = (Path(order_day(day, new_day().folder, split)[0]).read_bytes() for split in splits)
    assert one == other


def test_heavy_points_are_never_expanded(new_day: Callable[[], Any], read_labels: Any) -> None:
    """A million million entities: two rows a point in the plot, a few more for the extraction."""
    vectors = np.array([[0.0], [1.0], [2.0], [50.0], [51.0], [99.0]])
    day = Day(vectors, np.array([10**12, 5, 10**12, 10**12, 10**12, 1]), 2.0, 5)
    folder = new_day().folder
    plots = order_day(day, folder, Split(2))
    reply = extract_clusters(extraction(day, plots, folder))
    assert reply.noise_entities == 1
    light = replace(day, weights=np.array([20, 5, 20, 20, 20, 1]))
    truth = light.truth()
    expected = renumbered(by_majority(light, truth.labels_, truth.ordering_))
    assert np.array_equal(read_labels(folder / "labels.parquet")[1], expected)


@pytest.mark.parametrize("points", [0, 1, 3])
def test_too_few_entities_are_noise(new_day: Callable[[], Any], read_labels: Any, points: int) -> None:
    folder = new_day().folder
    day = Day(np.arange(points, dtype=float)[:, None], np.ones(points, np.int64), 1.5, 5)
    plots = order_day(day, folder, Split(1)) if points else []
    reply = extract_clusters(extraction(day, plots, folder))
    assert (reply.rows, reply.clusters, reply.noise_entities) == (points, 0, points)
    assert read_labels(folder / "labels.parquet")[1].tolist() == [-1] * points


def test_a_plot_file_has_its_columns(new_day: Callable[[], Any]) -> None:
    folder = new_day().folder
    day = Day(np.array([[0.0], [1.0], [9.0]]), np.array([2, 1, 1]), 1.5, 2)
    (plot,) = order_day(day, folder, Split(1))
    names = ("start", "position", "point_id", "copies", "predecessor")
    columns, distances = next(read_features(plot, names, ("reachability", "core_distance")))
    assert [column.tolist() for column in columns] == [
        [0, 0, 0, 2],
        [0, 1, 2, 3],
        [0, 0, 1, 2],
        [1, 1, 1, 1],
        [-1, 0, 0, -1],
    ]
    assert distances.tolist() == [[-1.0, 0.0, 1.0, -1.0], [0.0, 0.0, 1.0, -1.0]]
