"""K-means from shards: exact sums, and rounds equal to scikit-learn's on all points at once."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from lambda_worker.centroids import sampling
from lambda_worker.centroids.centres import move_centres
from lambda_worker.centroids.exact import ExactSums, Groups
from lambda_worker.centroids.gather import gather_labels
from lambda_worker.centroids.nearest import Nearest
from lambda_worker.centroids.points import Batch
from lambda_worker.centroids.rounds import assign_points, read_centres, reduce_round
from lambda_worker.centroids.sampling import sample_shard
from lambda_worker.centroids.seeding import choose_centres, plus_plus
from lambda_worker.contract import CapacityError, ContractError, InputError
from lambda_worker.contract.centroids import (
    LEVEL_BITS,
    AssignEvent,
    CentresEvent,
    GatherEvent,
    RoundEvent,
    SampleEvent,
    SeedEvent,
    rounded_sum,
)
from lambda_worker.contract.memory import round_memory_mb
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH = 7
"""Rows read at a time in these tests: small days have several batches then."""


@pytest.fixture(scope="module", autouse=True)
def small_samples() -> Iterator[None]:
    """The first centres are chosen from fewer points than there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_MOST_POINTS", 8)
        yield


@dataclass(frozen=True)
class Day:
    """Weighted vectors; `values` has the shape (points, dimensions)."""

    values: Any
    weights: Any

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"x{dimension}" for dimension in range(self.values.shape[1]))


@dataclass(frozen=True)
class Found:
    """What the rounds came to."""

    centres: Any
    labels: Any
    first: Any
    rounds: int
    inertia: float
    files: tuple[bytes, ...]


def write_points(folder: Any, day: Day, rows: Any) -> str:
    """Some rows of a day as one file, in that order."""
    features = {name: day.values[rows, k] for k, name in enumerate(day.columns)}
    name = f"points-{len(list(folder.glob('points-*')))}.parquet"
    return write_table(folder / name, point_id=rows, weight=day.weights[rows], **features)


def write_table(path: Path, **columns: Any) -> str:
    arrays = [
        Array.from_numpy(np.ascontiguousarray(column, np.float64 if name.startswith("x") else np.int64))
        for name, column in columns.items()
    ]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path, compression="zstd(1)")
    return str(path)


def k_means(folder: Any, day: Day, shards: list[list[str]], algorithm: dict[str, Any]) -> Found:
    """All rounds over shards, each a list of files; a shard [file, k, n] is a part of one."""
    count, columns, k = len(day.values), day.columns, algorithm["n_clusters"]

    def common(shard: list[Any]) -> dict[str, Any]:
        part = (int(shard[1]), int(shard[2])) if len(shard) == 3 and isinstance(shard[1], int) else (0, 1)
        files = tuple(shard[:1]) if part != (0, 1) else tuple(item for item in shard if isinstance(item, str))
        return {"points": files, "columns": columns, "part": part}

    def at(name: str) -> str:
        return str(folder / f"{len(shards)}-{name}")

    numbers = range(len(shards))
    for number, shard in enumerate(shards):
        sample_shard(
            SampleEvent(
                **common(shard),
                n_clusters=k,
                seed=algorithm["seed"],
                output=at(f"sample{number}"),
                sums=at(f"spread{number}"),
            ),
            BATCH,
        )
    seeded = choose_centres(
        SeedEvent(
            samples=tuple(at(f"sample{number}") for number in numbers),
            sums=tuple(at(f"spread{number}") for number in numbers),
            point_count=count,
            n_clusters=k,
            seed=algorithm["seed"],
            tol=algorithm["tol"],
            output=at("centres0"),
        )
    )
    rounds, converged = 0, False
    while rounds < algorithm["max_iter"] and not converged:
        for number, shard in enumerate(shards):
            reduce_round(
                RoundEvent(
                    **common(shard),
                    centres=at(f"centres{rounds}"),
                    output=at(f"sums{rounds}-{number}"),
                    farthest=at(f"far{rounds}-{number}"),
                ),
                BATCH,
            )
        converged = move_centres(
            CentresEvent(
                centres=at(f"centres{rounds}"),
                sums=tuple(at(f"sums{rounds}-{number}") for number in numbers),
                farthest=tuple(at(f"far{rounds}-{number}") for number in numbers),
                point_count=count,
                tolerance=seeded.tolerance,
                output=at(f"centres{rounds + 1}"),
            )
        ).converged
        rounds += 1
    inertia = [
        assign_points(
            AssignEvent(**common(shard), centres=at(f"centres{rounds}"), output=at(f"labels{number}")), BATCH
        ).inertia
        for number, shard in enumerate(shards)
    ]
    gather_labels(
        GatherEvent(
            parts=tuple(at(f"labels{number}") for number in numbers), point_count=count, output=at("labels")
        )
    )
    files = [at(f"centres{number}") for number in range(rounds + 1)] + [at("labels")]
    return Found(
        centres=read_centres(at(f"centres{rounds}")).T,
        labels=read_clusters(at("labels")),
        first=read_centres(at("centres0")).T,
        rounds=rounds,
        inertia=rounded_sum(inertia),
        files=tuple((folder / file).read_bytes() for file in files),
    )


