"""A day in shards: whatever the split, the clusters are those of scikit-learn and scipy on the whole day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batches import in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from peak_process import answer_and_imports
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN
from written_columns import read_bytes

from lambda_worker.clusterers.whole_day.day import cluster_day
from lambda_worker.contract import (
    VERSION,
    ClusterEvent,
    ContractError,
    DendrogramEvent,
    ForestEvent,
    ForestReply,
)
from lambda_worker.contract.forests import FOREST_KINDS, NEEDS_CORES
from lambda_worker.graph.forests import reduce_shard
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable

SHARDS = [1, 2, 7, 64]


@dataclass(frozen=True)
class Split:
    """How a day is cut into shards, and how little a worker may hold."""

    shards: int = 1
    repeats: int = 0  # pairs that come in a second shard too
    fan_in: int = 0  # forests that one merge takes; 0 is no merge
    rows: int = 1 << 16  # of a batch and of a fold
    seed: int = 0


splits = st.builds(
    Split,
    st.sampled_from(SHARDS),
    st.integers(0, 5),
    st.sampled_from([0, 2, 3, 64]),
    st.sampled_from([1, 3, 1 << 16]),
    st.integers(0, 2**16),
)


@dataclass(frozen=True)
class Places:
    """Weighted points on a small grid: ties at the threshold are the rule."""

    places: Any  # shape (points, 2), distinct
    weights: Any
    reach: int  # squared distance up to which points are near

    @property
    def squared(self) -> Any:
        gap = self.places[:, None, :] - self.places[None, :, :]
        return (gap * gap).sum(axis=2)

    def pairs(self) -> Any:
        return np.argwhere(np.triu(self.squared <= self.reach, 1))


def places_of(places: list[tuple[int, int]], weights: list[int], reach: int) -> Places:
    return Places(np.array(places, np.int64), np.array(weights[: len(places)], np.int64), reach)


days = st.builds(
    places_of,
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=40, unique=True),
    st.lists(st.integers(1, 4), min_size=40, max_size=40),
    st.sampled_from([1, 2, 4, 5, 9]),
)


def cluster_in_shards(folder: Any, pairs: Any, split: Split, **algorithm: Any) -> Any:
    """Forests of random shards, merges of them where the split asks for it, labels: the worker's reply."""
    rng = np.random.default_rng(split.seed)
    again = pairs[rng.integers(0, len(pairs), split.repeats)] if len(pairs) else pairs
    parts = np.array_split(rng.permutation(np.concatenate([pairs, again])), split.shards)
    files = [(folder.add_pairs(part),) for part in parts]
    level = 0
    while len(files) > 1 or level == 0:
        files = [
            (reduce(folder, shard, f"{level}-{k}", split, algorithm["type"]),)
            for k, shard in enumerate(files)
        ]
        level += 1
        if not split.fan_in:
            break
        merged = [sum(files[k : k + split.fan_in], ()) for k in range(0, len(files), split.fan_in)]
        if len(merged) == len(files):
            break
        files = merged
    event = folder.event(**algorithm) | {"candidates": [name for group in files for name in group]}
    return in_batches(split.rows, cluster_day, ClusterEvent.from_json(event))


def reduce(folder: Any, files: tuple[str, ...], name: str, split: Split, algorithm: str) -> str:
    output = str(folder.folder / f"forest-{name}.parquet")
    cores = tuple(folder.cores or ()) if algorithm in NEEDS_CORES else None
    event = ForestEvent(
        kind=FOREST_KINDS[algorithm],
        candidates=files,
        point_count=folder.point_count,
        output=output,
        cores=cores,
    )
    reply = in_batches(
        split.rows,
        reduce_shard,
        ForestEvent.from_json(json.loads(json.dumps(event.to_json()))),
        split.rows,
    )
    assert reply.rows - reply.borders < max(folder.point_count, 1)
    return output


@settings(max_examples=120)
@given(day=days, min_samples=st.integers(1, 8), split=splits)
def test_dbscan_equals_scikit_learn_number_for_number(
    new_day: Callable[[], Any], read_labels: Any, day: Places, min_samples: int, split: Split
) -> None:
    truth = DBSCAN(eps=day.reach, min_samples=min_samples, metric="precomputed")
    truth.fit(day.squared.astype(float), sample_weight=day.weights)
    folder = new_day()
    folder.add_points(np.arange(len(day.weights)), day.weights)
    folder.add_cores(truth.core_sample_indices_)
    reply = cluster_in_shards(folder, day.pairs(), split, type="dbscan", min_samples=min_samples)

    _, cluster, roles = read_labels(folder.output)
    assert np.array_equal(cluster, truth.labels_)
    assert np.array_equal(np.flatnonzero(np.array(roles) == "core"), truth.core_sample_indices_)
    assert reply.noise_entities == day.weights[truth.labels_ == -1].sum()


