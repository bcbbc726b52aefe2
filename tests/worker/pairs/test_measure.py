"""Near pairs of blocks are those of brute force in doubles, bit for bit, whatever the filter lets through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch, list_array
from hypothesis import given, settings
from hypothesis import strategies as st
from peak_process import answer

from lambda_worker.contract import MeasureEvent, MeasureReply
from lambda_worker.handler import handler
from lambda_worker.metrics import leading
from lambda_worker.metrics.listed import directions
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    Pair = tuple[int, int, float]

METRICS = ("euclidean", "manhattan", "chebyshev", "cosine")


def write_block(path: Path, ids: Any, values: Any, halo: Any = None) -> str:
    """A block of `x0, x1, …`; values have a row for each point."""
    columns = [np.asarray(ids, np.int64), *([] if halo is None else [np.asarray(halo, np.int64)])]
    columns += [np.ascontiguousarray(values[:, k], np.float64) for k in range(values.shape[1])]
    names = ["point_id", *([] if halo is None else ["is_halo"]), *(f"x{k}" for k in range(values.shape[1]))]
    arrays = [Array.from_numpy(column) for column in columns]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=names), path)
    return str(path)


def brute(values: Any, metric: str, threshold: float) -> list[Pair]:
    """Near pairs by the order of operations of the SQL statements."""
    rows, columns = np.triu_indices(len(values), 1)
    if metric == "cosine":
        values = values * np.where((np.abs(values) < 2.0**-400).all(axis=1), 2.0**700, 1.0)[:, None]
        squares = np.zeros(len(values))
        for axis in values.T:
            squares = squares + axis * axis
        length = np.sqrt(squares)
        values = values / np.where(length == 0, 1.0, length)[:, None]
    total = np.zeros(len(rows))
    for axis in values.T:
        step = axis[rows] - axis[columns]
        if metric == "euclidean":
            total = total + step * step
        elif metric == "manhattan":
            total = total + np.abs(step)
        elif metric == "chebyshev":
            total = np.maximum(total, np.abs(step))
        else:
            total = total + axis[rows] * axis[columns]
    if metric == "euclidean":
        near, distance = total <= threshold * threshold, np.minimum(np.sqrt(total), threshold)
    elif metric == "cosine":
        distance = 1.0 - np.clip(total, -1.0, 1.0)
        near = distance <= threshold
    else:
        near, distance = total <= threshold, total
    return list(zip(rows[near].tolist(), columns[near].tolist(), distance[near].tolist(), strict=True))


def measure(event: MeasureEvent) -> Any:
    reply = MeasureReply.from_json(handler(event.to_json(), None))
    assert reply.ok, reply.error
    assert reply.pairs == sum(file.rows for file in reply.files)
    return reply


def read_pairs(reply: Any) -> list[Pair]:
    found: list[Pair] = []
    for file in reply.files:
        batches = list(arro3.io.read_parquet(file.uri))
        rows = [
            row
            for batch in batches
            for row in zip(
                *(batch[name].to_pylist() for name in ("point_a", "point_b", "distance")), strict=True
            )
        ]
        assert len(rows) == file.rows
        found += rows
    return sorted(found)


def event_of(home: tuple[str, ...], values: Any, output: Path, **given: Any) -> MeasureEvent:
    plain: dict[str, Any] = {
        "others": (),
        "within": True,
        "halo_column": None,
        "columns": tuple(f"x{k}" for k in range(values.shape[1])),
        "point_count": len(values),
        "metric": "euclidean",
        "threshold": 1.0,
        "max_pairs": 10**9,
    }
    return MeasureEvent(home=home, output=str(output / "pairs"), **{**plain, **given})


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return lambda: tmp_path_factory.mktemp("blocks")


@st.composite
def clouds(draw: st.DrawFn) -> tuple[str, float, Any]:
    """Lattices, lines, far offsets, tiny and huge numbers; the threshold is often the distance of a pair."""
    dimensions = draw(st.integers(1, 40))
    count = draw(st.integers(1, 40))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = chance.standard_normal((count, dimensions))
    shape = draw(st.sampled_from(["cloud", "lattice", "line", "offset", "scaled", "zeros"]))
    if shape == "lattice":
        values = np.round(values)
    elif shape == "line":
        values = np.outer(np.arange(count), np.ones(dimensions)) * 0.1
    elif shape == "offset":
        values = values * 1e-3 + 1e9
    elif shape == "scaled":
        values = values * 10.0 ** draw(st.integers(-170, 149))
    elif shape == "zeros":
        values[:, 1:] = 0.0
        values[0] = 0.0
    metric = draw(st.sampled_from(METRICS))
    values = np.unique(values, axis=0)
    if metric == "cosine":
        return metric, draw(st.sampled_from([1e-15, 1e-6, 0.1, 1.0, 2.0])), values
    pairs = brute(values, metric, 1e150)
    tie = draw(st.sampled_from(pairs))[2] if pairs else 1.0
    return metric, tie or 5e-324, values


@settings(max_examples=150)
@given(clouds(), st.integers(1, 4))
def test_pairs_equal_brute_force(folders: Any, cloud: tuple[str, float, Any], parts: int) -> None:
    """Blocks of ids, each with itself and with those after it."""
    metric, threshold, values = cloud
    folder = folders()
    ids = np.arange(len(values))
    cuts = [part for part in np.array_split(ids, parts) if len(part)]
    files = [(write_block(folder / f"{n}.parquet", part, values[part]),) for n, part in enumerate(cuts)]
    found = []
    for n, part in enumerate(cuts):
        rest = sum(len(other) for other in cuts[n + 1 :])
        event = event_of(
            files[n],
            values,
            folder / str(n),
            others=tuple(files[n + 1 :]),
            metric=metric,
            threshold=threshold,
            point_count=len(part) + rest,
        )
        found += read_pairs(measure(event))
    assert sorted(found) == brute(values, metric, threshold)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimensions", [2, 8, 40])
def test_a_block_with_a_halo_that_is_halved_many_times(folders: Any, metric: str, dimensions: int) -> None:
    """2,500 points: several leaves and tiles. Pairs of two halo points belong to another block."""
    chance = np.random.default_rng(5)
    values = chance.standard_normal((2500, dimensions)) * chance.uniform(0.1, 3, (2500, 1))
    threshold = float(np.quantile([pair[2] for pair in brute(values[:300], metric, 1e150)], 0.01))
    halo = (chance.random(2500) < 0.3).astype(int)
    folder = folders()
    block = write_block(folder / "block.parquet", np.arange(2500), values, halo)
    event = event_of((block,), values, folder, metric=metric, threshold=threshold, halo_column="is_halo")
    reply = measure(event)
    expected = [pair for pair in brute(values, metric, threshold) if not (halo[pair[0]] and halo[pair[1]])]
    assert sorted(read_pairs(reply)) == expected
    assert len(expected) > 50
    assert reply.tested < 2500 * 2499 // 2 or metric == "cosine"


def test_float32_would_fail_here(folders: Any) -> None:
    """Far from the origin, differences of 1e-3 vanish in float32; the filter is centred first."""
    values = np.random.default_rng(1).uniform(0, 1e-2, (400, 3)) + 1e9
    folder = folders()
    block = write_block(folder / "block.parquet", np.arange(400), values)
    reply = measure(event_of((block,), values, folder, threshold=1e-3))
    expected = brute(values, "euclidean", 1e-3)
    assert read_pairs(reply) == expected
    assert 0 < len(expected) < 400 * 399 / 4


@pytest.mark.parametrize("step", [-1, 0, 1])
def test_embeddings_at_the_threshold(folders: Any, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Leading directions choose the pairs; a threshold just below the distance of a pair excludes it."""
    monkeypatch.setattr(leading, "_LEAST_PAIRS", 300**2 // 2)
    chance = np.random.default_rng(6)
    values = np.repeat(chance.standard_normal((150, 64)), 4, axis=0)
    values += 0.4 * chance.standard_normal((600, 64))
    tie = sorted(pair[2] for pair in brute(values, "cosine", 0.2))[400]
    threshold = float(np.nextafter(tie, np.sign(step) * 2)) if step else tie
    folder = folders()
    files = [write_block(folder / f"{n}.parquet", np.arange(n, 600, 2), values[n::2]) for n in range(2)]
    at_home = directions(Points(np.arange(300), values[::2].T)).values
    assert leading.leading_filter(threshold, at_home, 300**2 // 2)
    events = [
        event_of(
            (files[0],), values, folder / "0", others=((files[1],),), metric="cosine", threshold=threshold
        ),
        event_of((files[1],), values[1::2], folder / "1", metric="cosine", threshold=threshold),
    ]
    replies = [measure(event) for event in events]
    expected = brute(values, "cosine", threshold)
    assert sorted(read_pairs(replies[0]) + read_pairs(replies[1])) == expected
    assert any(pair[2] == tie for pair in expected) == (step >= 0)
    assert sum(reply.tested for reply in replies) < 600 * 599 / 2 / 20


def test_arrays_are_vectors_too(folders: Any) -> None:
    values = np.random.default_rng(2).standard_normal((300, 64))
    folder = folders()
    flat = Array.from_numpy(values.ravel())
    arrays = list_array(Array.from_numpy(np.arange(0, 300 * 64 + 1, 64, dtype=np.int32)), flat)
    batch = RecordBatch.from_arrays(
        [Array.from_numpy(np.arange(300)), arrays], names=["point_id", "embedding"]
    )
    arro3.io.write_parquet(batch, folder / "block.parquet")
    event = event_of(
        (str(folder / "block.parquet"),),
        values,
        folder,
        columns=("embedding",),
        metric="cosine",
        threshold=0.7,
    )
    assert read_pairs(measure(event)) == brute(values, "cosine", 0.7)


def test_one_point_and_no_halo(folders: Any) -> None:
    values, folder = np.ones((1, 3)), folders()
    block = write_block(folder / "block.parquet", [7], values, [0])
    reply = measure(event_of((block,), values, folder, halo_column="is_halo"))
    assert (reply.pairs, reply.files) == (0, ())


def test_equal_input_gives_equal_bytes_whatever_the_order_of_rows(folders: Any) -> None:
    values = np.random.default_rng(3).uniform(0, 3, (1500, 4))
    written = []
    for order in (np.arange(1500), np.random.default_rng(4).permutation(1500)):
        folder = folders()
        block = write_block(folder / "block.parquet", order, values[order])
        reply = measure(event_of((block,), values, folder, threshold=0.3))
        written.append([Path(file.uri).read_bytes() for file in reply.files])
    assert written[0] == written[1] != []


def test_more_pairs_than_allowed_are_refused(folders: Any) -> None:
    values, folder = np.random.default_rng(3).uniform(0, 1, (100, 2)), folders()
    block = write_block(folder / "block.parquet", np.arange(100), values)
    reply = handler(event_of((block,), values, folder, threshold=9.0, max_pairs=4949).to_json(), None)
    assert (reply["ok"], reply["error_type"]) == (False, "PairLimitError")
    assert measure(event_of((block,), values, folder, threshold=9.0, max_pairs=4950)).pairs == 4950


def test_counting_writes_nothing(folders: Any) -> None:
    values, folder = np.random.default_rng(3).uniform(0, 1, (100, 2)), folders()
    block = write_block(folder / "block.parquet", np.arange(100), values)
    body = event_of((block,), values, folder, threshold=9.0).to_json() | {"output": None}
    reply = MeasureReply.from_json(handler(body, None))
    assert (reply.pairs, reply.files) == (4950, ())
    assert [path.name for path in folder.iterdir()] == ["block.parquet"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"point_count": 3}, "promises 3 points, the files hold 4"),
        ({"metric": "hamming"}, "unknown metric"),
        ({"metric": "haversine", "columns": ["x0"]}, "two columns"),
        ({"threshold": -1.0}, "threshold"),
        ({"columns": ["x0", "x9"]}, "no column x9"),
        ({"columns": ["x0", "point_id"]}, "not DOUBLE"),
        ({"home": ["/nowhere/block.parquet"]}, "no file"),
        ({"version": 99}, "version"),
    ],
)
def test_what_is_not_of_the_contract_is_refused(folders: Any, change: dict[str, Any], message: str) -> None:
    values, folder = np.arange(8.0).reshape(4, 2), folders()
    block = write_block(folder / "block.parquet", np.arange(4), values)
    reply = handler(event_of((block,), values, folder).to_json() | change, None)
    assert not reply["ok"]
    assert message in reply["error"]


def test_values_that_are_no_numbers_are_refused(folders: Any) -> None:
    values, folder = np.array([[0.0, np.nan], [1.0, 2.0]]), folders()
    block = write_block(folder / "block.parquet", np.arange(2), values)
    reply = handler(event_of((block,), values, folder).to_json(), None)
    assert "not finite" in reply["error"]


def test_memory_does_not_grow_with_the_pairs(folders: Any) -> None:
    """All 12.5 million pairs of 5,000 points are near: 300 MB of pairs, in files of about four million."""
    values = np.random.default_rng(9).uniform(0, 1, (5000, 3))
    folder = folders()
    block = write_block(folder / "block.parquet", np.arange(5000), values)
    event = event_of((block,), values, folder, threshold=9.0)
    reply = MeasureReply.from_json(answer(event.to_json()))
    assert reply.pairs == 5000 * 4999 // 2
    assert len(reply.files) in (3, 4)
    assert reply.peak_memory_mb < 700
