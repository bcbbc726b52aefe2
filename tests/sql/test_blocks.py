"""Blocks cut by SQL and measured by the worker give the pairs of one join, however they are cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.domain.costs import CostMeter
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import TooManyPairsError, WorkerUserError
from cluster_assets.domain.tables import Column, points_contract
from cluster_assets.spec.pipeline import Distance, Limits
from cluster_assets.stages.candidates import block_files, metrics
from cluster_assets.stages.candidates.blocks import measure_blocks
from cluster_assets.stages.candidates.metrics.blocks import (
    cut_space,
    reach_of,
    replication,
    sample_step,
    space_blocks,
)
from cluster_assets.stages.candidates.metrics.embeddings import cut_ids, share_work
from cluster_assets.stages.day.sql import SqlSession
from cluster_assets.stages.ledger.ledger import Attempt
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Worker:
    """The worker in this process; keeps what it was asked."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    fails_at: int | None = None
    is_billed: bool = False
    max_concurrency: int = 1

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        self.events.append(event)
        if self.fails_at is not None and len(self.events) > self.fails_at:
            raise WorkerUserError("the worker fails")
        return handler(dict(event), None)

    def close(self) -> None:
        pass


def cut_to(patch: pytest.MonkeyPatch, points: int) -> None:
    """Let blocks have about so many points, whether a grid or a tree measures them."""
    patch.setattr(block_files, "_SPACE_POINTS", points)
    patch.setattr(block_files, "_GRID_POINTS", points)
    patch.setattr(block_files, "most_grid_points", lambda *_: 2 * points)