def read_clusters(path: str) -> Any:
    batches = list(arro3.io.read_parquet(path))
    return np.concatenate([batch["cluster"].to_numpy() for batch in batches])


@st.composite
def days(choose: Any) -> Day:
    """Points with weights, some of them equal, some on a lattice where distances tie."""
    rng = np.random.default_rng(choose(st.integers(0, 2**16)))
    count, dimensions = choose(st.integers(1, 60)), choose(st.integers(1, 5))
    values = rng.normal(size=(count, dimensions)) * 10.0 ** rng.integers(-3, 4)
    if choose(st.booleans()):
        values = rng.integers(0, 4, (count, dimensions)) / 4.0
    if choose(st.booleans()):
        values = values[rng.integers(0, count, count)]
    return Day(values, rng.integers(1, choose(st.sampled_from([2, 6, 2**20])), count))


def split(folder: Any, day: Day, shards: int, seed: int) -> list[list[Any]]:
    """Rows in random order in some files; one file stays whole and is read in parts."""
    order = np.random.default_rng(seed).permutation(len(day.values))
    if seed % 2:
        file = write_points(folder, day, order)
        return [[file, number, shards] for number in range(shards)]
    parts = [part for part in np.array_split(order, shards) if len(part)]
    return [[write_points(folder, day, part)] for part in parts]


# --- exact sums


finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150)


