"""Joins of texts and sets take the memory that was predicted: each in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from peak_process import answer

from lambda_worker.contract.candidates import JoinEvent, set_join_memory_mb, text_join_memory_mb
from lambda_worker.kernel import loaded

if TYPE_CHECKING:
    from pathlib import Path

needs_kernel = pytest.mark.skipif(
    loaded() is None, reason="the model is of the kernel; without a compiler there is none"
)


def peak(points: Path, select: str, **about: Any) -> float:
    duckdb.sql(f"COPY ({select}) TO '{points}' (FORMAT parquet, COMPRESSION zstd)")
    event = JoinEvent(
        points=(str(points),),
        column="x",
        point_count=duckdb.sql(f"SELECT count(*) FROM '{points}'").fetchall()[0][0],
        output=str(points.with_suffix("")),
        max_pairs=10**9,
        max_tests=10**12,
        memory_mb=10**6,
        **about,
    )
    reply = answer(event.to_json(), kernel="on")
    assert not reply["declined"]
    peak_mb: float = reply["peak_memory_mb"]
    return peak_mb


@needs_kernel
@pytest.mark.parametrize(
    ("texts", "length", "edits"),
    [
        (800_000, 12, 1),
        pytest.param(200_000, 100, 2, marks=pytest.mark.long),
        pytest.param(300_000, 30, 4, marks=pytest.mark.long),
    ],
)
def test_texts_take_what_is_predicted(tmp_path: Path, texts: int, length: int, edits: int) -> None:
    """Texts of one length, so that all are in one table."""
    text = f"left(sha256(i::VARCHAR) || sha256((i + 1)::VARCHAR), {length})"
    select = f"SELECT i AS point_id, {text} AS x FROM range({texts}) AS t(i)"
    found = peak(tmp_path / "p.parquet", select, kind="text", metric="levenshtein", threshold=float(edits))
    assert found == pytest.approx(text_join_memory_mb(texts, texts * length, edits), rel=0.25)


@needs_kernel
@pytest.mark.parametrize(
    ("sets", "tokens", "vocabulary"),
    [
        (600_000, 4, 500_000),
        pytest.param(200_000, 20, 10**9, marks=pytest.mark.long),
        pytest.param(100_000, 60, 20_000, marks=pytest.mark.long),
    ],
)
def test_sets_take_what_is_predicted(tmp_path: Path, sets: int, tokens: int, vocabulary: int) -> None:
    """Tokens of few sets, of one set each, and of many."""
    token = f"lpad((hash(i * {tokens} + k) % {vocabulary})::VARCHAR, 12, '0')"
    drawn = f"SELECT i, {token} AS token FROM range({sets}) AS t(i), range({tokens}) AS u(k)"
    select = f"SELECT i AS point_id, list(DISTINCT token) AS x FROM ({drawn}) GROUP BY i ORDER BY i"
    found = peak(tmp_path / "p.parquet", select, kind="set", metric="jaccard", threshold=0.3)
    distinct = min(vocabulary, sets * tokens)
    predicted = set_join_memory_mb(sets, sets * tokens, sets * tokens * 12, distinct)
    assert found == pytest.approx(predicted, rel=0.25)