@settings(max_examples=80)
@given(day=days, split=splits, single_linkage=st.booleans())
def test_components_equal_scipy(
    new_day: Callable[[], Any], read_labels: Any, day: Places, split: Split, *, single_linkage: bool
) -> None:
    n = len(day.weights)
    folder = new_day()
    folder.add_points(np.arange(n), day.weights)
    algorithm: dict[str, Any] = {"type": "connected_components"}
    if single_linkage:
        algorithm = {"type": "single_linkage", "threshold": None}
    reply = cluster_in_shards(folder, day.pairs(), split, **algorithm)
    a, b = day.pairs().T
    count, truth = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    _, cluster, roles = read_labels(folder.output)
    assert np.array_equal(cluster, truth)
    assert set(roles) == {"member"}
    assert reply.clusters == count


def many_places() -> Places:
    rng = np.random.default_rng(3)
    places = np.unique(rng.integers(0, 60, (1500, 2)), axis=0)
    rng.shuffle(places)
    return Places(places, rng.integers(1, 4, len(places)), reach=2)


@pytest.mark.parametrize("shards", SHARDS)
def test_a_merged_forest_has_the_same_bytes_for_every_split(new_day: Callable[[], Any], shards: int) -> None:
    day = many_places()
    pairs = day.pairs()
    distance = np.sqrt(day.squared[pairs[:, 0], pairs[:, 1]])
    order = np.random.default_rng(shards).permutation(len(pairs))
    whole, split = new_day(), new_day()
    for folder in (whole, split):
        folder.point_count = len(day.weights)
        folder.add_cores(np.flatnonzero(np.arange(len(day.weights)) % 3 > 0))
    whole.add_pairs(pairs, distance)
    for part in np.array_split(order, shards):
        split.add_pairs(pairs[part], distance[part])
    for algorithm in ("connected_components", "dbscan", "single_linkage"):
        expected = reduce(whole, tuple(whole.candidates), algorithm, Split(), algorithm)
        small = Split(rows=100)
        forests = [
            reduce(split, (name,), f"{algorithm}-{k}", small, algorithm)
            for k, name in enumerate(split.candidates)
        ]
        merged = reduce(split, tuple(forests[::-1]), algorithm, small, algorithm)
        assert read_bytes(merged) == read_bytes(expected)
        assert read_bytes(reduce(split, (merged,), "again", small, algorithm)) == read_bytes(expected)


@pytest.mark.parametrize("algorithm", ["connected_components", "dbscan", "single_linkage"])
def test_no_pair_and_no_point_make_empty_forests(new_day: Callable[[], Any], algorithm: str) -> None:
    for points, shards in ((0, 0), (3, 0), (3, 2)):
        folder = new_day()
        folder.point_count = points
        for _ in range(shards):
            folder.add_pairs([])
        event = ForestEvent(
            kind=FOREST_KINDS[algorithm],
            candidates=tuple(folder.candidates),
            point_count=points,
            output=str(folder.output),
            cores=() if algorithm in NEEDS_CORES else None,
        )
        reply = ForestReply.from_json(handler(event.to_json(), None))
        assert (reply.ok, reply.rows, reply.pairs) == (True, 0, 0)
        assert folder.output.exists()


@pytest.mark.parametrize("shards", [1, 7])
@pytest.mark.parametrize("algorithm", ["connected_components", "dbscan", "single_linkage"])
def test_a_chain_and_a_star_stay_whole(
    new_day: Callable[[], Any], read_labels: Any, algorithm: str, shards: int
) -> None:
    n = 20_000
    ids = np.random.default_rng(2).permutation(n)
    chain = np.sort(np.stack([ids[:-1], ids[1:]], axis=1), axis=1)
    in_order = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    star = np.stack([np.arange(n - 1), np.full(n - 1, n - 1)], axis=1)
    for pairs in (chain, in_order, in_order[::-1], star):
        folder = new_day()
        folder.add_points(np.arange(n), np.ones(n))
        folder.add_cores(np.arange(n))
        parameters: dict[str, Any] = {"dbscan": {"min_samples": 2}, "single_linkage": {"threshold": 0.0}}
        cluster_in_shards(
            folder, pairs, Split(shards, fan_in=3), type=algorithm, **parameters.get(algorithm, {})
        )
        assert set(read_labels(folder.output)[1].tolist()) == {0}