@settings(max_examples=150, deadline=None)
@given(
    numbers=st.lists(st.tuples(finite, st.integers(1, 2**30), st.integers(0, 2)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
@example(numbers=[(5e-324, 1, 0), (1e150, 3, 0), (-1e150, 3, 0)], seed=0)
@example(numbers=[(0.0, 1, 0)], seed=0)
def test_sums_lose_nothing(numbers: list[tuple[float, int, int]], seed: int) -> None:
    values, weights, labels = (np.array(column) for column in zip(*numbers, strict=True))
    sums = ExactSums(3, 1)
    order = np.random.default_rng(seed).permutation(len(values))
    for part in np.array_split(order, 3):
        if len(part):
            sums.add(values[np.newaxis, part], Groups(labels[part], weights[part]))
    for group in range(3):
        truth = sum(Fraction(value) * weight for value, weight, label in numbers if label == group)
        assert Fraction(int(sums.totals(0)[group])) / Fraction(2) ** (LEVEL_BITS * sums.finest) == truth
        exact = tuple((at, int(part[0, group])) for at, part in sums.levels.items())
        assert rounded_sum([exact]) == float(truth)


def test_a_sum_too_large_for_a_double_is_the_largest() -> None:
    assert rounded_sum([((-43, 2**40),)]) == sys.float_info.max


# --- nearest centres


@settings(max_examples=150, deadline=None)
@given(day=days(), clusters=st.integers(1, 12), seed=st.integers(0, 99))
def test_labels_are_the_lowest_of_the_nearest(day: Day, clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = day.values[rng.integers(0, len(day.values), clusters)] + rng.integers(0, 2) * 0.125
    distance = np.zeros((len(day.values), clusters))
    for values, places in zip(day.values.T, centres.T, strict=True):
        distance += (values[:, np.newaxis] - places) ** 2
    labels = Nearest(np.ascontiguousarray(centres.T)).labels(np.ascontiguousarray(day.values.T))
    assert np.array_equal(labels, distance.argmin(axis=1))


@pytest.mark.parametrize("offset", [0.0, 1e8, 1e150])
def test_centres_closer_than_the_product_can_tell_are_measured(offset: float) -> None:
    rng = np.random.default_rng(3)
    values = offset + rng.normal(size=(3, 500)) * max(1.0, offset * 1e-12)
    centres = values[:, :40] + offset * 1e-15
    distance = sum((x[:, np.newaxis] - c) ** 2 for x, c in zip(values, centres, strict=True))
    assert np.array_equal(Nearest(centres).labels(values), np.asarray(distance).argmin(axis=1))


# --- rounds


@settings(max_examples=6, deadline=None)
@given(day=days(), clusters=st.integers(1, 8), seed=st.integers(0, 99))
def test_any_split_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, day: Day, clusters: int, seed: int
) -> None:
    algorithm = {"n_clusters": clusters, "seed": seed, "tol": 0.0, "max_iter": 2}
    whole, *others = (
        k_means(folder, day, split(folder, day, shards, seed + shards), algorithm)
        for shards in (1, 2, 7, 64)
        for folder in [tmp_path_factory.mktemp("day")]
    )
    assert all(other.files == whole.files for other in others)
    assert {other.inertia for other in others} == {whole.inertia}


@st.composite
def spread_days(choose: Any) -> Day:
    """Points that are nowhere as far from one centre as from another, as scikit-learn cannot tell."""
    rng = np.random.default_rng(choose(st.integers(0, 2**16)))
    count, dimensions = choose(st.integers(8, 200)), choose(st.integers(1, 6))
    values = rng.normal(size=(count, dimensions)) + 4.0 * rng.integers(0, 3, (count, 1))
    copies = rng.integers(0, count, choose(st.integers(0, 5)))
    return Day(np.concatenate([values, values[copies]]), rng.integers(1, 5, count + len(copies)))


@settings(max_examples=25, deadline=None)
@given(
    day=spread_days(),
    clusters=st.integers(1, 8),
    seed=st.integers(0, 99),
    tol=st.sampled_from([0.0, 1e-4, 1e-2]),
    max_iter=st.sampled_from([1, 3, 300]),
)
def test_clusters_are_those_of_scikit_learn(
    tmp_path_factory: pytest.TempPathFactory, day: Day, clusters: int, seed: int, tol: float, max_iter: int
) -> None:
    folder = tmp_path_factory.mktemp("day")
    algorithm = {"n_clusters": clusters, "seed": seed, "tol": tol, "max_iter": max_iter}
    found = k_means(folder, day, split(folder, day, 3, seed), algorithm)
    parameters = {"n_init": 1, "algorithm": "lloyd", "max_iter": max_iter, "tol": tol}
    # Every entity a row: then tol is relative to the variance of the entities, as ours is.
    truth = KMeans(clusters, init=found.first, **parameters).fit(np.repeat(day.values, day.weights, axis=0))
    # Where nothing moves, a rounding error of scikit-learn's mean may cost it a further round.
    assert truth.n_iter_ - found.rounds in ([0] if tol else [0, 1])
    assert np.abs(found.centres - truth.cluster_centers_).max() <= 1e-9
    assert found.inertia == pytest.approx(truth.inertia_, rel=1e-9, abs=1e-9)
    first_entities = np.cumsum(day.weights) - day.weights
    assert_same_clusters(found.labels, truth.labels_[first_entities])
    # With weights instead, tol is relative to the variance of the points.
    tol *= np.repeat(day.values, day.weights, axis=0).var(axis=0).mean() / day.values.var(axis=0).mean()
    weighted = KMeans(clusters, init=found.first, **{**parameters, "tol": tol})
    weighted.fit(day.values, sample_weight=day.weights)
    assert np.abs(found.centres - weighted.cluster_centers_).max() <= 1e-9
    assert_same_clusters(found.labels, weighted.labels_)


def assert_same_clusters(ours: Any, theirs: Any) -> None:
    """Equal up to renumbering, and ours numbered by their first points."""
    pairs = np.unique(np.stack([ours, theirs]), axis=1)
    assert len(np.unique(ours)) == len(np.unique(theirs)) == pairs.shape[1]
    _, first = np.unique(ours, return_index=True)
    assert (np.diff(first) > 0).all()


def round_of(folder: Any, day: Day, centres: Any, shards: int = 1) -> Any:
    """One round from given centres; the reply and the new centres."""
    count, dimensions = centres.shape
    numbers = {"centre": np.arange(count)}
    write_table(folder / "centres", **numbers, **{f"x{k}": centres[:, k] for k in range(dimensions)})
    sums, farthest = [], []
    for number, shard in enumerate(split(folder, day, shards, 2)):
        event = RoundEvent(
            points=tuple(shard),
            columns=day.columns,
            centres=str(folder / "centres"),
            output=str(folder / f"sums{number}"),
            farthest=str(folder / f"far{number}"),
        )
        reduce_round(event, BATCH)
        sums.append(event.output)
        farthest.append(event.farthest)
    event = CentresEvent(
        centres=str(folder / "centres"),
        sums=tuple(sums),
        farthest=tuple(farthest),
        point_count=len(day.values),
        tolerance=0.0,
        output=str(folder / "moved"),
    )
    return event, move_centres(event), read_centres(str(folder / "moved")).T


@pytest.mark.parametrize("shards", [1, 5])
@pytest.mark.parametrize("empty", [1, 2, 3])
def test_centres_without_points_go_where_scikit_learn_sends_them(
    tmp_path: Path, shards: int, empty: int
) -> None:
    rng = np.random.default_rng(empty)
    day = Day(rng.normal(size=(60, 2)), rng.integers(1, 6, 60))
    centres = np.concatenate([day.values[:2], 50.0 + rng.normal(size=(empty, 2)), day.values[2:3]])
    _, reply, moved = round_of(tmp_path, day, centres, shards)
    truth = KMeans(len(centres), init=centres, n_init=1, max_iter=1, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        truth.fit(day.values, sample_weight=day.weights)
    assert reply.moved == empty
    # scikit-learn does not say which of the empty ones goes where.
    assert np.allclose(sorted(moved.tolist()), sorted(truth.cluster_centers_.tolist()), rtol=0, atol=1e-12)


def test_where_all_points_lie_on_centres_those_without_go_to_the_heaviest(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [2.0], [2.0]]), np.array([5, 3, 3]))
    _, reply, moved = round_of(tmp_path, day, np.array([[1.0], [9.0], [2.0]]), 2)
    assert moved.tolist() == [[1.0], [2.0], [2.0]]
    assert (reply.moved, reply.inertia, reply.shift) == (1, 0.0, 49.0)


def test_a_mean_is_rounded_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(50, 20)) * 10.0 ** rng.integers(-8, 8, 20)
    values[:2] = [[1e16], [-1e16]]
    weights = np.concatenate([[3, 3], rng.integers(1, 100, 48)])
    _, _, moved = round_of(tmp_path, Day(values, weights), np.zeros((1, 20)), 3)
    entities = int(weights.sum())
    for mean, column in zip(moved[0], values.T, strict=True):
        pairs = zip(column.tolist(), weights.tolist(), strict=True)
        assert mean == float(sum(Fraction(value) * weight for value, weight in pairs) / entities)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_numbers_end_in_the_right_clusters(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    day = Day((rng.normal(size=(90, 2)) * 0.01 + truth[:, np.newaxis] / 3) * scale, np.full(90, 2**20))
    algorithm = {"n_clusters": 3, "seed": 1, "tol": 1e-4, "max_iter": 50}
    found = k_means(tmp_path, day, split(tmp_path, day, 4, 0), algorithm)
    assert np.array_equal(found.labels, truth)
    assert np.isfinite(found.inertia)


def test_equal_points_are_one_cluster(tmp_path: Path) -> None:
    day = Day(np.full((40, 2), 0.1), np.ones(40, np.int64))
    algorithm = {"n_clusters": 5, "seed": 1, "tol": 1e-4, "max_iter": 50}
    found = k_means(tmp_path, day, split(tmp_path, day, 2, 0), algorithm)
    assert not found.labels.any()
    assert (found.inertia, found.rounds) == (0.0, 1)


def test_fewer_points_than_clusters_are_a_cluster_each(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [5.0], [3.0]]), np.array([1, 2, 3]))
    algorithm = {"n_clusters": 8, "seed": 1, "tol": 1e-4, "max_iter": 50}
    assert k_means(tmp_path, day, split(tmp_path, day, 2, 0), algorithm).labels.tolist() == [0, 1, 2]


