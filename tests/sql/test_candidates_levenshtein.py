"""Levenshtein candidates are the pairs that brute force over code points finds."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wagner_fischer import levenshtein

from cluster_assets.domain.tables import Column, points_contract
from cluster_assets.spec.pipeline import Distance
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics.levenshtein import LENGTHS, rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cluster_assets.stages.candidates.metrics.levenshtein import Pattern

TEXT = (Column("text", "varchar"),)
LETTERS = st.sampled_from(["a", "b", "c", "é", "e", "\u0301", "\U0001f600", "日", "'", " "])
ACUTE, FACE, FAMILY = "\u0301", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def brute(texts: Sequence[str], edits: int) -> list[tuple[int, int, float]]:
    pairs = ((a, b, levenshtein(texts[a], texts[b])) for a, b in itertools.combinations(range(len(texts)), 2))
    return [(a, b, float(distance)) for a, b, distance in pairs if distance <= edits]


def candidates(lake: Any, texts: Sequence[str], edits: int) -> Any:
    return lake.candidates(Distance(metric="levenshtein", threshold=edits), TEXT, [(text,) for text in texts])


@st.composite
def inputs(draw: st.DrawFn) -> set[str]:
    """Texts and a few edits of them, short ones and empty ones among them, often with one beginning."""
    start = draw(st.sampled_from(["", "", "Mozilla/5.0 (", "éé"]))
    end = draw(st.sampled_from(["", "", ") Gecko", FACE]))
    texts = draw(st.lists(st.text(LETTERS, max_size=9), max_size=8))
    for text in draw(st.lists(st.sampled_from(texts), max_size=6)) if texts else []:
        edited = list(text)
        for _ in range(draw(st.integers(1, 4))):
            place = draw(st.integers(0, len(edited)))
            edited[place : place + draw(st.integers(0, 1))] = draw(st.lists(LETTERS, max_size=1))
        texts.append("".join(edited))
    return {start + text + end for text in texts}


@st.composite
def days(draw: st.DrawFn) -> tuple[list[str], int]:
    """Ten inputs in one day: a statement takes about as long for all as for one."""
    made = draw(st.lists(inputs(), min_size=10, max_size=10))
    return sorted(set().union(*made)), draw(st.integers(1, 6))


@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(days())
    @example((["", "a", "aa", "aaa", "b", "ab", "ba", "aab"], 1))
    @example((["", "a", "aa", "aaa", "b", "ab", "ba", "aab"], 3))
    @example((["e" + ACUTE, "é", "e", FACE, FAMILY, FACE * 2, ""], 2))
    @example((["abcdefghij", "xabcdefghi", "abcdefghijx", "bcdefghijxx"], 2))
    @example((["kitten", "sitting", "sitten", "Kitten "], 25))
    def holds(day: tuple[list[str], int]) -> None:
        texts, edits = day
        assert candidates(lake, texts, edits) == brute(texts, edits)

    holds()


def near_texts(chance: random.Random, count: int, longest: int) -> list[str]:
    texts = ["".join(chance.choices("abcdeé日", k=chance.randint(0, longest))) for _ in range(count)]
    for text in texts[: count // 2]:
        edited = list(text)
        for _ in range(chance.randint(1, 5)):
            place = chance.randint(0, len(edited))
            edited[place : place + chance.randint(0, 1)] = chance.choices("abc", k=chance.randint(0, 1))
        texts.append("".join(edited))
    return sorted(set(texts))


@pytest.mark.parametrize("edits", [1, 2, 3, 4, 6, 15])
def test_texts_of_many_lengths(lake: Any, edits: int) -> None:
    texts = near_texts(random.Random(edits), 100, 25)
    pairs = candidates(lake, texts, edits)
    assert pairs == brute(texts, edits)
    assert len(pairs) > 30


def agents(count: int) -> list[str]:
    """User agents: few templates, numbers that differ."""
    chance, made = random.Random(5), set[str]()
    systems = ["Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Linux; Android {a}; Pixel {b}"]
    while len(made) < count:
        system = chance.choice(systems).format(a=chance.randint(5, 15), b=chance.randint(0, 9))
        version = f"{chance.randint(60, 99)}.0.{chance.randint(1000, 6500)}.{chance.randint(0, 220)}"
        made.add(
            f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
        )
    return sorted(made)


def plan_and_relations(lake: Any, texts: Sequence[str], edits: int) -> tuple[Any, dict[str, Any]]:
    plan = metrics.plan(metrics.Comparison("text", "levenshtein", float(edits), TEXT))
    rows = [(number, 1, text) for number, text in enumerate(texts)]
    known = {"points": lake.write(points_contract(TEXT).columns, rows)}
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    return plan, known


@pytest.mark.parametrize(("edits", "share"), [(1, 0.01), (2, 0.15)])
def test_what_all_texts_share_makes_no_crowded_key(lake: Any, edits: int, share: float) -> None:
    texts = agents(1200)
    plan, known = plan_and_relations(lake, texts, edits)
    compared = lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"]
    assert compared < share * len(texts) * (len(texts) - 1) / 2
    rules = {row[1] for row in lake.rows(known["lengths"])}
    assert 2 in rules


def test_crowded_texts_lose_no_pair(lake: Any) -> None:
    texts = agents(30)
    assert candidates(lake, texts, 2) == brute(texts, 2)
    numbers = [f"user-{number:05}" for number in range(0, 3000, 3)]
    found = {(a, b) for a, b, _ in candidates(lake, numbers, 1)}
    assert found == {
        (a, b)
        for a, one in enumerate(numbers)
        for b in range(a + 1, len(numbers))
        if sum(x != y for x, y in zip(one, numbers[b], strict=True)) == 1
    }


def test_texts_of_the_longest_length(lake: Any) -> None:
    body = "".join(random.Random(1).choices("abcdefgh", k=998))
    texts = [body + "xy", body[:500] + "é" + body[500:] + "x", "z" * 1000]
    assert candidates(lake, texts, 2) == [(0, 1, 2.0)]


def test_cuts_reach_from_the_beginning_to_the_end(lake: Any) -> None:
    texts = near_texts(random.Random(3), 60, 12)
    _, known = plan_and_relations(lake, texts, 2)
    assert [column.name for column in LENGTHS.columns] == ["length", "rule", "cuts", "comparisons"]
    rows = lake.rows(known["lengths"])
    assert {row[0] for row in rows} == {len(text) for text in texts}
    for length, _, cuts, _ in rows:
        assert cuts[0] == 0
        assert cuts[-1] == length
        assert cuts == sorted(cuts)


def paths(segments: int, edits: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way to put edits into segments, as (edits, characters gained) of each segment."""
    if segments == 0:
        yield ()
        return
    for here in range(edits + 1):
        for gained in range(-here, here + 1):
            for rest in paths(segments - 1, edits - here):
                yield (here, gained), *rest


@pytest.mark.parametrize(("edits", "intact"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1), (3, 2)])
def test_every_way_to_edit_leaves_a_pattern_whose_move_is_listed(edits: int, intact: int) -> None:
    chosen = rules(edits, (intact,))[0].patterns
    for path in paths(edits + intact, edits):
        added = sum(gained for _, gained in path)
        if added < 0:
            continue
        before = [sum(gained for _, gained in path[:segment]) for segment in range(len(path))]
        clean = {segment for segment, (here, _) in enumerate(path) if here == 0}
        assert any(_is_listed(pattern, clean, before, added) for pattern in chosen), path


def _is_listed(pattern: Pattern, clean: set[int], before: list[int], added: int) -> bool:
    """Whether the runs are untouched, and moved as the SQL allows."""
    kept = {segment for first, last in pattern.runs for segment in range(first, last)}
    places = [0, *(before[first] for first, last in pattern.runs if last > first), added]
    gaps = pattern.gaps[: len(places) - 2] + pattern.gaps[-1:]
    moved = [abs(after - ahead) for ahead, after in itertools.pairwise(places)]
    return kept <= clean and all(by <= gap for by, gap in zip(moved, gaps, strict=True))
