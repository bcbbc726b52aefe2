"""Thousands of texts, mixed features, hashed sets and embeddings: DuckDB and Trino find the same pairs."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from cluster_assets.domain.tables import Column
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.stages.candidates import metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

COUNT = 50_000
JUDGED = 300  # texts and mixed points that the truth compares with all others
TEXT = (Column("text", "varchar"),)
TOKENS = (Column("tokens", "array(varchar)"),)
EMBEDDING = (Column("embedding", "array(double)"),)
MIXED = (Column("size", "double"), Column("kind", "varchar"), Column("tags", "array(varchar)"))
LETTERS = list("abcdefghijklmnoprstuvé😀")
DAY = "2026-01-01"


def rows_of(**columns: Any) -> dict[str, Any]:
    count = len(next(iter(columns.values())))
    return {"point_id": np.arange(count), "weight": np.ones(count, np.int64), **columns}


def keys(pairs: Numbers, count: int = COUNT) -> Numbers:
    found: Numbers = pairs.min(axis=1) * count + pairs.max(axis=1)
    return found


# --- texts --------------------------------------------------------------------------------------------------


def texts() -> list[str]:
    """Words of seven to twelve letters behind a prefix that all share, changed in a few places."""
    chance = np.random.default_rng(5)
    kinds = ["".join(chance.choice(LETTERS, chance.integers(7, 13))) for _ in range(COUNT // 4)]
    made: dict[str, None] = {}
    while len(made) < COUNT:
        letters = list(kinds[chance.integers(len(kinds))])
        for _ in range(chance.integers(0, 4)):
            place = int(chance.integers(len(letters)))
            letters[place : place + int(chance.integers(2))] = chance.choice(LETTERS, int(chance.integers(2)))
        made["agent/" + "".join(letters)] = None
    return list(made)


def edits(word: str, codes: Numbers, lengths: Numbers) -> Numbers:
    """Levenshtein distances of a word from many; codes have one text a row, filled up with zeros."""
    width = codes.shape[1]
    above = np.repeat(np.arange(width + 1, dtype=np.int16)[:, None], len(codes), axis=1)
    for i, letter in enumerate(word, 1):
        row = np.empty_like(above)
        row[0] = i
        for j in range(1, width + 1):
            replaced = above[j - 1] + (codes[:, j - 1] != ord(letter))
            row[j] = np.minimum(np.minimum(above[j], row[j - 1]) + 1, replaced)
        above = row
    found: Numbers = above[lengths, np.arange(len(codes))]
    return found


def test_texts(searcher: Any) -> None:
    words = texts()
    plan = metrics.plan(metrics.Comparison("text", "levenshtein", 2.0, TEXT))
    found = searcher.search(plan, TEXT, rows_of(text=words))
    assert 10_000 < len(found.pairs) < 400_000
    lengths = np.array([len(word) for word in words])
    codes = np.zeros((COUNT, lengths.max()), np.int32)
    for row, word in zip(codes, words, strict=True):
        row[: len(word)] = [ord(letter) for letter in word]
    near = 0
    for judged in np.random.default_rng(6).choice(COUNT, JUDGED, replace=False):
        others = np.flatnonzero((abs(lengths - lengths[judged]) <= 2) & (np.arange(COUNT) != judged))
        distances = edits(words[judged], codes[others], lengths[others])
        truth = {int(other): float(d) for other, d in zip(others, distances, strict=True) if d <= 2}
        mine = (found.pairs == judged).any(axis=1)
        partners = found.pairs[mine].sum(axis=1) - judged
        assert dict(zip(partners.tolist(), found.distances[mine].tolist(), strict=True)) == truth
        near += len(truth)
    assert near > JUDGED


# --- mixed features -----------------------------------------------------------------------------------------


def test_mixed_features(searcher: Any) -> None:
    chance = np.random.default_rng(7)
    size = np.round(chance.lognormal(3, 1, COUNT), 3)
    kind = chance.integers(0, 40, COUNT)
    lots = chance.integers(0, 4000, (COUNT, 4))
    lots[: COUNT // 2] = lots[: COUNT // 2, :1] + [0, 1, 2, 3]
    tags = [sorted({f"t{tag}" for tag in row}) for row in lots.tolist()]
    parts = tuple(
        metrics.Part(*part)
        for part in (("size", "number", 2.0), ("kind", "category", 1.0), ("tags", "set", 3.0))
    )
    plan = metrics.plan(metrics.Comparison("mixed", "gower", 0.2, MIXED, parts))
    found = searcher.search(plan, MIXED, rows_of(size=size, kind=[f"k{k}" for k in kind], tags=tags))
    assert 10_000 < len(found.pairs) < 400_000
    held = np.array([len(row) for row in tags])
    columns = np.array([int(tag[1:]) for row in tags for tag in row])
    holds = scipy.sparse.csr_matrix((np.ones(len(columns)), (np.repeat(np.arange(COUNT), held), columns)))
    near = 0
    for judged in chance.choice(COUNT, JUDGED, replace=False):
        common = np.asarray((holds @ holds[judged].T).todense()).ravel()
        total = 2.0 * (np.abs(size - size[judged]) / (size.max() - size.min()))
        total = total + (kind != kind[judged])
        total = total + 3.0 * ((held + held[judged] - 2 * common) / (held + held[judged] - common))
        distances = total / 6.0
        distances[judged] = np.inf
        others = np.flatnonzero(distances <= 0.2)
        mine = (found.pairs == judged).any(axis=1)
        partners = found.pairs[mine].sum(axis=1) - judged
        told = dict(zip(partners.tolist(), found.distances[mine].tolist(), strict=True))
        assert told == dict(zip(others.tolist(), distances[others].tolist(), strict=True))
        near += len(told)
    assert near > JUDGED


# --- embeddings and hashing ---------------------------------------------------------------------------------


@functools.cache
def embeddings() -> Numbers:
    chance = np.random.default_rng(8)
    kinds = chance.normal(size=(COUNT // 4, 24))
    found: Numbers = kinds[chance.integers(0, len(kinds), COUNT)] + chance.normal(0, 0.12, (COUNT, 24))
    return found


@functools.cache
def near_embeddings(metric: str, threshold: float) -> tuple[Numbers, Numbers]:
    """Pairs by matrix products a little beyond the threshold, measured in the order of the dimensions."""
    values = embeddings()
    if metric == "cosine":
        length = np.sqrt(functools.reduce(np.add, (column * column for column in values.T)))
        values = values / length[:, None]
    rough, squares = values.astype(np.float32), (values * values).sum(axis=1).astype(np.float32)
    pairs = []
    for start in range(0, COUNT, 2000):
        part = slice(start, start + 2000)
        product = rough[part] @ rough.T
        if metric == "cosine":
            a, b = np.nonzero(product >= 1 - threshold - 1e-4)
        else:
            a, b = np.nonzero(squares[part, None] + squares - 2 * product <= threshold * threshold + 1e-3)
        pairs.append(np.column_stack([a + start, b])[a + start < b])
    found = np.concatenate(pairs)
    ends = list(zip(values[found[:, 0]].T, values[found[:, 1]].T, strict=True))
    if metric == "cosine":
        distances = 1 - np.clip(functools.reduce(np.add, (x * y for x, y in ends)), -1, 1)
    else:
        total = functools.reduce(np.add, ((x - y) * (x - y) for x, y in ends))
        distances = np.where(total <= threshold * threshold, np.minimum(np.sqrt(total), threshold), np.inf)
    near = distances <= threshold
    return found[near], distances[near]


@pytest.mark.parametrize(("metric", "threshold"), [("cosine", 0.012), ("euclidean", 0.75)])
def test_embeddings_in_blocks(
    home: Path,
    tmp_path: Path,
    trino_engine: Any,
    make_runner: Callable[..., Any],
    metric: str,
    threshold: float,
) -> None:
    source = tmp_path / "source.parquet"
    frame = pd.DataFrame({"id": [f"{n:05d}" for n in range(COUNT)], "v": list(embeddings())})
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(
            f"COPY (SELECT id, v, TIMESTAMP '{DAY} 01:00:00' AS at FROM frame) TO '{source}' (FORMAT parquet)"
        )
    tables = []
    with open_backend(load_settings()) as backend:
        for name, engine in (("here", backend.engine), ("there", trino_engine)):
            runner = make_runner(
                dataclasses.replace(backend, engine=engine),
                name=name,
                raw={"files": str(source), "time_column": "at"},
                features={"embedding": "max(v)"},
                distance={"metric": metric, "threshold": threshold},
                blocking={"type": "blocks"},
            )
            runner.run(DAY)
            tables.append([runner.table(table, DAY) for table in ("points", "candidates", "clusters")])
    assert tables[0] == tables[1]
    found = np.array(tables[0][1][1])
    pairs, distances = near_embeddings(metric, threshold)
    assert 10_000 < len(pairs) < 400_000
    order = np.argsort(keys(pairs))
    assert np.array_equal(found[:, :2], pairs[order])
    assert np.array_equal(found[:, 2], distances[order])


def test_hashed_embeddings(searcher: Any) -> None:
    plan = metrics.lsh(
        metrics.Comparison("embedding", "cosine", 0.012, EMBEDDING), metrics.LshOptions(12, 12, 1)
    )
    found = searcher.search(plan, EMBEDDING, rows_of(embedding=list(embeddings())))
    pairs, distances = near_embeddings("cosine", 0.012)
    truth = dict(zip(keys(pairs).tolist(), distances.tolist(), strict=True))
    told = dict(zip(keys(found.pairs).tolist(), found.distances.tolist(), strict=True))
    assert told.items() <= truth.items()
    assert 0.8 * len(truth) < len(told) <= len(truth)


def test_hashed_sets(searcher: Any) -> None:
    chance = np.random.default_rng(9)
    kinds = chance.integers(0, 3000, (COUNT // 2, 20))
    tokens = [sorted({str(token) for token in kind}) for kind in kinds.tolist()]
    tokens += [sorted({*row[1:], f"new {n}"}) for n, row in enumerate(tokens)]
    compared = metrics.Comparison("set", "jaccard", 0.2, TOKENS)
    found = searcher.search(
        metrics.lsh(compared, metrics.LshOptions(16, 4, 1)), TOKENS, rows_of(tokens=tokens)
    )
    # 19 of 21 tokens are common: a pair is missed with a chance of (1 - (19 / 21)^4)^16 = 2e-8.
    # Other sets share few.
    half = COUNT // 2
    assert np.array_equal(found.pairs, np.column_stack([np.arange(half), np.arange(half) + half]))
    sizes = np.array([len(row) for row in tokens])
    expected = 2 / (sizes[:half] + 1)
    assert np.array_equal(found.distances, expected)
