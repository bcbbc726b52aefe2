"""Names of clusters: true, unique, and kept while they are true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.stages.profiles.names import (
    Name,
    Subject,
    choose_names,
    options_for,
    read_basis,
    write_basis,
)
from cluster_assets.stages.profiles.phrases import Fact, is_still_true, phrases_of, shorten

SHARES = st.floats(0, 1)
FACTS = st.one_of(
    st.builds(
        Fact, st.sampled_from(["token", "category", "text"]), st.sampled_from(["token", "colour"]), st.text(),
        SHARES, SHARES,
    ),
    st.builds(
        Fact, st.just("number"), st.sampled_from(["count(*)", "avg(x)", "max(a + b)", "size"]),
        zscore=st.floats(-1e3, 1e3) | st.none(),
    ),
    st.builds(
        Fact, st.just("place"), st.just("place"), latitude=st.floats(-90, 90),
        longitude=st.floats(-180, 180), radius_m=st.floats(0, 2e7),
    ),
)  # fmt: skip


def subject(cluster: int, *facts: Fact, stable_id: str = "", **more: str | bool) -> Subject:
    return Subject(cluster, stable_id or f"20130304-{cluster:06d}", f"entity {cluster}", facts, **more)


def names(*subjects: Subject, remembered: tuple[str, ...] = ()) -> dict[int, str]:
    chosen = choose_names([options_for(one) for one in subjects], remembered)
    return {cluster: name.text for cluster, name in chosen.items()}


def next_day(before: Name, cluster: int, *facts: Fact, has_medoid: bool = True) -> str:
    """The name of a cluster on the day after."""
    one = subject(cluster, *facts)
    named = replace(one, earlier=before.text, basis=before.basis, has_medoid=has_medoid)
    return names(named)[cluster]


def token(value: str, share: float, day_share: float = 0.1) -> Fact:
    return Fact("token", "token", value, share, day_share)


def number(expression: str, zscore: float) -> Fact:
    return Fact("number", expression, zscore=zscore)


def place(latitude: float, longitude: float, radius_m: float) -> Fact:
    return Fact("place", "place", latitude=latitude, longitude=longitude, radius_m=radius_m)


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ([token("TCP/445", 1.0), token("UDP/54022", 0.9)], "TCP/445 · UDP/54022"),
        ([token("TCP/445", 1.0), token("UDP/54022", 0.05)], "TCP/445"),
        ([token("TCP/445", 0.3)], "some TCP/445"),
        ([number("count(DISTINCT port)", 1.4), number("count(*)", -0.6)], "many ports · few rows"),
        ([number("count(*)", 2.5), number('avg("size")', 0.1)], "very many rows"),
        ([number("avg(coalesce(src_port, 0))", -0.3)], "slightly low avg src_port"),
        ([number("sum(a) / count(*)", 0.7)], "high sum(a) / count(*)"),
        ([number("count(*)", 0.0)], "rows as usual"),
        ([place(50.11, 8.68, 12_300)], "50.1 N 8.7 E ± 12 km"),
        ([place(-33.87, -70.5, 0)], "33.87 S 70.50 W ± 0 m"),
        ([place(10.0, 20.0, 1_234_567)], "10.0 N 20.0 E ± 1,200 km"),
        ([Fact("text", "text", "Mozilla/5.0\n(X11)", 0.4, 0.1)], "Mozilla/5.0 (X11)"),
        ([number("embedding[1]", 3.0)], "like entity 0"),
        ([number("count(*)", 1.0), replace(token("red", 1.0, 0.2), kind="category", feature="colour")],
         "colour red · many rows"),
    ],
)  # fmt: skip
def test_a_name_says_what_distinguishes(facts: list[Fact], name: str) -> None:
    assert names(subject(0, *facts)) == {0: name}


def test_clusters_alike_get_more_words_then_numbers() -> None:
    facts = [number("count(*)", 1.0), number("avg(x)", 0.9), number("avg(y)", 0.8)]
    alike = [subject(k, *facts) for k in range(6)]
    assert list(names(*alike).values()) == [
        "many rows · high avg x",
        "many rows · high avg x · high avg y",
        "rows +1.0 sd · avg x +0.9 sd",
        "rows +1.0 sd · avg x +0.9 sd · avg y +0.8 sd",
        "many rows · high avg x (2)",
        "many rows · high avg x (3)",
    ]


@given(st.lists(st.lists(FACTS, max_size=5), max_size=12))
def test_names_are_unique_short_and_on_one_line(days: list[list[Fact]]) -> None:
    subjects = [subject(k, *facts) for k, facts in enumerate(days)]
    found = names(*subjects)
    assert len(set(found.values())) == len(found) == len(subjects)
    assert all(text.isprintable() and 0 < len(text) < 250 for text in found.values())
    assert names(*reversed(subjects)) == found  # whatever the order


@given(st.lists(FACTS, max_size=5))
def test_a_name_is_true_on_its_own_day(facts: list[Fact]) -> None:
    for phrase in phrases_of(facts):
        true_of_its_fact = [fact for fact in facts if is_still_true(phrase, [fact], has_medoid=True)]
        # A value that is rarer than in the day distinguishes nothing.
        rare = [fact for fact in facts if (fact.share or 0.0) < (fact.day_share or 0.0)]
        assert true_of_its_fact or rare
    assert read_basis(write_basis(phrases_of(facts)))[:1] == tuple(
        replace(phrase, exact=phrase.text, strength=0.0) for phrase in phrases_of(facts)[:1]
    )


@pytest.mark.parametrize(
    ("then", "now", "is_kept"),
    [
        (token("a", 0.9), token("a", 0.5), True),
        (token("a", 0.9), token("a", 0.2), False),
        (token("a", 0.9), token("a", 0.5, 0.8), False),  # most of the day has it
        (token("a", 0.9), token("b", 0.9), False),
        (number("count(*)", 0.6), number("count(*)", 0.3), True),
        (number("count(*)", 0.6), number("count(*)", 0.1), False),
        (number("count(*)", 0.6), number("count(*)", -0.6), False),
        (number("count(*)", 2.4), number("count(*)", 1.2), True),
        (number("count(*)", 2.4), number("count(*)", 0.8), False),
        (number("count(*)", 0.3), number("count(*)", 4.0), False),
        (place(50, 8, 12_000), place(50.03, 8, 15_000), True),
        (place(50, 8, 12_000), place(51, 8, 12_000), False),
        (place(50, 8, 12_000), place(50, 8, 60_000), False),
        (place(0, 179.99, 12_000), place(0, -179.99, 12_000), True),
        (Fact("text", "text", "x" * 300, 0.5, 0.1), Fact("text", "text", "x" * 300, 0.4, 0.1), True),
    ],
)  # fmt: skip
def test_a_name_is_kept_while_it_is_true(then: Fact, now: Fact, is_kept: bool) -> None:
    before = choose_names([options_for(subject(0, then))])[0]
    # A second fact would make another name, if the first one were given up.
    better = Fact("category", "colour", "red", 1.0, 0.0)
    assert (next_day(before, 0, better, now) == before.text) is is_kept


@pytest.mark.parametrize(
    ("then", "near", "far"),
    [
        (number("count(*)", 1.0), number("count(*)", 1.2), number("count(*)", 1.5)),
        (place(50, 8, 12_000), place(50.005, 8, 12_000), place(50.02, 8, 12_000)),
    ],
)
def test_a_name_with_a_number_is_kept_while_the_number_is_true(then: Fact, near: Fact, far: Fact) -> None:
    alike = [options_for(subject(k, then)) for k in range(2)]
    before = choose_names(alike)[1]
    assert next_day(before, 1, near) == before.text
    assert next_day(before, 1, far) != before.text


def test_the_name_of_an_entity_is_kept_until_it_is_in_another_cluster() -> None:
    before = choose_names([options_for(subject(3))])[3]
    assert before.text == "like entity 3"
    assert next_day(before, 5) == "like entity 3"
    assert next_day(before, 5, has_medoid=False) == "like entity 5"


def test_older_clusters_and_remembered_names_come_first() -> None:
    facts = (token("a", 1.0), token("b", 0.9), token("c", 0.8))
    young, old = subject(0, *facts, stable_id="20130310-000000"), subject(1, *facts)
    assert names(young, old) == {1: "a · b", 0: "a · b · c"}
    assert names(young, remembered=("a · b", "a · b · c")) == {0: "a · b (2)"}


def test_a_text_is_shortened_to_characters_that_can_be_printed() -> None:
    assert shorten("日本語😀" * 20, 10) == "日本語😀日本語😀日…"
    assert shorten("\t\x00", 5) == '""'
