"""The files of an index: their layout, damage, lookups, and items that cannot be classified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from serving_days import DAY, SmallDay

from lambda_worker.contract import InputError
from lambda_worker.contract.profiles import Part
from lambda_worker.contract.serving import Space
from lambda_worker.serving.arrays import map_arrays, save_arrays
from lambda_worker.serving.contract import Item, ItemError
from lambda_worker.serving.index import DayIndex

if TYPE_CHECKING:
    from pathlib import Path

ARRAYS = {
    "one": np.arange(5, dtype=np.int32),
    "two": np.array([[1.5, -2.0]]),
    "none": np.empty((0, 3)),
    "flags": np.array([True, False]),
    "marks": np.array([2**63], np.uint64),
    "small": np.array([0.5], np.float32),
}


def day_of(kind: str, columns: tuple[str, ...], features: list[Any], **space: Any) -> SmallDay:
    metric = {"set": "jaccard", "text": "levenshtein", "geo": "haversine", "mixed": "gower"}
    space = {"metric": metric.get(kind, "euclidean"), "threshold": 1.0, **space}
    return SmallDay(
        Space(kind, columns, **space),
        {"type": "dbscan", "min_samples": 1},
        features,
        list(range(len(features))),
        frozenset(range(len(features))),
    )


def test_a_file_of_arrays_has_the_layout_of_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert save_arrays(path, ARRAYS, b'{"a": 1}') == path.stat().st_size
    body = path.read_bytes()
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    assert (8 + length) % 64 == 0
    assert header.pop("__metadata__") == {"facts": '{"a": 1}'}
    ends = sorted(entry["data_offsets"] for entry in header.values())
    assert [start for start, _ in ends] == [0, *(end for _, end in ends[:-1])], "arrays without gaps"
    assert ends[-1][1] == len(body) - 8 - length
    found, facts = map_arrays(path)
    assert facts == b'{"a": 1}'
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
        assert not found[name].flags.writeable
        assert found[name].ctypes.data % array.itemsize == 0, "aligned"


@pytest.mark.parametrize("keep", [0, 7, 8, 40, 300, -1])
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, ARRAYS, b"{}")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError):
        map_arrays(path)


def test_an_index_of_another_format_is_refused(tmp_path: Path) -> None:
    day_of("text", ("text",), ["a"]).index(tmp_path)
    path = tmp_path / "index.safetensors"
    arrays, facts = map_arrays(path)
    copied = {name: array.copy() for name, array in arrays.items()}
    save_arrays(path, copied, json.dumps(json.loads(facts) | {"format": 99}).encode())
    with pytest.raises(InputError, match="format 99"):
        DayIndex(path, tmp_path / "entities.sqlite", 1)


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    small = day_of("set", ("tokens",), [("a", "b"), ("a",), ("c", "d")])
    for name in ("one", "two"):
        small.index(tmp_path / name)
    for file in ("index.safetensors", "entities.sqlite"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_entities_and_clusters_are_looked_up_and_paged(tmp_path: Path) -> None:
    small = SmallDay(
        Space("vector", ("x0",), "euclidean", 1.0),
        {"type": "dbscan", "min_samples": 2},
        [(0.0,), (0.0,), (5.0,), (9.0,), (9.5,)],
        [0, 0, -1, 1, 1],
        frozenset({0, 1, 3, 4}),
    )
    index = small.index(tmp_path)
    assert (index.pipeline, index.day, index.version, index.kind) == ("small", DAY, 1, "vector")
    found = index.entity("e000002")
    assert found is not None
    assert (found.cluster, found.role, found.stable_id, found.day) == (-1, "noise", None, DAY)
    assert index.entity("e000003").stable_id == "20260105-000001"  # type: ignore[union-attr]
    for name in ("", "e", "e\0000", "\ud800", "a'b", "😀"):
        assert index.entity(name) is None
    assert [one.cluster for one in index.clusters(-1, 10)] == [0, 1]
    assert [one.cluster for one in index.clusters(0, 10)] == [1]
    assert index.clusters(-1, 1)[0].entities == 2
    assert index.cluster(7) is None
    assert [one.entity for one in index.members(1, "", 1)] == ["e000003"]
    assert [one.entity for one in index.members(1, "e000003", 9)] == ["e000004"]
    assert [one.entity for one in index.members(-1, "", 9)] == ["e000002"]


def test_a_day_without_points_answers_noise(tmp_path: Path) -> None:
    index = day_of("vector", ("x0",), []).index(tmp_path)
    (found,) = index.classify([Item(vector=(1.0,))])
    assert (found.cluster, found.role, found.distance, found.changes) == (-1, "core", None, ("founds",))
    assert index.clusters(-1, 5) == []


LONG = "a" * 1001
MIXED = Space(
    "mixed",
    ("n", "s", "p_latitude", "p_longitude"),
    "gower",
    1.0,
    parts=(Part("n", "number", 1.0), Part("s", "set", 1.0), Part("p", "geo", 1.0)),
)
REFUSED = [
    ("vector", {"text": "a"}, "vector"),
    ("vector", {"vector": [1.0]}, "vector"),
    ("vector", {"vector": [1.0, 1e151]}, "vector/1"),
    ("vector", {"vector": [1.0, 2.0], "text": "a"}, "text"),
    ("geo", {"latitude": 1.0}, "longitude"),
    ("geo", {"latitude": 91.0, "longitude": 0.0}, "latitude"),
    ("text", {"text": LONG}, "text"),
    ("set", {"set": []}, "set"),
    ("set", {"set": ["unknown"]}, "set"),
    ("mixed", {"mixed": {"n": 1, "s": ["a"]}}, "mixed/p"),
    ("mixed", {"mixed": {"n": "1", "s": ["a"], "p": {"latitude": 1, "longitude": 2}}}, "mixed/n"),
    ("mixed", {"mixed": {"n": True, "s": ["a"], "p": {"latitude": 1, "longitude": 2}}}, "mixed/n"),
    ("mixed", {"mixed": {"n": 1, "s": "a", "p": {"latitude": 1, "longitude": 2}}}, "mixed/s"),
    ("mixed", {"mixed": {"n": 1, "s": ["a"], "p": {"latitude": 1}}}, "mixed/p"),
    ("mixed", {"mixed": {"n": 1, "s": ["a"], "p": {"latitude": 100, "longitude": 2}}}, "mixed/p/latitude"),
]


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DayIndex]:
    place = (1.0, 2.0)
    days = {
        "vector": day_of("vector", ("x0", "x1"), [(1.0, 2.0)]),
        "geo": day_of("geo", ("latitude", "longitude"), [place]),
        "text": day_of("text", ("text",), ["a"]),
        "set": day_of("set", ("tokens",), [("a", "b")], limited_tokens=True),
        "mixed": SmallDay(MIXED, {"type": "optics"}, [(1.0, ("a",), place)], [0]),
    }
    return {name: day.index(tmp_path_factory.mktemp(name)) for name, day in days.items()}


@pytest.mark.parametrize(("kind", "item", "field"), REFUSED)
def test_an_item_that_cannot_be_classified_names_its_field(
    indexes: dict[str, DayIndex], kind: str, item: dict[str, Any], field: str
) -> None:
    with pytest.raises(ItemError) as refused:
        indexes[kind].classify([msgspec.convert(item, Item)])
    assert (refused.value.index, refused.value.field) == (0, field)


def test_vectors_that_are_not_finite_are_refused(indexes: dict[str, DayIndex]) -> None:
    for value in (float("nan"), float("inf"), 10**400, "1"):
        with pytest.raises(ItemError, match="items/1/vector/0"):
            indexes["vector"].classify([Item(vector=(1.0, 2.0)), Item(vector=(value, 2.0))])  # type: ignore[arg-type]


def test_tokens_outside_the_day_are_dropped_where_the_day_dropped_tokens(
    indexes: dict[str, DayIndex],
) -> None:
    (found,) = indexes["set"].classify([Item(set=("a", "unknown", "b", "a"))])
    assert (found.cluster, found.distance) == (0, 0.0)
