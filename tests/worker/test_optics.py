"""OPTICS by bins against scikit-learn's on all entities at once: the same plot, the same clusters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import OPTICS

from lambda_worker.components import optics
from lambda_worker.components.files import write_table
from lambda_worker.components.optics_bins import order_bin
from lambda_worker.components.optics_clusters import extract_clusters, read_plot
from lambda_worker.contract import VERSION, ContractError, InputError
from lambda_worker.contract.reachability import ExtractEvent, OrderEvent
from lambda_worker.handler import handler
from lambda_worker.parquet_io import read_features

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Day:
    """Points, each of some entities."""

    vectors: Any  # shape (points, dimensions)
    weights: Any  # shape (points,)
    threshold: float
    min_samples: int

    @property
    def near(self) -> tuple[Any, Any]:
        """Pairs within the threshold, and their distance: squares added up by dimension."""
        squared = np.zeros((len(self.vectors),) * 2)
        for column in self.vectors.T:
            squared += (column[:, None] - column[None, :]) ** 2
        distance = np.sqrt(squared)
        pairs = np.argwhere(np.triu(distance <= self.threshold, 1))
        return pairs, distance[pairs[:, 0], pairs[:, 1]]

    def components(self) -> Any:
        pairs, _ = self.near
        size = len(self.vectors)
        graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (size, size))
        return connected_components(graph, directed=False)[1]

    def truth(self, **options: Any) -> Any:
        """scikit-learn on all entities, those of a point side by side."""
        rows = np.repeat(self.vectors, self.weights, axis=0)
        with warnings.catch_warnings(), np.errstate(divide="ignore"):
            warnings.filterwarnings("ignore", message="All reachability values are inf")
            return OPTICS(
                min_samples=self.min_samples,
                max_eps=self.threshold,
                algorithm="kd_tree",
                n_jobs=1,
                **options,
            ).fit(rows)


@dataclass(frozen=True)
class Split:
    """How a day reaches the worker."""

    bins: int = 1
    files: int = 1
    batch: int = 1 << 16
    seed: int = 0


def order_day(day: Day, folder: Path, split: Split) -> list[str]:
    """Write the bins of a day in any order and draw their plots."""
    rng = np.random.default_rng(split.seed)
    pairs, distance = day.near
    component = day.components()
    of_component = rng.integers(0, split.bins, component.max() + 1)
    outputs = []
    for number in range(split.bins):
        ids = rng.permutation(np.flatnonzero(of_component[component] == number))
        rows = rng.permutation(np.flatnonzero(of_component[component[pairs[:, 0]]] == number))
        event = OrderEvent(
            points=tuple(
                write_table(str(address), {"point_id": part, "weight": day.weights[part]}) and str(address)
                for address, part in cut(folder / f"points-{number}", ids, split.files)
            ),
            candidates=tuple(
                write_table(
                    str(address),
                    {"point_a": pairs[part, 0], "point_b": pairs[part, 1], "distance": distance[part]},
                )
                and str(address)
                for address, part in cut(folder / f"pairs-{number}", rows, split.files)
            ),
            point_count=len(ids),
            min_samples=day.min_samples,
            output=str(folder / f"plot-{number}.parquet"),
        )
        reply = order_bin(event, split.batch)
        assert reply.ok
        assert reply.pairs == len(rows)
        outputs.append(event.output)
    return [outputs[k] for k in rng.permutation(len(outputs))]


def cut(stem: Path, rows: Any, files: int) -> list[tuple[Path, Any]]:
    return [
        (stem.with_name(f"{stem.name}-{k}.parquet"), part)
        for k, part in enumerate(np.array_split(rows, files))
    ]


def extraction(day: Day, plots: list[str], folder: Path, **options: Any) -> ExtractEvent:
    return ExtractEvent(
        plots=tuple(plots),
        point_count=len(day.weights),
        threshold=day.threshold,
        min_samples=day.min_samples,
        output=str(folder / "labels.parquet"),
        **options,
    )


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


def renumbered(labels: Any) -> Any:
    """Clusters in the order in which they come; noise stays -1."""
    numbers: dict[int, int] = {}
    return np.array([-1 if k < 0 else numbers.setdefault(int(k), len(numbers)) for k in labels])


def vectors_of(seed: int, shape: tuple[int, int], kind: str) -> Any:
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return rng.integers(0, 5, shape).astype(float)
    if kind == "line":
        return np.cumsum(rng.integers(0, 3, shape), axis=0).astype(float)
    centres = rng.normal(scale=3, size=(4, shape[1]))
    return centres[rng.integers(0, 4, shape[0])] + rng.normal(size=shape)


def make_day(seed: int, points: int, dimensions: int, kind: str, heaviest: int) -> Day:
    """A threshold that leaves several components, and weights of which most are 1."""
    rng = np.random.default_rng(seed + 1)
    vectors = vectors_of(seed, (points, dimensions), kind)
    weights = np.where(rng.random(points) < 0.6, 1, rng.integers(1, heaviest + 1, points))
    threshold = float(rng.choice([1.0, 1.5, 2.0, 3.0]))
    least = int(rng.integers(2, 7))
    weights[0] += max(0, least - weights.sum())  # scikit-learn refuses fewer entities than min_samples
    return Day(vectors, weights, threshold, least)


days = st.builds(
    make_day,
    st.integers(0, 2**20),
    st.integers(1, 45),
    st.integers(1, 8),
    st.sampled_from(["grid", "line", "blobs"]),
    st.sampled_from([1, 3, 30]),
)
splits = st.builds(
    Split, st.sampled_from([1, 2, 7]), st.integers(1, 3), st.sampled_from([1, 7, 1 << 16]), st.integers(0, 99)
)


@settings(max_examples=80, deadline=None)
@given(day=days, split=splits)
def test_the_plot_is_scikit_learns(new_day: Callable[[], Any], day: Day, split: Split) -> None:
    folder = new_day().folder
    plots = order_day(day, folder, split)
    found = rows_of(day, read_plot(extraction(day, plots, folder), split.batch))
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


@settings(max_examples=100, deadline=None)
@given(day=days, split=splits, option=options)
@example(make_day(3, 30, 2, "grid", 30), Split(2), {"cluster_method": "xi", "min_cluster_size": 12})
def test_labels_are_scikit_learns(
    new_day: Callable[[], Any], read_labels: Any, day: Day, split: Split, option: dict[str, Any]
) -> None:
    if (option.get("min_cluster_size") or 0) > day.weights.sum():
        return  # refused by scikit-learn; see test_too_few_entities_are_noise
    folder = new_day().folder
    event = extraction(day, order_day(day, folder, split), folder, **option)
    reply = extract_clusters(event, split.batch)
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
        "lambda_worker.components.optics_clusters._Rows.of",
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


def test_the_handler_answers_both_events(new_day: Callable[[], Any], read_labels: Any) -> None:
    folder = new_day()
    folder.add_points([7, 3, 5], [1, 4, 1])
    folder.add_pairs([(3, 5)], [0.5])
    plot, labels = str(folder.folder / "plot.parquet"), str(folder.output)
    body = {
        "version": VERSION,
        "operation": "order",
        "points": folder.points,
        "candidates": folder.candidates,
    }
    reply = handler({**body, "point_count": 3, "min_samples": 4, "output": plot}, None)
    assert (reply["ok"], reply["rows"], reply["core_points"], reply["runs"]) == (True, 4, 2, 2)
    body = {"version": VERSION, "operation": "extract", "plots": [plot], "threshold": 1.0, "min_samples": 4}
    reply = handler({**body, "point_count": 3, "output": labels}, None)
    assert not reply["ok"]
    assert "point 7" in reply["error"] or "not one of 3 points" in reply["error"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_samples": 1}, "min_samples"),
        ({"xi": 1.0}, "xi"),
        ({"eps": 3.0}, "eps"),
        ({"cluster_method": "leaf"}, "cluster_method"),
        ({"min_cluster_size": 1}, "min_cluster_size"),
        ({"predecessor_correction": 1}, "predecessor_correction"),
        ({"threshold": 0}, "threshold"),
    ],
)
def test_bad_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    body = {"version": VERSION, "plots": [], "point_count": 0, "threshold": 2.0, "min_samples": 5}
    with pytest.raises(ContractError, match=message):
        ExtractEvent.from_json({**body, "output": "/tmp/x", **change})  # noqa: S108


def test_plots_that_are_not_of_the_day_are_refused(new_day: Callable[[], Any]) -> None:
    folder = new_day().folder
    day = Day(np.array([[0.0], [1.0], [9.0]]), np.array([2, 1, 1]), 1.5, 2)
    plots = order_day(day, folder, Split(2, seed=1))
    event = extraction(day, plots, folder)
    with pytest.raises(InputError, match="do not hold point"):
        extract_clusters(replace(event, plots=()))
    with pytest.raises(InputError, match="an event twice"):
        extract_clusters(replace(event, plots=event.plots * 2))
    with pytest.raises(InputError, match="not one of"):
        extract_clusters(replace(event, point_count=event.point_count - 1))


@pytest.mark.parametrize(
    ("points", "pairs", "message"),
    [
        ([(0, 1), (0, 1)], [], "comes twice"),
        ([(0, 1), (1, 0)], [], "weight below 1"),
        ([(0, 1), (1, 1)], [(0, 2)], "not in the bin"),
        ([(0, 1), (1, 1)], [(1, 0)], "not a < b"),
    ],
)
def test_bad_bins_are_refused(
    new_day: Callable[[], Any], points: list[tuple[int, int]], pairs: list[tuple[int, int]], message: str
) -> None:
    folder = new_day()
    folder.add_points(*zip(*points, strict=True))
    if pairs:
        folder.add_pairs(pairs)
    event = OrderEvent(
        points=tuple(folder.points),
        candidates=tuple(folder.candidates),
        point_count=len(points),
        min_samples=2,
        output=str(folder.output),
    )
    with pytest.raises(InputError, match=message):
        order_bin(event)
    with pytest.raises(InputError, match="promises"):
        order_bin(replace(event, point_count=9))