# --- first centres


def test_first_centres_are_as_good_as_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 3)) + 8.0 * rng.integers(0, 6, (600, 1))
    weights = rng.integers(1, 9, 600)
    batch = Batch(np.arange(600), weights, np.ascontiguousarray(values.T))

    def inertia(centres: Any) -> float:
        return float(((((values[:, np.newaxis] - centres) ** 2).sum(axis=2)).min(axis=1) * weights).sum())

    ours = np.median([inertia(values[plus_plus(batch, 6, seed)]) for seed in range(15)])
    theirs = np.median(
        [inertia(kmeans_plusplus(values, 6, sample_weight=weights, random_state=s)[0]) for s in range(15)]
    )
    assert ours <= 1.1 * theirs


def test_first_centres_are_points_and_differ_with_the_seed() -> None:
    values = np.random.default_rng(5).normal(size=(2, 300))
    batch = Batch(np.arange(300), np.ones(300, np.int64), values)
    chosen = [plus_plus(batch, 10, seed) for seed in (1, 1, 2)]
    assert len(set(chosen[0].tolist())) == 10
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


# --- refusals


def events(folder: Any, file: str) -> dict[str, Any]:
    shard = {"points": (file,), "columns": ("x0",)}
    return {
        "sample": SampleEvent(
            **shard, n_clusters=2, seed=1, output=str(folder / "sample"), sums=str(folder / "spread")
        ),
        "round": RoundEvent(
            **shard, centres=str(folder / "c"), output=str(folder / "s"), farthest=str(folder / "f")
        ),
        "assign": AssignEvent(**shard, centres=str(folder / "c"), output=str(folder / "labels")),
    }


