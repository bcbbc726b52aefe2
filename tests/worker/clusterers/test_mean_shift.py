"""Mean shift by bins against scikit-learn's on all entities at once: the same peaks, the same clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from day_splits import Split, splits
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from same_clusters import renumbered
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.cluster import MeanShift
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.components import mean_shift, mean_shift_peaks
from lambda_worker.clusterers.components.mean_shift import Peaks, climb
from lambda_worker.clusterers.components.mean_shift_bins import climb_bin, read_peaks
from lambda_worker.clusterers.components.mean_shift_peaks import keep_highest, label_by_peaks
from lambda_worker.contract import VERSION, ContractError, InputError
from lambda_worker.contract.components import ClimbEvent, PeaksEvent
from lambda_worker.handler import handler
from lambda_worker.tables.features import Features
from lambda_worker.tables.members import sort_members
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Day:
    """Points, each of some entities."""

    vectors: Any  # shape (points, dimensions)
    weights: Any  # shape (points,)
    bandwidth: float

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"x{k}" for k in range(self.vectors.shape[1]))

    def components(self) -> Any:
        return connected_components(cdist(self.vectors, self.vectors) <= 2 * self.bandwidth)[1]

    def truth(self, *, cluster_all: bool = True) -> Any:
        rows = np.repeat(self.vectors, self.weights, axis=0)
        with threadpool_limits(limits=1):  # threads that wait for one another take most of the time
            return MeanShift(bandwidth=self.bandwidth, cluster_all=cluster_all).fit(rows)


def landscape(weights: Any, vectors: Any) -> Any:
    """Points of one component in memory."""
    columns = (np.arange(len(weights)), weights, np.zeros(len(weights), np.int64))
    return sort_members(columns, Features("vector", rows=vectors), len(weights))


def write_points(day: Day, folder: Path, ids: Any, name: str, split: Split) -> tuple[str, ...]:
    """The points of some ids in any order, cut into any number of files."""
    ids = np.random.default_rng(split.seed).permutation(ids)
    component = day.components()
    addresses = []
    for number, part in enumerate(np.array_split(ids, split.files)):
        features = {column: day.vectors[part, k] for k, column in enumerate(day.columns)}
        address = str(folder / f"{name}-{number}.parquet")
        numbers = {"point_id": part, "weight": day.weights[part], "component": component[part]}
        write_table(address, {**numbers, **features})
        addresses.append(address)
    return tuple(addresses)


def climb_day(day: Day, folder: Path, split: Split) -> tuple[str, ...]:
    """The files of peaks of all bins, in any order."""
    rng = np.random.default_rng(split.seed)
    component = day.components()
    bin_of = rng.integers(0, split.bins, component.max() + 1)[component]
    outputs = []
    for number in range(split.bins):
        ids = np.flatnonzero(bin_of == number)
        event = ClimbEvent(
            points=write_points(day, folder, ids, f"bin-{number}", split),
            point_count=len(ids),
            columns=day.columns,
            threshold=2 * day.bandwidth,
            output=str(folder / f"peaks-{number}.parquet"),
        )
        assert in_batches(split.batch, climb_bin, event).ok
        outputs.append(event.output)
    return tuple(outputs[k] for k in rng.permutation(split.bins))


def labelling(
    day: Day, folder: Path, peaks: tuple[str, ...], split: Split, *, cluster_all: bool = True
) -> PeaksEvent:
    return PeaksEvent(
        points=write_points(day, folder, np.arange(len(day.weights)), "day", split),
        peaks=peaks,
        point_count=len(day.weights),
        columns=day.columns,
        threshold=2 * day.bandwidth,
        cluster_all=cluster_all,
        output=str(folder / "labels.parquet"),
    )


def make_day(seed: int, points: int, dimensions: int, kind: str, heaviest: int) -> Day:
    rng = np.random.default_rng(seed)
    if kind == "grid":
        vectors = rng.integers(0, 8, (points, dimensions)) / 2
        bandwidth = float(rng.choice([1.1, 1.63, 2.07]))
    else:
        centres = rng.normal(scale=4, size=(5, dimensions))
        vectors = centres[rng.integers(0, 5, points)] + rng.normal(size=(points, dimensions))
        bandwidth = float(rng.uniform(0.5, 2.5)) * np.sqrt(dimensions)
    weights = np.where(rng.random(points) < 0.6, 1, rng.integers(1, heaviest + 1, points))
    return Day(vectors, weights, float(bandwidth))


days = st.builds(
    make_day,
    st.integers(0, 2**20),
    st.integers(1, 25),
    st.integers(1, 8),
    st.sampled_from(["grid", "blobs"]),
    st.sampled_from([1, 4]),
)


@settings(max_examples=40)
@given(day=days, split=splits, cluster_all=st.booleans())
def test_labels_are_scikit_learns(
    new_day: Callable[[], Any], read_labels: Any, day: Day, split: Split, cluster_all: bool
) -> None:
    folder = new_day().folder
    event = labelling(day, folder, climb_day(day, folder, split), split, cluster_all=cluster_all)
    reply = in_batches(split.batch, label_by_peaks, event)
    truth = day.truth(cluster_all=cluster_all)
    of_points = truth.labels_[np.cumsum(day.weights) - 1]
    expected = renumbered(of_points)
    ids, cluster, roles = read_labels(folder / "labels.parquet")
    assert np.array_equal(ids, np.arange(len(day.weights)))
    assert np.array_equal(cluster, expected)
    assert roles == np.where(expected < 0, "noise", "member").tolist()
    assert reply.clusters == expected.max() + 1
    assert reply.noise_entities == day.weights[expected < 0].sum()
    kept = keep_highest(read_peaks(event.peaks), day.bandwidth)
    assert kept.shape == truth.cluster_centers_.shape
    assert np.allclose(kept, truth.cluster_centers_, rtol=1e-12, atol=1e-12)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**20), points=st.integers(1, 20), bandwidth=st.sampled_from([0.5, 1.0]), split=splits
)
def test_ties_at_the_bandwidth_are_scikit_learns(
    new_day: Callable[[], Any], read_labels: Any, seed: int, points: int, bandwidth: float, split: Split
) -> None:
    """Whole numbers: points on the edges of windows, peaks at the same distance from points."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.unique(rng.integers(0, 40, points)))
    day = Day(places[:, None].astype(float), 2 ** rng.integers(0, 2, len(places)), bandwidth)
    folder = new_day().folder
    in_batches(split.batch, label_by_peaks, labelling(day, folder, climb_day(day, folder, split), split))
    expected = renumbered(day.truth().labels_[np.cumsum(day.weights) - 1])
    assert np.array_equal(read_labels(folder / "labels.parquet")[1], expected)


