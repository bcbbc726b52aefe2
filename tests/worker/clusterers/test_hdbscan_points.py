"""HDBSCAN from coordinates against a plain recursion over all entities, scipy and scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hdbscan_days import Points, algorithms, compare, same_clusters
from hdbscan_recursion import mutual_reachability, plain_hdbscan
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.cluster import HDBSCAN
from sklearn.metrics.pairwise import haversine_distances
from written_columns import read_columns

from lambda_worker.contract.hdbscan import TREE_METRICS, HdbscanPointsEvent, HdbscanReply
from lambda_worker.handler import handler
from lambda_worker.kernel import VARIABLE, loaded
from lambda_worker.metrics.globe import EARTH_RADIUS_M
from tests.worker.conftest import write_table

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCHES = ("on", "off") if loaded() is not None else ("off",)


@dataclass(frozen=True)
class Located:
    """Weighted points by their coordinates, shape (dimensions, points)."""

    metric: str
    values: Any
    weights: Any

    @property
    def points(self) -> Points:
        """The same by their distances, added up dimension by dimension."""
        return Points(distances(self.metric, self.values), self.weights)


def distances(metric: str, values: Any) -> Any:
    """All distances, with the plainest code."""
    if metric == "haversine":
        return EARTH_RADIUS_M * haversine_distances(values.T * (np.pi / 180))
    if metric == "cosine":
        length = np.sqrt(sum(axis * axis for axis in values))
        units = [axis / np.where(length, length, 1) for axis in values]
        return np.clip(1 - sum(np.outer(axis, axis) for axis in units), 0, 2) * (1 - np.eye(len(length)))
    gaps = [np.abs(axis[:, None] - axis[None, :]) for axis in values]
    if metric == "chebyshev":
        return np.max(gaps, axis=0)
    return sum(gaps[1:], gaps[0]) if metric == "manhattan" else np.sqrt(sum(gap * gap for gap in gaps))


@st.composite
def located(draw: Any) -> Located:
    """Clumps of points in 1 to 10 dimensions, on a fine or a coarse grid, some of them heavy."""
    metric = draw(st.sampled_from(TREE_METRICS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 40))
    dimensions = 2 if metric == "haversine" else draw(st.integers(1, 10))
    centres = rng.uniform(-6, 6, (dimensions, draw(st.integers(1, 4))))
    values = centres[:, rng.integers(0, centres.shape[1], count)] + rng.normal(0, 1, (dimensions, count))
    if metric not in ("haversine", "cosine") and draw(st.booleans()):
        values = np.unique(np.round(values), axis=1)
        values = values[:, rng.permutation(values.shape[1])]
    if metric == "haversine":  # on both sides of the antimeridian
        values[1] = (values[1] + draw(st.sampled_from([0.0, 180.0])) + 180) % 360 - 180
    heaviest = draw(st.sampled_from([1, 1, 3, 9]))
    return Located(metric, values, rng.integers(1, heaviest + 1, values.shape[1]))


def event_of(folder: Path, day: Located, **algorithm: Any) -> HdbscanPointsEvent:
    """The event of a day, whose rows are written in no order."""
    count = len(day.weights)
    rows = np.random.default_rng(count).permutation(count)
    names = [f"x_{k}" for k in range(len(day.values))]
    columns = {name: axis[rows] for name, axis in zip(names, day.values, strict=True)}
    weights = day.weights.astype(np.int64)[rows]
    return HdbscanPointsEvent(
        points=(write_table(folder / "points.parquet", point_id=rows, weight=weights, **columns),),
        point_count=count,
        columns=tuple(names),
        metric=day.metric,
        algorithm={"type": "hdbscan", **algorithm},
        output=str(folder / "labels.parquet"),
    )


def answer(event: HdbscanPointsEvent) -> tuple[HdbscanReply, list[Any]]:
    """The reply, and labels with probabilities; the same bytes with the kernel and without it."""
    replies, files = [], []
    for switch in SWITCHES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, switch)
            reply = HdbscanReply.from_json(handler(event.to_json(), None))
        assert reply.ok, reply.error
        assert reply.final
        replies.append((reply.contested, reply.tree_weight, reply.components, reply.noise_entities))
        files.append(Path(event.output).read_bytes())
    assert replies[0] == replies[-1]
    assert files[0] == files[-1]
    return reply, read_columns(event.output, "cluster", "probability")


@settings(max_examples=100)
@given(day=located(), algorithm=algorithms)
def test_labels_are_those_of_a_plain_recursion(
    new_day: Callable[[], Any], day: Located, algorithm: dict[str, Any]
) -> None:
    truth = plain_hdbscan(day.points, algorithm)
    reply, columns = answer(event_of(new_day().folder, day, **algorithm))
    if day.metric in ("haversine", "cosine"):  # other operations: sums differ in their last bits
        assert same_clusters(columns[0][day.points.entities], truth[0])
        np.testing.assert_allclose(columns[1][day.points.entities], truth[1], rtol=1e-6, atol=1e-9)
    else:
        compare(day.points, columns, *truth)
    assert reply.noise_entities == (truth[0] == -1).sum()


@settings(max_examples=40)
@given(day=located(), samples=st.integers(1, 6))
def test_the_tree_weighs_as_much_as_scipy_says(
    new_day: Callable[[], Any], day: Located, samples: int
) -> None:
    assume(day.weights.sum() >= samples)
    reply, _ = answer(event_of(new_day().folder, day, min_cluster_size=5, min_samples=samples))
    # To scipy an entry of 0 is no edge: all are moved up.
    shift = 1e5 if day.metric == "haversine" else 1.0
    tree = minimum_spanning_tree(mutual_reachability(day.points, samples) + shift)
    weight = tree.sum() - shift * tree.nnz
    assert (reply.components, reply.unresolved) == (1, 0)
    assert reply.tree_weight == pytest.approx(weight, rel=1e-10, abs=1e-12 * shift * (tree.nnz + 1))


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5, 10])
def test_two_thousand_points_are_where_scikit_learn_has_them(
    new_day: Callable[[], Any], dimensions: int
) -> None:
    rng = np.random.default_rng(dimensions)
    centres = rng.uniform(-40, 40, (dimensions, 12))
    values = centres[:, rng.integers(0, 12, 2000)] + rng.normal(0, 1, (dimensions, 2000))
    day = Located("euclidean", values, np.ones(2000, np.int64))
    # A neighbourhood of one: core distances are 0, so no two merges are equal.
    reply, columns = answer(event_of(new_day().folder, day, min_cluster_size=12, min_samples=1))
    truth = HDBSCAN(min_cluster_size=12, min_samples=1, algorithm="kd_tree", copy=True).fit(values.T)
    assert reply.contested == 0
    assert same_clusters(columns[0], truth.labels_)
    np.testing.assert_allclose(columns[1], truth.probabilities_, rtol=1e-12)
    for samples in (1, 7):
        reply, _ = answer(event_of(new_day().folder, day, min_cluster_size=12, min_samples=samples))
        truth = HDBSCAN(min_cluster_size=12, min_samples=samples, algorithm="kd_tree", copy=True)
        merges = truth.fit(values.T)._single_linkage_tree_["value"]
        assert reply.tree_weight == pytest.approx(merges.sum(), rel=1e-12)


def test_entities_count_as_rows_do_in_scikit_learn(new_day: Callable[[], Any]) -> None:
    rng = np.random.default_rng(8)
    values, weights = rng.normal(0, 3, (2, 300)), rng.integers(1, 5, 300)
    day = Located("euclidean", values, weights)
    reply, _ = answer(event_of(new_day().folder, day, min_cluster_size=9, min_samples=6))
    rows = values.T[day.points.entities]
    truth = HDBSCAN(min_cluster_size=9, min_samples=6, algorithm="kd_tree", copy=True).fit(rows)
    assert reply.tree_weight == pytest.approx(truth._single_linkage_tree_["value"].sum(), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e150, 1e200])
def test_huge_and_tiny_values(new_day: Callable[[], Any], scale: float) -> None:
    """Squares of differences beyond 1e154 overflow: such points stay apart, and are noise."""
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(0, 1, 40), rng.normal(50, 1, 40)])[None] * scale
    day = Located("euclidean", values, np.ones(80, np.int64))
    reply, columns = answer(event_of(new_day().folder, day, min_cluster_size=8, min_samples=4))
    overflows = scale > 1e153
    assert (reply.clusters, reply.components) == ((0, 80) if overflows else (2, 1))
    assert (reply.noise_entities == 80) == overflows
    assert np.isfinite(columns[1]).all()


@pytest.mark.parametrize(("count", "samples"), [(0, 5), (1, 1), (1, 5), (4, 5), (5, 5)])
def test_days_of_few_points(new_day: Callable[[], Any], count: int, samples: int) -> None:
    values = np.random.default_rng(count).random((2, count))
    day = Located("euclidean", values, np.ones(count, np.int64))
    reply, columns = answer(event_of(new_day().folder, day, min_cluster_size=2, min_samples=samples))
    assert (reply.rows, reply.noise_entities) == (count, count)
    assert reply.unresolved == (count if count < samples else 0)
    assert columns[0].tolist() == [-1] * count


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "jaccard"}, "no tree for jaccard of 2 columns"),
        ({"columns": [f"x_{k}" for k in range(11)]}, "no tree for euclidean of 11 columns"),
        ({"metric": "haversine", "columns": ["x_0"]}, "latitude and longitude"),
        ({"columns": ["x_0", "y"]}, "no column y"),
        ({"point_count": 7}, "point"),
        ({"algorithm": {"type": "dbscan"}}, "type 'dbscan'"),
    ],
)
def test_a_bad_event_is_refused_with_the_reason(
    new_day: Callable[[], Any], change: dict[str, Any], words: str
) -> None:
    day = Located("euclidean", np.random.default_rng(1).random((2, 6)), np.ones(6, np.int64))
    event = event_of(new_day().folder, day, min_cluster_size=2)
    reply = handler(event.to_json() | change, None)
    assert not reply["ok"]
    assert words in reply["error"]
    assert not Path(event.output).exists()