def test_bad_points_are_refused(tmp_path: Path) -> None:
    bad = {
        "weight 0": {"point_id": [0], "weight": [0], "x0": [1.0]},
        "below 0": {"point_id": [-1], "weight": [1], "x0": [1.0]},
        "not finite": {"point_id": [0], "weight": [1], "x0": [np.nan]},
        "no column x0": {"point_id": [0], "weight": [1], "x1": [1.0]},
    }
    for number, (message, columns) in enumerate(bad.items()):
        file = write_table(tmp_path / f"points-{number}", **columns)
        with pytest.raises(InputError, match=message):
            sample_shard(events(tmp_path, file)["sample"])


def test_more_entities_than_sums_have_room_for_are_refused(tmp_path: Path) -> None:
    file = write_table(tmp_path / "points", point_id=[0], weight=[2**39], x0=[1.0])
    with pytest.raises(CapacityError, match=r"549,755,813,888 entities"):
        sample_shard(events(tmp_path, file)["sample"])


def test_shards_that_miss_points_or_dimensions_are_refused(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [2.0]]), np.array([1, 1]))
    event, _, _ = round_of(tmp_path, day, np.array([[1.0]]))
    with pytest.raises(InputError, match="promises 3 points, the shards 2"):
        move_centres(replace(event, point_count=3))
    with pytest.raises(InputError, match="promises 2 points, the shards 4"):
        move_centres(replace(event, sums=event.sums * 2))
    assign = events(tmp_path, str(tmp_path / "points-0.parquet"))["assign"]
    write_table(tmp_path / "c", centre=[0], x0=[1.0], x1=[2.0])
    with pytest.raises(InputError, match="points of 1 dimensions, centres of 2"):
        assign_points(assign)


