"""Joins of texts by the worker are the pairs of brute force, with the kernel and without it."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import arro3.io
import duckdb
import numpy as np
import pytest
from arro3.core import Array, DataType, RecordBatch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wagner_fischer import levenshtein

from lambda_worker.contract import DeadlineError
from lambda_worker.contract.candidates import JoinEvent
from lambda_worker.handler import handler
from lambda_worker.kernel import VARIABLE, loaded
from lambda_worker.kernel.texts import TextJoin
from lambda_worker.metrics.edits import levenshtein_matrix
from lambda_worker.pairs.texts import TextSearch
from lambda_worker.runtime.deadline import _CLOCK, keep_deadline
from lambda_worker.tables.features import Codes
from lambda_worker.tables.lists import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LETTERS = st.sampled_from(["a", "b", "c", "é", "e", "\u0301", "\U0001f600", "日", "\0", " "])
FACE = "\U0001f600"

needs_kernel = pytest.mark.skipif(loaded() is None, reason="without a compiler the twin is all there is")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


def brute(texts: Sequence[str], edits: int) -> list[tuple[int, int, float]]:
    pairs = ((a, b, levenshtein(texts[a], texts[b])) for a, b in itertools.combinations(range(len(texts)), 2))
    return [(a, b, float(distance)) for a, b, distance in pairs if distance <= edits]


def write(path: Path, texts: Sequence[str], order: Any = None) -> str:
    ids = np.arange(len(texts)) if order is None else np.asarray(order)
    columns = [Array.from_numpy(ids), Array([texts[k] for k in ids], type=DataType.utf8())]
    arro3.io.write_parquet(RecordBatch.from_arrays(columns, names=["point_id", "text"]), path)
    return str(path)


def event(points: tuple[str, ...], count: int, edits: int, output: Path, **more: Any) -> dict[str, Any]:
    return JoinEvent(
        points=points,
        kind="text",
        column="text",
        point_count=count,
        metric="levenshtein",
        threshold=float(edits),
        output=f"{output}/found",
        **({"max_pairs": 10**9, "max_tests": 10**12, "memory_mb": 4000.0} | more),
    ).to_json()


def found(reply: dict[str, Any]) -> list[tuple[int, int, float]]:
    assert reply["ok"], reply["error"]
    assert not reply["declined"]
    files = [file["uri"] for file in reply["files"]]
    if not files:
        return []
    query = f"SELECT point_a, point_b, distance FROM read_parquet({files}) ORDER BY 1, 2"
    return duckdb.sql(query).fetchall()


def search(texts: Sequence[str], edits: int) -> list[tuple[int, int, float]]:
    lengths = np.array([len(text) for text in texts], np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.int32)
    made = Texts(np.arange(len(texts)), codes, np.cumsum(lengths) - lengths, lengths)
    pairs = []
    for one, other, distance in TextSearch(made, edits).pairs():
        low, high = np.minimum(one, other), np.maximum(one, other)
        pairs += list(zip(low.tolist(), high.tolist(), distance.tolist(), strict=True))
    return sorted(pairs)


@st.composite
def days(draw: st.DrawFn) -> tuple[list[str], int]:
    """Texts and a few edits of them, short ones and empty ones among them, often with one beginning."""
    start = draw(st.sampled_from(["", "", "Mozilla/5.0 (", "éé"]))
    end = draw(st.sampled_from(["", "", ") Gecko", FACE]))
    texts = draw(st.lists(st.text(LETTERS, max_size=9), max_size=12))
    for text in draw(st.lists(st.sampled_from(texts), max_size=10)) if texts else []:
        edited = list(text)
        for _ in range(draw(st.integers(1, 4))):
            place = draw(st.integers(0, len(edited)))
            edited[place : place + draw(st.integers(0, 1))] = draw(st.lists(LETTERS, max_size=1))
        texts.append("".join(edited))
    return draw(st.permutations(sorted({start + text + end for text in texts}))), draw(st.integers(0, 6))


@settings(max_examples=150)
@given(days())
@example((["", "a", "aa", "aaa", "b", "ab", "ba", "aab"], 1))
@example((["", "a", "aa", "aaa", "b", "ab", "ba", "aab"], 3))
@example((["e\u0301", "é", "e", FACE, FACE * 2, ""], 2))
@example((["abcdefghij", "xabcdefghi", "abcdefghijx", "bcdefghijxx"], 2))
@example((["kitten", "sitting", "sitten", "Kitten "], 25))
def test_pairs_and_distances_equal_brute_force(day: tuple[list[str], int]) -> None:
    texts, edits = day
    for switch in ("on", "off"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, switch)
            assert search(texts, edits) == brute(texts, edits)


def names(count: int, seed: int = 5) -> list[str]:
    """Names, three in ten with one to three edits, and words that all have the beginning in common."""
    chance = np.random.default_rng(seed)
    letters = np.array(list("aeiourstlnéñ日"))
    made = ["".join(chance.choice(letters, size)) for size in chance.integers(6, 16, count)]
    for source in range(0, count, 3):
        text = list(made[source])
        for _ in range(chance.integers(1, 4)):
            text[chance.integers(0, len(text))] = str(chance.choice(letters))
        made.append("".join(text))
    return sorted({*made, *(f"Mozilla/5.0 (X11; {text[:6]})" for text in made[: count // 3])})


@pytest.mark.parametrize("edits", [1, 2, 3])
def test_the_cuts_of_crowded_lengths_lose_no_pair(kernel: str, edits: int) -> None:
    """More texts of one length than are cut evenly; brute force by the cells of a whole matrix."""
    texts = names(500)
    lengths = np.array([len(text) for text in texts])
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.int32)
    matrix = levenshtein_matrix(Codes(np.append(0, np.cumsum(lengths)), codes))
    a, b = np.nonzero(np.triu(matrix <= edits, 1))
    truth = list(zip(a.tolist(), b.tolist(), matrix[a, b].tolist(), strict=True))
    assert len(truth) > 50
    assert search(texts, edits) == truth


def test_files_of_any_order_give_equal_bytes(folder: Path, kernel: str) -> None:
    texts = names(300)
    whole = write(folder / "whole.parquet", texts)
    mixed = np.random.default_rng(1).permutation(len(texts))
    halves = (
        write(folder / "a.parquet", texts, mixed[:100]),
        write(folder / "b.parquet", texts, mixed[100:]),
    )
    answers = []
    for points in ((whole,), halves):
        reply = handler(event(points, len(texts), 2, folder), None)
        answers.append((found(reply), (folder / "found-00000.parquet").read_bytes()))
    assert answers[0] == answers[1]
    assert answers[0][0] == search(texts, 2)


@needs_kernel
def test_portions_of_any_size_hold_the_same_pairs() -> None:
    """Small arrays are filled often, and grow for a row that has more pairs than they hold."""
    texts = sorted({f"{k:04d}" for k in range(0, 3000, 7)}, key=lambda text: (len(text), text))
    lengths = np.array([len(text) for text in texts], np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.int32)
    kernel = loaded()
    assert kernel is not None
    starts = np.cumsum(lengths) - lengths
    results = []
    for capacity, work in ((1 << 16, 1 << 30), (1, 1), (7, 100)):
        join = TextJoin(kernel, codes, starts, lengths, 2)
        parts = [tuple(part.copy() for part in parts) for parts in join.pairs(capacity, work)]
        results.append([np.concatenate(column).tolist() for column in zip(*parts, strict=True)])
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) > len(texts)


@needs_kernel
def test_a_beginning_that_all_share_does_not_make_all_pairs_meet() -> None:
    """Cuts at even places would put the 40 shared characters into both segments' keys, or one's."""
    texts = [f"Mozilla/5.0 (compatible; MSIE 9.0; Windows {k * 7919 % 10**8:08d}" for k in range(6000)]
    lengths = np.array([len(text) for text in texts], np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.int32)
    made = Texts(np.arange(len(texts)), codes, np.cumsum(lengths) - lengths, lengths)
    searched = TextSearch(made, 1)
    foreseen = searched.count_tests(10**12)
    pairs = sum(len(one) for one, _, _ in searched.pairs())
    assert pairs == len({frozenset(pair) for pair in _one_digit_apart(texts)})
    assert searched.tested < 100 * len(texts)
    assert searched.tested / 4 <= foreseen <= 4 * (searched.tested + len(texts))


def _one_digit_apart(texts: Sequence[str]) -> list[tuple[str, str]]:
    known, pairs = set(texts), []
    for text in texts:
        for place in range(len(text) - 8, len(text)):
            for digit in "0123456789":
                other = text[:place] + digit + text[place + 1 :]
                if other != text and other in known:
                    pairs.append((text, other))
    return pairs


def test_what_is_too_much_is_declined_or_refused(folder: Path, kernel: str) -> None:
    texts = [f"{k:03d}" for k in range(400)]
    points = (write(folder / "many.parquet", texts),)
    small = handler(event(points, 400, 1, folder, memory_mb=10.0), None)
    assert small["ok"]
    assert "do not fit" in small["declined"]
    assert not small["files"]
    refused = handler(event(points, 400, 1, folder, max_pairs=50), None)
    assert refused["error_type"] == "PairLimitError"
    wrong = handler(event(points, 401, 1, folder), None)
    assert "promises 401 points" in wrong["error"]
    if kernel == "on":
        crowded = handler(event(points, 400, 1, folder, max_tests=100), None)
        assert "share a key" in crowded["declined"]


def test_a_deadline_ends_the_join(kernel: str) -> None:
    texts = names(300)
    assert search(texts, 1)
    with pytest.raises(DeadlineError):
        search_late(texts)


def search_late(texts: Sequence[str]) -> None:
    with keep_deadline(None, 0.0):
        _CLOCK.ends = time.time()  # there was time to begin
        search(texts, 1)


def test_columns_of_other_types_are_refused(folder: Path) -> None:
    points = (write(folder / "typed.parquet", ["a", "b"]),)
    for column, told in (("point_id", "not VARCHAR"), ("nothing", "has no column")):
        body = event(points, 2, 1, folder) | {"column": column}
        assert told in handler(body, None)["error"]
    body = event(points, 2, 1, folder) | {"metric": "jaccard"}
    assert "no join of the kind" in handler(body, None)["error"]
