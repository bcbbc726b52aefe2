"""Candidates of sets are the pairs that brute force finds, for every metric and threshold."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot.expressions as exp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import distance as scipy_distance

from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics import sets as set_metrics
from cluster_assets.stages.candidates.metrics.sets import bounds_of, plan_with

if TYPE_CHECKING:
    from cluster_assets.stages.candidates.metrics import CandidatePlan

    Tokens = frozenset[str]
    Pairs = list[tuple[int, int, float]]

METRICS = ("jaccard", "dice", "overlap", "cosine")
TOKENS = (Column("tokens", "array(varchar)"),)
RATIOS = sorted({p / q for q in range(1, 9) for p in range(1, q + 1)})
THRESHOLDS = st.one_of(
    st.sampled_from(RATIOS),
    st.sampled_from(RATIOS[:-1]).map(lambda ratio: math.nextafter(ratio, 1)),
    st.sampled_from(RATIOS).map(lambda ratio: math.nextafter(ratio, 0)),
    st.sampled_from([1 - math.sqrt(p / q) for q in range(2, 8) for p in range(1, q)]),
    st.sampled_from([1e-300, 1e-9, 1 - 2**-53, 1 - 2**-50, 1 - 2**-40, 0.4, 0.7]),
    st.floats(0, 1, exclude_min=True),
)
ALPHABET = ["a", "b", "c", "d", "e", "f", "", "é", "e\u0301", "\U0001f600", "'", '"']
SETS = st.lists(
    st.frozensets(st.sampled_from(ALPHABET), min_size=1, max_size=7), min_size=0, max_size=14, unique=True
)


def distance(metric: str, one: Tokens, other: Tokens) -> float:
    a, b = sorted((len(one), len(other)))
    common = len(one & other)
    match metric:
        case "jaccard":
            return (a + b - 2 * common) / (a + b - common)
        case "dice":
            return (a + b - 2 * common) / (a + b)
        case "overlap":
            return (a - common) / a
    return 1 - common / math.sqrt(a * b)


def brute(metric: str, sets: list[Tokens], threshold: float) -> Pairs:
    pairs = (
        (a, b, distance(metric, sets[a], sets[b])) for a, b in itertools.combinations(range(len(sets)), 2)
    )
    return [pair for pair in pairs if pair[2] <= threshold]


def comparison(metric: Any, threshold: float) -> metrics.Comparison:
    return metrics.Comparison("set", metric, threshold, TOKENS)


def relations(lake: Any, plan: CandidatePlan, sets: list[Tokens]) -> dict[str, Any]:
    """Points and the scratch tables of a plan."""
    rows = [(number, 1, sorted(tokens)) for number, tokens in enumerate(sets)]
    known = {"points": lake.write(points_contract(TOKENS).columns, rows)}
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    return known


def run(lake: Any, plan: CandidatePlan, sets: list[Tokens]) -> Pairs:
    """Pairs that a plan finds; they must lie within its bound on comparisons."""
    known = relations(lake, plan, sets)
    pairs: Pairs = lake.rows(lake.fill(plan.candidates, known, CANDIDATES))
    assert lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"] >= len(pairs)
    return pairs


def apart(inputs: list[list[Tokens]]) -> list[Tokens]:
    """Inputs side by side: tokens carry the number of theirs, so sets of two inputs share none."""
    return [frozenset(f"{k}/{token}" for token in tokens) for k, sets in enumerate(inputs) for tokens in sets]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("examples", [3, pytest.param(30, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, metric: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        st.lists(SETS, min_size=25, max_size=25),
        THRESHOLDS,
        st.sampled_from([1, 2, 4, set_metrics.HOT_FREQUENCY]),
    )
    def holds(inputs: list[list[Tokens]], threshold: float, hot_frequency: int) -> None:
        sets = apart(inputs)
        plan = plan_with(comparison(metric, threshold), hot_frequency=hot_frequency)
        assert run(lake, plan, sets) == brute(metric, sets, threshold)

    holds()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("threshold", "hot_frequency"), [(0.2, 1000), (0.5, 10), (0.75, 1000)])
def test_long_sets_of_skewed_tokens(lake: Any, metric: str, threshold: float, hot_frequency: int) -> None:
    chance = random.Random(7)
    made: list[Tokens] = []
    for _ in range(150):
        size = chance.randint(1, 120)
        tokens = {str(int(chance.paretovariate(0.6))) for _ in range(size)}
        made.append(frozenset(tokens))
        kept = chance.sample(sorted(tokens), max(1, len(tokens) - 2))
        made.append(frozenset(kept) | {str(chance.random())})
    sets = sorted(set(made), key=sorted)
    pairs = run(lake, plan_with(comparison(metric, threshold), hot_frequency=hot_frequency), sets)
    assert pairs == brute(metric, sets, threshold)
    assert len(pairs) > 50


def hot_sets(count: int) -> list[Tokens]:
    """Each of eight tokens is held by more than half of the sets; two tokens of a set are rare."""
    chance = random.Random(5)
    made: set[Tokens] = set()
    while len(made) < count:
        hot = chance.sample([f"hot {k}" for k in range(8)], chance.randint(4, 6))
        made.add(frozenset(hot) | {f"rare {chance.randrange(count)}" for _ in range(2)})
    return sorted(made, key=sorted)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("threshold", [0.4, 0.6])
def test_hot_tokens_lose_nothing(lake: Any, metric: str, threshold: float) -> None:
    sets = hot_sets(400)
    expected = brute(metric, sets, threshold)
    for hot_frequency in (50, 1000):
        pairs = run(lake, plan_with(comparison(metric, threshold), hot_frequency=hot_frequency), sets)
        assert pairs == expected
    assert len(expected) > 300


def matches(lake: Any, plan: CandidatePlan, sets: list[Tokens]) -> int:
    """Rows that agree in token and band of sizes, in the joins of points and of classes."""
    query = exp.select("COUNT(*) AS found").from_("offered AS a")
    query = query.join("prefixes AS b", on="a.rank = b.rank AND a.band = b.band")
    query.set("with_", plan.candidates.tree.args["with_"].copy())
    statement = replace(plan.candidates, tree=query)
    return int(lake.engine.fetch(statement, relations(lake, plan, sets)).rows[0]["found"])


def test_hot_tokens_are_compared_by_classes(lake: Any) -> None:
    asked = comparison("jaccard", 0.5)
    before, after = {}, {}
    for count in (500, 2000):
        sets = hot_sets(count)
        before[count] = matches(lake, plan_with(asked, hot_frequency=10**6), sets)
        after[count] = matches(lake, plan_with(asked, hot_frequency=100), sets)
    assert before[2000] > 10 * before[500]  # quadratic
    assert after[2000] < 5 * after[500]
    assert after[2000] < before[2000] / 10


@pytest.mark.parametrize("metric", METRICS)
def test_a_prefix_one_token_shorter_would_be_seen(lake: Any, metric: str) -> None:
    inputs = [
        [frozenset(f"{k}" for k in range(size)), frozenset(f"{k}" for k in range(lost, size))]
        for size in range(1, 12)
        for lost in range(size)
    ]
    # Tokens of the start are rarer, so the only common prefix token is the last one that the proof allows.
    sets, missed = apart(inputs), 0
    for threshold in (0.2, 1 / 3, 0.5):
        plan = plan_with(comparison(metric, threshold), hot_frequency=1000)
        expected = brute(metric, sets, threshold)
        assert run(lake, plan, sets) == expected
        step = next(step for step in plan.scratch if step.table.name == "prefixes")
        shorter = step.statement.tree.copy()
        for slicing in shorter.find_all(exp.ArraySlice):
            slicing.set("end", slicing.args["end"] - 1)
        cut = replace(step, statement=replace(step.statement, tree=shorter))
        scratch = tuple(cut if one is step else one for one in plan.scratch)
        found = run(lake, replace(plan, scratch=scratch), sets)
        missed += len(expected) - len(found)
    assert missed > 5


def test_the_distances_are_scipys() -> None:
    chance = random.Random(3)
    for _ in range(300):
        a = [chance.random() < 0.5 for _ in range(9)] + [True]
        b = [chance.random() < 0.5 for _ in range(9)] + [True]
        one, other = (frozenset(str(k) for k, held in enumerate(mask) if held) for mask in (a, b))
        for metric in ("jaccard", "dice"):
            assert distance(metric, one, other) == getattr(scipy_distance, metric)(a, b)
        assert distance("cosine", one, other) == scipy_distance.cosine(
            [float(held) for held in a], [float(held) for held in b]
        )


@pytest.mark.parametrize("metric", METRICS)
@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(1, 10**6), st.integers(1, 10**6))
def test_bounds_lie_below_what_near_pairs_reach(metric: str, threshold: float, one: int, other: int) -> None:
    a, b = sorted((one, other))
    bounds = bounds_of(metric, threshold)
    similarity = max(Fraction(0), 1 - Fraction(threshold) - Fraction(1, 2**51))
    share, ratio = map(Fraction, (bounds.share, bounds.ratio))
    assert 0 <= ratio <= 1
    if metric == "jaccard":
        least = similarity / (1 + similarity) * (a + b)
        assert share * (a + b) <= least
    elif metric == "dice":
        least = similarity * (a + b) / 2
        assert share * (a + b) <= least
    elif metric == "overlap":
        least = similarity * a
        assert share * a <= least
    else:
        least = Fraction(math.isqrt(math.floor(similarity * similarity * a * b * 2**80)), 2**40)
        assert share * share * a * b <= similarity * similarity * a * b
    common = max(1, math.ceil(least))
    furthest = bounds.reach * common  # in doubles, as the statement has it
    if metric in ("jaccard", "dice"):
        assert min(2.0**32, math.floor(furthest)) >= a + b
    elif metric == "overlap":
        assert min(2.0**32, math.floor(furthest)) >= a
    else:
        assert min(2.0**32, math.floor(furthest * furthest / a)) >= b
        assert min(2.0**32, math.floor(furthest * furthest / b)) >= a
    if least <= a:  # else no pair of these sizes is near
        assert min(2.0**32, math.floor(bounds.widest * a)) >= b
        bands = [math.floor(bounds.bands * math.log(size)) for size in (a, b, math.floor(bounds.widest * a))]
        assert bands == sorted(bands)
        assert bounds.ratio == 0 or bands[2] - bands[0] <= 5
        assert ratio * b <= a
        assert ratio * b <= least + Fraction(1, 2**39)


def test_every_pair_is_near_at_the_threshold_one(lake: Any) -> None:
    sets = [frozenset("ab"), frozenset("bc"), frozenset("d"), frozenset("e"), frozenset("abc")]
    for metric in METRICS:
        pairs = run(lake, metrics.plan(comparison(metric, 1.0)), sets)
        assert pairs == brute(metric, sets, 1.0)
        assert len(pairs) == 10