def test_labels_that_miss_points_are_refused(tmp_path: Path) -> None:
    part = write_table(tmp_path / "part", point_id=[0, 2], cluster=[0, 1])
    with pytest.raises(InputError, match="labelled 2 points, each of 3"):
        gather_labels(GatherEvent(parts=(part,), point_count=3, output=str(tmp_path / "labels")))
    with pytest.raises(InputError, match="labelled 4 points, each of 4"):
        gather_labels(GatherEvent(parts=(part, part), point_count=4, output=str(tmp_path / "labels")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a number >= 1"),
        ({"tol": -1.0}, "tol must be a number >= 0"),
        ({"tol": None}, "tol must be a finite number"),
        ({"point_count": 0}, "point_count must be a number >= 1"),
        ({"seed": "x"}, "seed must be a number >= 0"),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    event = SeedEvent(
        samples=("/s",), sums=("/m",), point_count=5, n_clusters=2, seed=1, tol=0.1, output="/o"
    )
    assert SeedEvent.from_json(event.to_json()) == event
    with pytest.raises(ContractError, match=message):
        SeedEvent.from_json({**event.to_json(), **change})


def test_events_travel_as_json(tmp_path: Path) -> None:
    for event in events(tmp_path, "/points").values():
        assert type(event).from_json(json.loads(json.dumps(event.to_json()))) == event
        with pytest.raises(ContractError, match="columns must name"):
            type(event).from_json({**event.to_json(), "columns": []})
        assert not handler(event.to_json(), None)["ok"]  # there are no such points


# --- memory


PROGRAM = (
    "import json, sys; from lambda_worker.handler import handler; "
    "print(json.dumps(handler(json.load(sys.stdin), None)))"
)


@pytest.mark.parametrize(("rows", "dimensions", "clusters"), [(400_000, 4, 10), (40_000, 40, 2000)])
def test_a_round_takes_the_memory_that_is_predicted(
    tmp_path: Path, rows: int, dimensions: int, clusters: int
) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, dimensions))
    columns = {f"x{k}": values[:, k] for k in range(dimensions)}
    file = write_table(tmp_path / "points", point_id=np.arange(rows), weight=np.ones(rows), **columns)
    centres = {name: column[:clusters] for name, column in columns.items()}
    write_table(tmp_path / "centres", centre=np.arange(clusters), **centres)
    event = RoundEvent(
        points=(file,),
        columns=tuple(columns),
        centres=str(tmp_path / "centres"),
        output=str(tmp_path / "sums"),
        farthest=str(tmp_path / "far"),
    )
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(event.to_json()),
        capture_output=True,
        check=True,
        text=True,
    )
    reply = json.loads(answer.stdout)
    assert reply["ok"], reply["error"]
    assert reply["peak_memory_mb"] == pytest.approx(round_memory_mb(clusters, dimensions, rows), rel=0.25)