def test_a_shard_by_place_keeps_one_pair_a_point_and_few_attachments(new_day: Callable[[], Any]) -> None:
    day = many_places()
    folder = new_day()
    folder.point_count = len(day.weights)
    core = np.arange(len(day.weights)) % 10 > 0
    folder.add_cores(np.flatnonzero(core))
    pairs = day.pairs()
    event = ForestEvent(
        kind="spanning",
        candidates=(folder.add_pairs(pairs),),
        point_count=folder.point_count,
        output=str(folder.output),
        cores=tuple(folder.cores),
    )
    reply = reduce_shard(event)
    both = pairs[core[pairs].all(axis=1)]
    n = folder.point_count
    graph = coo_matrix((np.ones(len(both)), both.T), shape=(n, n))
    count, component = connected_components(graph, directed=False)
    mixed = pairs[core[pairs].sum(axis=1) == 1]
    outer, inner = np.where(core[mixed[:, 0]], mixed.T[::-1], mixed.T)
    assert reply.rows - reply.borders == n - count
    assert reply.borders == len(set(zip(outer.tolist(), component[inner].tolist(), strict=True)))
    assert reply.pairs == len(pairs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "maximum"}, "kind: Invalid enum value 'maximum'; expected spanning or minimum"),
        ({"kind": "minimum", "cores": []}, "cores must be null"),
        ({"point_count": 2**32}, "point_count: Expected `int` <= 3037000499"),
        ({"candidates": "a.parquet"}, "candidates: Expected `array`"),
        ({"version": 99}, "version 99"),
        ({"output": ""}, "output: Expected `str` of length >= 1"),
    ],
)
def test_a_bad_event_is_refused_with_the_reason(change: dict[str, Any], words: str) -> None:
    event = (
        ForestEvent(kind="spanning", candidates=(), point_count=3, output="/nowhere/forest.parquet").to_json()
        | change
    )
    reply = handler(event, None)
    assert not reply["ok"]
    assert words in reply["error"]
    assert ForestReply.from_json(reply).error_type == "ContractError"


def test_a_missing_field_and_an_unknown_operation_are_refused() -> None:
    with pytest.raises(ContractError, match="field `kind`"):
        ForestEvent.from_json({"version": VERSION})
    with pytest.raises(ContractError, match="field `forests`"):
        DendrogramEvent.from_json({"version": VERSION})
    for operation in ("prune", 7, None, ["forest"]):
        reply = handler({"version": VERSION, "operation": operation}, None)
        assert not reply["ok"]
        assert "dendrogram" in reply["error"]
        assert "forest" in reply["error"]


def test_a_pair_that_names_no_point_is_refused_and_writes_nothing(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_pairs([(0, 1), (1, 3)])
    for kind in ("spanning", "minimum"):
        event = ForestEvent(
            kind=kind, candidates=tuple(folder.candidates), point_count=3, output=str(folder.output)
        ).to_json()
        reply = handler(event, None)
        assert (reply["ok"], reply["error_type"]) == (False, "InputError")
        assert "row 1: (1, 3)" in reply["error"]
        assert not folder.output.exists()


def test_forests_need_numpy_and_arro3_alone(new_day: Callable[[], Any]) -> None:
    folder = new_day()
    folder.add_pairs([(0, 1), (1, 2)], [0.5, 0.25])
    minimum = ForestEvent(
        kind="minimum", candidates=tuple(folder.candidates), point_count=3, output=str(folder.output)
    )
    spanning = ForestEvent(
        kind="spanning",
        candidates=tuple(folder.candidates),
        point_count=3,
        output=str(folder.folder / "spanning.parquet"),
    )
    drawn = DendrogramEvent(
        forests=(str(folder.output),), point_count=3, output=str(folder.folder / "dendrogram.parquet")
    )
    for event in (minimum, spanning, drawn):
        reply, heavy = answer_and_imports(event.to_json())
        assert (reply["ok"], heavy) == (True, [])
