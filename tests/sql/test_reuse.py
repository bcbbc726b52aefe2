"""Pairs of a former day together with those of new points are the pairs of all points."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.errors import ErrorLevel

from cluster_assets.backends.statements import bind, sources_of
from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.kept import KEPT, find_kept, with_kept_pairs
from tests.sql.test_candidates_levenshtein import days as texts_of_a_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    Point = tuple[Any, ...]

TEXT = metrics.Comparison("text", "levenshtein", 2.0, (Column("text", "varchar"),))
PARTS = (
    metrics.Part("size", "number", 1.0), metrics.Part("kind", "category", 0.5),
    metrics.Part("tags", "set", 2.0), metrics.Part("name", "text", 1.0),
)  # fmt: skip
TYPES = ("double", "varchar", "array(varchar)", "varchar")
COLUMNS = tuple(Column(part.name, kind) for part, kind in zip(PARTS, TYPES, strict=True))
EXTREMES: tuple[Point, ...] = ((-1.5, "a", ["x"], "b"), (1.5, "b", ["y"], "a"))
LETTERS = st.sampled_from(["a", "b", "é", "\U0001f600", "e\u0301", ""])
POINTS = st.tuples(
    st.floats(-1.5, 1.5).map(lambda x: x + 0.0),
    LETTERS,
    st.frozensets(LETTERS, min_size=1, max_size=3).map(sorted),
    st.lists(LETTERS, max_size=4).map("".join),
)


def mixed(threshold: float) -> metrics.Comparison:
    return metrics.Comparison("mixed", "gower", threshold, COLUMNS, PARTS)


def write(lake: Any, compared: metrics.Comparison, points: Sequence[Point]) -> Any:
    contract = points_contract(compared.columns)
    return lake.write(contract.columns, [(number, 1, *point) for number, point in enumerate(points)])


def assert_parts_are_the_whole(
    lake: Any, compared: metrics.Comparison, points: Sequence[Point], former: Sequence[Point]
) -> list[Any]:
    """Return the pairs that were taken over."""
    plan = metrics.plan(compared)
    assert plan.fresh is not None
    known = lake.prepare(plan, {"points": write(lake, compared, points)})
    before = lake.prepare(plan, {"points": write(lake, compared, former)})
    former_pairs = lake.fill(plan.candidates, before, CANDIDATES)
    kept = lake.fill(
        find_kept(compared), {"points": known["points"], "former_points": before["points"]}, KEPT
    )
    reused = {**known, "kept": kept, "former_candidates": former_pairs}
    whole = lake.rows(lake.fill(plan.candidates, known, CANDIDATES))
    assert lake.rows(lake.fill(with_kept_pairs(plan.fresh), reused, CANDIDATES)) == whole
    taken = bind("candidates/reuse/pairs.sql", structure={"has_blocks": False})
    found = lake.rows(lake.fill(taken, reused, CANDIDATES))
    fresh = lake.rows(lake.fill(plan.fresh, {**known, "kept": kept}, CANDIDATES))
    assert not {row[:2] for row in found} & {row[:2] for row in fresh}
    return list(found)


@pytest.mark.parametrize("examples", [5, pytest.param(50, marks=pytest.mark.long)])
def test_texts(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(texts_of_a_day(), st.integers(0, 2**32))
    def holds(day: tuple[list[str], int], seed: int) -> None:
        texts, edits = day
        chance = random.Random(seed)
        former = [(text,) for text in (*texts, "gone", "goner") if chance.random() < 0.7]
        chance.shuffle(former)
        compared = metrics.Comparison("text", "levenshtein", float(edits), TEXT.columns)
        assert_parts_are_the_whole(lake, compared, [(text,) for text in texts if text != "gone"], former)

    holds()


@pytest.mark.parametrize("examples", [12, pytest.param(100, marks=pytest.mark.long)])
def test_mixed_features_of_equal_ranges(lake: Any, examples: int) -> None:
    """A threshold of all filters, of a route for each feature, and without a key."""

    @settings(max_examples=examples)
    @given(
        st.lists(POINTS, max_size=15, unique_by=str),
        st.lists(POINTS, max_size=5, unique_by=str),
        st.sampled_from([0.1, 0.4, 1.0]),
        st.integers(0, 2**32),
    )
    def holds(shared: list[Point], own: list[Point], threshold: float, seed: int) -> None:
        chance = random.Random(seed)
        named = {str(point): point for point in (*EXTREMES, *shared)}
        new = {str(point): point for point in own if str(point) not in named}
        points, former = list((named | new).values()), list(named.values())
        chance.shuffle(points)
        chance.shuffle(former)
        taken = assert_parts_are_the_whole(lake, mixed(threshold), points, former)
        assert len(taken) == len(former) * (len(former) - 1) // 2 or threshold < 1

    holds()


@pytest.mark.parametrize("compared", [TEXT, mixed(0.1), mixed(0.4)], ids=["text", "mixed", "routes"])
@pytest.mark.parametrize("dialect", ["athena", "trino", "duckdb"])
def test_both_parts_are_one_statement_of_every_dialect(compared: metrics.Comparison, dialect: str) -> None:
    fresh = metrics.plan(compared).fresh
    assert fresh is not None
    statement = with_kept_pairs(fresh)
    text = statement.tree.sql(dialect, unsupported_level=ErrorLevel.RAISE)
    assert len(sqlglot.parse(text, read=dialect)) == 1
    assert {"kept", "former_candidates", "points"} <= set(sources_of(statement))