def columns_of(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def job_of(lake: Any, distance: Distance, worker: Worker, **limits: Any) -> Any:
    """As much of a day as the executor looks at."""
    spec = SimpleNamespace(
        name="p",
        distance=distance,
        near=distance,
        blocking=None,
        limits=Limits(**{"max_concurrency": 1, **limits}),
    )
    backend = SimpleNamespace(
        engine=lake.engine, invoker_for=lambda _: worker, store=SimpleNamespace(uri=lambda key: f"/{key}")
    )
    sql = SqlSession(lake.engine, CostMeter())
    return SimpleNamespace(spec=spec, day=parse_day("2026-03-01"), backend=backend, sql=sql)


def find(
    lake: Any, distance: Distance, kind: Any, values: Any, worker: Worker, **limits: Any
) -> tuple[list[Any], Any]:
    """Pairs by the executor, in order."""
    if kind == "embedding":
        columns, rows = (Column("embedding", "array(double)"),), [([*row],) for row in values.tolist()]
    else:
        columns, rows = columns_of(values.shape[1]), [tuple(row) for row in values.tolist()]
    contract = points_contract(columns)
    points = lake.write(contract.columns, [(n, 1, *row) for n, row in enumerate(rows)])
    comparison = metrics.Comparison(kind, distance.metric, distance.threshold, columns)
    attempt = Attempt("a", str(lake.fresh()), 0)
    job = job_of(lake, distance, worker, **limits)
    measured = measure_blocks(job, attempt, comparison, points, len(rows))
    found = [row for file in measured.files for row in lake.rows(SimpleNamespace(uris=(file.uri,)))]
    assert [file.uri for file in measured.files] == sorted(file.uri for file in measured.files)
    assert len(found) == sum(file.rows for file in measured.files)
    return sorted(found), measured.numbers


@st.composite
def clouds(draw: st.DrawFn) -> tuple[Distance, Any]:
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    dimensions, count = draw(st.integers(1, 6)), draw(st.integers(2, 60))
    values = chance.standard_normal((count, dimensions))
    shape = draw(st.sampled_from(["cloud", "lattice", "line", "offset", "one place"]))
    if shape == "lattice":
        values = np.round(values * 2)
    elif shape == "line":
        values = np.outer(np.arange(count) * 0.1, np.ones(dimensions))
    elif shape == "offset":
        values = values * 1e-3 + 1e9
    elif shape == "one place":
        values[:, 1:] = 5.0
        values[: count // 2, 0] = np.arange(count // 2) * 1e-12
    values = np.unique(values, axis=0)
    metric = draw(st.sampled_from(["euclidean", "manhattan", "chebyshev", "cosine"]))
    gaps = np.abs(values[0] - values[-1])
    tie = {"euclidean": math.sqrt((gaps * gaps).sum()), "manhattan": gaps.sum(), "chebyshev": gaps.max()}
    threshold = draw(st.sampled_from([tie.get(metric, 0.1), 0.3, 1.0]))
    return Distance(metric=metric, threshold=float(threshold) or 1.0), values


@pytest.mark.parametrize("examples", [10, pytest.param(30, marks=pytest.mark.long)])
def test_pairs_equal_those_of_the_join(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(clouds(), st.integers(2, 20))
    def holds(cloud: tuple[Distance, Any], size: int) -> None:
        distance, values = cloud
        with pytest.MonkeyPatch.context() as patch:
            cut_to(patch, size)
            patch.setattr(block_files, "RANGE_POINTS", size)
            patch.setattr(block_files, "_MOST_REPLICATION", math.inf)
            found, _ = find(lake, distance, "vector", values, Worker())
        assert found == lake.candidates(
            distance, columns_of(values.shape[1]), [tuple(row) for row in values.tolist()]
        )

    holds()


def test_many_blocks_in_space(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_to(monkeypatch, 50)
    values = np.random.default_rng(1).uniform(0, 10, (3000, 3))
    distance = Distance(metric="euclidean", threshold=0.5)
    worker = Worker()
    found, numbers = find(lake, distance, "vector", values, worker)
    assert found == lake.candidates(distance, columns_of(3), [tuple(row) for row in values.tolist()])
    assert numbers["blocks"] == numbers["invocations"] == len(worker.events) == 60
    assert 1 < numbers["replication"] < 2
    homes = [event["point_count"] for event in worker.events]
    assert max(homes) < 200


def test_a_wide_threshold_compares_ranges_of_ids_instead(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_to(monkeypatch, 100)
    monkeypatch.setattr(block_files, "RANGE_POINTS", 100)
    values = np.random.default_rng(1).uniform(0, 1, (1000, 2))
    worker = Worker()
    found, numbers = find(lake, Distance(metric="chebyshev", threshold=0.9), "vector", values, worker)
    assert worker.events[0]["halo_column"] is None
    assert numbers["blocks"] == 10
    gaps = np.abs(values[:, None] - values).max(axis=2)
    assert len(found) == int((gaps <= 0.9).sum() - 1000) // 2


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings(lake: Any, metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same vectors as columns, by the join, and as arrays, by blocks."""
    monkeypatch.setattr(block_files, "RANGE_POINTS", 70)
    chance = np.random.default_rng(3)
    values = (
        chance.standard_normal((30, 12))[chance.integers(0, 30, 300)]
        + chance.standard_normal((300, 12)) * 0.2
    )
    distance = Distance(metric=metric, threshold=0.05 if metric == "cosine" else 0.8)
    found, numbers = find(lake, distance, "embedding", values, Worker())
    assert found == lake.candidates(distance, columns_of(12), [tuple(row) for row in values.tolist()])
    assert len(found) > 100
    assert numbers["blocks"] == 5


def test_too_many_pairs_are_refused_before_and_while_going(lake: Any) -> None:
    values = np.random.default_rng(3).uniform(0, 1, (200, 2))
    distance = Distance(metric="euclidean", threshold=5.0)
    worker = Worker()
    with pytest.raises(TooManyPairsError, match="more than 19,899"):
        find(lake, distance, "vector", values, worker, max_pairs=19_899)
    assert len(worker.events) == 1, "counted by the invocation that would have listed them"
    assert len(find(lake, distance, "vector", values, Worker(), max_pairs=19_900)[0]) == 19_900


def test_a_failure_stops_the_rest(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_to(monkeypatch, 20)
    values = np.random.default_rng(3).uniform(0, 100, (1000, 2))
    worker = Worker(fails_at=3)
    with pytest.raises(WorkerUserError, match="the worker fails"):
        find(lake, Distance(metric="euclidean", threshold=0.1), "vector", values, worker)
    assert len(worker.events) == 4


def test_cuts_are_balanced_and_end_where_points_are_the_same() -> None:
    sample = np.random.default_rng(1).standard_normal((1000, 3))
    for blocks in (1, 2, 7, 64, 100):
        cuts = cut_space(sample, blocks)
        assert _leaves(cuts) == list(range(blocks))
    assert _leaves(cut_space(np.ones((10, 2)), 8)) == [0]
    assert _leaves(cut_space(np.array([[0.0], [0.0], [0.0], [1.0]]), 4)) == [0, 1]
    assert 1.0 <= replication(sample, cut_space(sample, 8), 0.01) < 1.2
    assert replication(sample, cut_space(sample, 8), 100.0) == 4.5


def _leaves(cuts: Any) -> list[int]:
    return [cuts.block] if cuts.axis is None else _leaves(cuts.below) + _leaves(cuts.above)


def test_the_longest_statement_is_as_athena_takes_it() -> None:
    comparison = metrics.Comparison("vector", "euclidean", 0.1 + 0.2, columns_of(500))
    sample = np.random.default_rng(1).standard_normal((1000, 500)) * 1e100
    plan = space_blocks(comparison, cut_space(sample, 100))
    for statement in (plan.boxes, plan.blocks):
        assert len(statement.tree.sql("athena").encode()) < 262_144
    assert reach_of(5e-324) > 0
    assert sample_step(10**6, 8) == 50
    assert sample_step(10**6, 500) == 1000


def test_every_pair_of_ranges_is_somebodys_work() -> None:
    ranges = cut_ids(last_id=999, points=1000, dimensions=64, wanted=100)
    assert (ranges.size, ranges.count) == (100, 10)
    assert cut_ids(last_id=9990, points=1000, dimensions=64, wanted=100).size == 1000
    assert cut_ids(last_id=10**6, points=10**6, dimensions=4096, wanted=16_384).size <= 1024
    for size in (100, 10**6):
        work = share_work(type(ranges)(size, 10), 64)
        met = [(item.block, other) for item in work for other in item.others]
        met += [(item.block, item.block) for item in work if item.within]
        assert sorted(met) == [(a, b) for a in range(10) for b in range(a, 10)]


def test_more_than_a_hundred_ranges_take_more_statements(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_files, "RANGE_POINTS", 64)
    values = np.random.default_rng(3).standard_normal((64 * 102, 2))
    distance = Distance(metric="cosine", threshold=1e-7)
    found, numbers = find(lake, distance, "embedding", values, Worker())
    assert numbers["blocks"] == 102
    assert found == lake.candidates(distance, columns_of(2), [tuple(row) for row in values.tolist()])