def slope() -> Day:
    """A component whose lowest point climbs far away, and another point just beyond its reach."""
    return Day(np.append(np.arange(7) / 2, -2.1)[:, None], np.append(2 ** np.arange(7), 1), 1.0)


def labels_of_slope(day: Day, folder: Path, read_labels: Any, split: Split) -> list[int]:
    label_by_peaks(labelling(day, folder, climb_day(day, folder, split), split))
    found: list[int] = read_labels(folder / "labels.parquet")[1].tolist()
    return found


def test_labels_by_component_would_be_wrong(new_day: Callable[[], Any], read_labels: Any) -> None:
    """The last step looks at the whole day: point 0 is nearest to the peak of the other component."""
    day = slope()
    assert day.components().tolist() == [0] * 7 + [1]
    expected = renumbered(day.truth().labels_[np.cumsum(day.weights) - 1]).tolist()
    assert labels_of_slope(day, new_day().folder, read_labels, Split(2)) == expected
    alone = replace(day, vectors=day.vectors[:7], weights=day.weights[:7])
    assert labels_of_slope(alone, new_day().folder, read_labels, Split()) != expected[:7]


def test_the_check_fails_without_weights(new_day: Callable[[], Any], read_labels: Any) -> None:
    day = slope()
    light = replace(day, weights=np.ones(8, np.int64))
    of_light, of_day = (labels_of_slope(one, new_day().folder, read_labels, Split()) for one in (light, day))
    assert of_light != of_day


def test_steps_are_counted_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.random((80, 2))
    land = landscape(np.ones(80, np.int64), vectors)
    _, steps = climb(land, 0.25)
    assert steps == MeanShift(bandwidth=0.25).fit(vectors).n_iter_


