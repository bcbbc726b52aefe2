"""Joins of sets by the worker are the pairs of brute force, with the kernel and without it."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import arro3.io
import duckdb
import numpy as np
import pytest
from arro3.core import Array, DataType, RecordBatch, list_array
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_worker.contract.candidates import JoinEvent
from lambda_worker.handler import handler
from lambda_worker.kernel import VARIABLE, loaded
from lambda_worker.pairs.sets import SetSearch
from lambda_worker.tables.lists import TokenSets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Pairs = list[tuple[int, int, float]]

METRICS = ("jaccard", "dice", "overlap", "cosine")
TOKENS = st.sampled_from(
    ["a", "b", "ab", "", "é", "\U0001f600", "a" * 8, "a" * 9, "a" * 8 + "b", "日本", "\0"]
)

needs_kernel = pytest.mark.skipif(loaded() is None, reason="without a compiler the twin is all there is")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


def distance(metric: str, one: frozenset[str], other: frozenset[str]) -> float:
    a, b, common = len(one), len(other), len(one & other)
    return {
        "jaccard": lambda: float(a + b - 2 * common) / float(a + b - common),
        "dice": lambda: float(a + b - 2 * common) / float(a + b),
        "overlap": lambda: float(min(a, b) - common) / float(min(a, b)),
        "cosine": lambda: 1.0 - float(common) / math.sqrt(float(a) * float(b)),
    }[metric]()


def brute(sets: Sequence[frozenset[str]], metric: str, threshold: float) -> Pairs:
    pairs = itertools.combinations(range(len(sets)), 2)
    measured = [(a, b, distance(metric, sets[a], sets[b])) for a, b in pairs]
    return [pair for pair in measured if pair[2] <= threshold]


def token_sets(sets: Sequence[frozenset[str]]) -> TokenSets:
    tokens = [token.encode() for one in sets for token in sorted(one)]
    sizes = np.array([len(one) for one in sets], np.int64)
    bounds = np.append(0, np.cumsum([len(token) for token in tokens])).astype(np.int64)
    text = np.frombuffer(b"".join(tokens), np.uint8)
    return TokenSets(np.arange(len(sets)), np.cumsum(sizes) - sizes, sizes, text, bounds)


def search(sets: Sequence[frozenset[str]], metric: str, threshold: float) -> Pairs:
    pairs: Pairs = []
    for one, other, found in SetSearch(token_sets(sets), metric, threshold).pairs():
        low, high = np.minimum(one, other), np.maximum(one, other)
        pairs += list(zip(low.tolist(), high.tolist(), found.tolist(), strict=True))
    return sorted(pairs)


def write(path: Path, sets: Sequence[frozenset[str]], order: Any = None) -> str:
    ids = np.arange(len(sets)) if order is None else np.asarray(order)
    tokens = [token for k in ids for token in sorted(sets[k])]
    offsets = np.append(0, np.cumsum([len(sets[k]) for k in ids])).astype(np.int32)
    lists = list_array(Array.from_numpy(offsets), Array(tokens, type=DataType.utf8()))
    columns = [Array.from_numpy(ids), lists]
    arro3.io.write_parquet(RecordBatch.from_arrays(columns, names=["point_id", "tokens"]), path)
    return str(path)


def event(points: tuple[str, ...], count: int, threshold: float, output: Path, **more: Any) -> dict[str, Any]:
    return JoinEvent(
        points=points,
        kind="set",
        column="tokens",
        point_count=count,
        **(
            {"metric": "jaccard", "max_pairs": 10**9, "max_tests": 10**12, "memory_mb": 4000.0}
            | {"threshold": threshold, "output": f"{output}/found"}
            | more
        ),
    ).to_json()


def found(reply: dict[str, Any]) -> Pairs:
    assert reply["ok"], reply["error"]
    assert not reply["declined"]
    files = [file["uri"] for file in reply["files"]]
    if not files:
        return []
    query = f"SELECT point_a, point_b, distance FROM read_parquet({files}) ORDER BY 1, 2"
    return duckdb.sql(query).fetchall()


@st.composite
def days(draw: st.DrawFn) -> tuple[list[frozenset[str]], str, float]:
    """Distinct sets, and thresholds that many pairs meet exactly."""
    sets = draw(st.lists(st.frozensets(TOKENS, min_size=1), max_size=14, unique=True))
    exact = [distance(metric, a, b) for metric in METRICS for a, b in itertools.combinations(sets[:4], 2)]
    threshold = draw(st.sampled_from([0.0, 1e-9, 0.2, 0.25, 0.5, 2 / 3, 0.9, 1.0, *exact]))
    return sets, draw(st.sampled_from(METRICS)), min(1.0, max(0.0, threshold))


@settings(max_examples=300)
@given(days())
@example(([frozenset("a"), frozenset("ab"), frozenset("abé")], "overlap", 0.0))
@example(([frozenset(["a" * 8]), frozenset(["a" * 9]), frozenset(["a" * 9, "a" * 8 + "b"])], "cosine", 0.3))
def test_pairs_and_distances_equal_brute_force(day: tuple[list[frozenset[str]], str, float]) -> None:
    for switch in ("on", "off"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, switch)
            assert search(*day) == brute(*day)


def zipf(count: int, vocabulary: int, seed: int = 3) -> list[frozenset[str]]:
    """Sets of 3 to 40 tokens, some of them held by most sets; a third are near copies; all are distinct."""
    chance = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, vocabulary + 1)
    shares /= shares.sum()
    made = [
        frozenset(f"t{k}" for k in chance.choice(vocabulary, size, p=shares))
        for size in chance.integers(3, 41, count)
    ]
    for source in range(0, count, 3):
        changed = list(made[source])
        changed[chance.integers(0, len(changed))] = f"t{chance.integers(0, vocabulary)}"
        made.append(frozenset(changed))
    return sorted(set(made), key=sorted)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_many_tokens_and_sizes(kernel: str, metric: str, threshold: float) -> None:
    sets = zipf(300, 400)
    truth = brute(sets, metric, threshold)
    assert truth
    assert search(sets, metric, threshold) == truth


def test_files_of_any_order_give_equal_bytes(folder: Path, kernel: str) -> None:
    sets = zipf(300, 400)
    whole = write(folder / "whole.parquet", sets)
    mixed = np.random.default_rng(1).permutation(len(sets))
    halves = (write(folder / "a.parquet", sets, mixed[:100]), write(folder / "b.parquet", sets, mixed[100:]))
    answers = []
    for points in ((whole,), halves):
        reply = handler(event(points, len(sets), 0.4, folder), None)
        answers.append((found(reply), (folder / "found-00000.parquet").read_bytes()))
    assert answers[0] == answers[1]
    assert answers[0][0] == brute(sets, "jaccard", 0.4)


@needs_kernel
def test_portions_of_any_size_hold_the_same_pairs() -> None:
    sets = zipf(300, 60)
    results = []
    for capacity, work in ((1 << 16, 1 << 30), (1, 1), (7, 100)):
        join = SetSearch(token_sets(sets), "jaccard", 0.6)._join
        assert join is not None
        parts = [tuple(part.copy() for part in parts) for parts in join.pairs(capacity, work)]
        results.append([np.concatenate(column).tolist() for column in zip(*parts, strict=True)])
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) > 300


@needs_kernel
def test_more_tokens_than_there_were_slots_for() -> None:
    """The table of tokens grows several times."""
    sets = [frozenset([f"{k}", f"{k + 1}", f"a token of many bytes {k // 2}"]) for k in range(120_000)]
    pairs = search(sets, "jaccard", 0.5)
    assert pairs == [(k, k + 1, 0.5) for k in range(0, 119_999, 2)]


@needs_kernel
def test_a_token_that_all_hold_does_not_make_all_pairs_meet() -> None:
    sets = [frozenset(["all", "most", *(f"t{k + i}" for i in range(6))]) for k in range(5000)]
    searched = SetSearch(token_sets(sets), "jaccard", 0.3)
    near = np.concatenate([np.abs(other - one) for one, other, _ in searched.pairs()])
    assert near.tolist() == [1] * 4999, "7 of 9 tokens in common; the next but one has 6 of 10"
    assert searched.tested < 40 * len(sets)
    assert searched.count_tests(10**12) < 80 * len(sets)


def test_what_is_too_much_is_declined_or_refused(folder: Path, kernel: str) -> None:
    sets = [frozenset(["all", f"t{k}"]) for k in range(200)]
    points = (write(folder / "many.parquet", sets),)
    small = handler(event(points, 200, 0.7, folder, memory_mb=10.0), None)
    assert "do not fit" in small["declined"]
    refused = handler(event(points, 200, 0.7, folder, max_pairs=50), None)
    assert refused["error_type"] == "PairLimitError"
    assert "promises 201 points" in handler(event(points, 201, 0.7, folder), None)["error"]
    if kernel == "on":
        crowded = handler(event(points, 200, 0.7, folder, max_tests=100), None)
        assert "share a key" in crowded["declined"]


def test_sets_of_no_tokens_and_other_columns_are_refused(folder: Path) -> None:
    points = (write(folder / "empty.parquet", [frozenset("a"), frozenset()]),)
    assert "empty set" in handler(event(points, 2, 0.5, folder), None)["error"]
    body = event(points, 2, 0.5, folder) | {"column": "point_id"}
    assert "not ARRAY(VARCHAR)" in handler(body, None)["error"]
    body = event(points, 2, 0.5, folder, metric="levenshtein")
    assert "no join of the kind" in handler(body, None)["error"]
