"""MinHash finds a part of the near pairs: the same part every time, measured exactly, and large enough."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot.expressions as exp
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics

if TYPE_CHECKING:
    from cluster_assets.stages.candidates.metrics import CandidatePlan

    Tokens = frozenset[str]
    Pairs = list[tuple[int, int, float]]

TOKENS = (Column("tokens", "array(varchar)"),)
LONGEST_QUERY = 262_144  # bytes Athena takes


def lsh(threshold: float, *, tables: int = 16, rows: int = 4, seed: int = 1) -> CandidatePlan:
    asked = metrics.Comparison("set", "jaccard", threshold, TOKENS)
    return metrics.lsh(asked, metrics.LshOptions(tables, rows, seed))


def run(lake: Any, plan: CandidatePlan, sets: list[tuple[int, Tokens]]) -> Pairs:
    """Pairs found among numbered sets, in the order of the rows given."""
    rows = [(number, 1, sorted(tokens)) for number, tokens in sets]
    known = {"points": lake.write(points_contract(TOKENS).columns, rows)}
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    pairs: Pairs = lake.rows(lake.fill(plan.candidates, known, CANDIDATES))
    assert lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"] >= len(pairs)
    return pairs


def exact(lake: Any, threshold: float, sets: list[tuple[int, Tokens]]) -> Pairs:
    return run(lake, metrics.plan(metrics.Comparison("set", "jaccard", threshold, TOKENS)), sets)


def planted(count: int) -> list[tuple[int, Tokens]]:
    """Sets of twenty tokens; the other half are copies that differ in one token."""
    chance = random.Random(11)
    originals = [frozenset(str(chance.randrange(5000)) for _ in range(20)) for _ in range(count // 2)]
    copies = [frozenset([*sorted(tokens)[1:], f"new {n}"]) for n, tokens in enumerate(originals)]
    return list(enumerate([*originals, *copies]))


@pytest.mark.parametrize("examples", [3, pytest.param(6, marks=pytest.mark.long)])
def test_what_is_found_is_near_and_measured_exactly(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        st.lists(
            st.frozensets(st.sampled_from("abcdefgé"), min_size=1), min_size=25, max_size=40, unique=True
        ),
        st.sampled_from([0.2, 1 / 3, 0.5, 0.75]),
        st.sampled_from([(1, 1), (4, 1), (3, 2), (1, 32)]),
    )
    def holds(sets: list[Tokens], threshold: float, shape: tuple[int, int]) -> None:
        numbered = list(enumerate(sets))
        found = run(lake, lsh(threshold, tables=shape[0], rows=shape[1]), numbered)
        assert set(found) <= set(exact(lake, threshold, numbered))
        assert len(found) == len(set(found))

    holds()


def test_planted_copies_are_found(lake: Any) -> None:
    sets = planted(1000)
    found, every = run(lake, lsh(0.2), sets), exact(lake, 0.2, sets)
    assert len(every) >= 490
    # 19 of 21 tokens are common: a pair is missed with a chance of (1 - (19 / 21)^4)^16 = 2e-8.
    assert found == every


def test_recall_is_what_the_formula_says(lake: Any) -> None:
    sets = planted(1000)
    every = exact(lake, 0.2, sets)
    found = run(lake, lsh(0.2, tables=1, rows=4), sets)
    expected = sum((1 - distance) ** 4 for _, _, distance in every) / len(every)
    deviation = (expected * (1 - expected) / len(every)) ** 0.5
    assert abs(len(found) / len(every) - expected) < 5 * deviation
    assert len(found) < len(every)


def test_the_same_pairs_in_any_order_and_in_a_sample(lake: Any) -> None:
    sets, plan = planted(400), lsh(0.2, tables=2, rows=4)
    found = run(lake, plan, sets)
    shuffled = random.Random(2).sample(sets, len(sets))
    assert run(lake, plan, shuffled) == found
    sample = [(number, tokens) for number, tokens in sets if number % 3]
    kept = [pair for pair in found if pair[0] % 3 and pair[1] % 3]
    assert run(lake, plan, sample) == kept
    assert 0 < len(kept) < len(found)


def test_buckets_are_those_of_plain_arithmetic(lake: Any) -> None:
    import hashlib

    plan = lsh(0.2, tables=2, rows=3, seed=5)
    sets = [(0, frozenset({"a", "é", ""})), (1, frozenset({"'"}))]
    rows = [(number, 1, sorted(tokens)) for number, tokens in sets]
    step = plan.scratch[0]
    known = {"points": lake.write(points_contract(TOKENS).columns, rows)}
    found = set(lake.rows(lake.fill(step.statement, known, step.table)))
    prime = 2**31 - 1
    coefficients = [
        [int(number.name) for number in band.expressions]
        for band in step.statement.tree.find(exp.Values).expressions
    ]
    expected = set()
    for number, tokens in sets:
        hashes = [int(hashlib.md5(token.encode()).hexdigest()[:15], 16) % prime for token in tokens]  # noqa: S324
        for band, *numbers in coefficients:
            minima = [
                min((c * h + d) % prime for h in hashes)
                for c, d in zip(numbers[::2], numbers[1::2], strict=True)
            ]
            bucket = minima[0]
            for least in minima[1:]:
                bucket = (bucket * 1000003 + least) % prime
            expected.add((number, band, bucket))
    assert found == expected


def test_seeds_differ_and_the_largest_text_fits() -> None:
    texts = {
        seed: lsh(0.2, tables=128, rows=32, seed=seed).scratch[0].statement.tree.sql("athena")
        for seed in (1, 2)
    }
    assert texts[1] != texts[2]
    assert all(len(text.encode()) < LONGEST_QUERY / 2 for text in texts.values())


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_no_points_and_one_point(lake: Any, threshold: float) -> None:
    assert run(lake, lsh(threshold), []) == []
    assert run(lake, lsh(threshold), [(0, frozenset("a"))]) == []