def test_climbs_stop_after_the_most_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.random((120, 2))
    land = landscape(np.ones(120, np.int64), vectors)
    monkeypatch.setattr(mean_shift, "MOST_STEPS", 2)
    peaks, steps = climb(land, 0.2)
    truth = MeanShift(bandwidth=0.2, max_iter=2).fit(vectors)
    assert steps == truth.n_iter_ == 2
    assert np.allclose(keep_highest(peaks, 0.2), truth.cluster_centers_)


def test_small_batches_of_climbs_give_the_same_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    land = landscape(rng.integers(1, 4, 200), rng.random((200, 2)))
    usual, _ = climb(land, 0.15)
    monkeypatch.setattr(mean_shift, "_WINDOW_ENTRIES", 20)
    monkeypatch.setattr(mean_shift, "_MOST_CLIMBS", 3)
    small, _ = climb(land, 0.15)
    for name in ("seed", "intensity", "centre"):
        assert np.array_equal(getattr(usual, name), getattr(small, name))


def test_a_place_reached_twice_counts_as_scikit_learns_last() -> None:
    peaks = Peaks(np.array([4, 9, 2]), np.array([7, 3, 1]), np.array([[1.0], [1.0], [0.0]])).distinct()
    assert sorted(zip(peaks.seed.tolist(), peaks.intensity.tolist(), strict=True)) == [(2, 1), (9, 3)]


def test_many_peaks_at_once_are_dropped_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    peaks = Peaks(np.arange(3000), rng.integers(1, 5, 3000), rng.random((3000, 2)))
    together = keep_highest(peaks, 0.03)
    monkeypatch.setattr(mean_shift_peaks, "_MOST_TOGETHER", 1)
    assert np.array_equal(together, keep_highest(peaks, 0.03))


def test_equal_bins_give_equal_bytes(new_day: Callable[[], Any]) -> None:
    day = make_day(2, 40, 3, "grid", 3)
    splits = (Split(1, 1, 1 << 16, 1), Split(1, 3, 2, 9))
    one, other = (Path(climb_day(day, new_day().folder, split)[0]).read_bytes() for split in splits)
    assert one == other


def test_arrays_are_features_too(new_day: Callable[[], Any], read_labels: Any) -> None:
    """Peaks are a table of arrays; read as points, they climb to themselves."""
    folder = new_day().folder
    day = make_day(7, 30, 3, "blobs", 1)
    (peaks,) = climb_day(day, folder, Split())
    found = in_batches(5, read_peaks, (peaks,))
    assert found.centre.shape == (len(found), 3)
    event = labelling(replace(day, vectors=day.vectors[:, :2]), folder, (peaks,), Split())
    with pytest.raises(InputError, match="dimensions"):
        label_by_peaks(event)


def test_a_day_without_points(new_day: Callable[[], Any], read_labels: Any) -> None:
    folder = new_day().folder
    body = {"version": VERSION, "points": [], "point_count": 0, "columns": ["x"], "threshold": 1.0}
    peaks = str(folder / "peaks.parquet")
    assert handler({**body, "operation": "climb", "output": peaks}, None)["ok"]
    labels = {"peaks": [peaks], "cluster_all": True, "output": str(folder / "labels.parquet")}
    assert handler({**body, **labels, "operation": "peaks"}, None)["rows"] == 0


def test_bad_events_and_files_are_refused(new_day: Callable[[], Any]) -> None:
    folder = new_day().folder
    day = Day(np.array([[0.0], [5.0]]), np.array([1, 2]), 1.0)
    event = labelling(day, folder, climb_day(day, folder, Split()), Split())
    with pytest.raises(ContractError, match="cluster_all"):
        PeaksEvent.from_json({**event.to_json(), "cluster_all": 1})
    with pytest.raises(InputError, match="hold none"):
        label_by_peaks(structs.replace(event, peaks=()))
    with pytest.raises(InputError, match="not in 0"):
        label_by_peaks(structs.replace(event, point_count=1))
    climbing = ClimbEvent(
        points=event.points * 2, point_count=4, columns=("x0",), threshold=2.0, output=str(folder / "p")
    )
    with pytest.raises(InputError, match="comes twice"):
        climb_bin(climbing)
    with pytest.raises(InputError, match="promises"):
        climb_bin(structs.replace(climbing, point_count=5))
