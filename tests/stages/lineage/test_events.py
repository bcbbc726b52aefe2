"""Small days by hand: their events, and which cluster inherits the id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lineage_chains import clusters_of

from cluster_assets.domain.errors import UpstreamMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage_chains import Chain

FIRST, SECOND, THIRD = "2026-01-01", "2026-01-02", "2026-01-03"


def two_days(chain: Chain, before: dict, now: dict) -> dict[str, str]:  # type: ignore[type-arg]
    for day, seen in ((FIRST, before), (SECOND, now)):
        chain.give(day, seen)
        chain.tell(day)
    return chain.events(SECOND)


def test_the_first_day_is_all_births(chain: Callable[..., Chain]) -> None:
    made = chain()
    made.give(FIRST, clusters_of("abc", "de", noise="x"))
    result = made.tell(FIRST)
    assert made.ids(FIRST) == {0: "20260101-000000", 1: "20260101-000001"}
    row = made.rows(FIRST)[0]
    assert (row["event"], row["previous_cluster"], row["shared"], row["jaccard"]) == ("born", None, 0, 0.0)
    assert result.manifest.metrics["born"] == 2
    assert result.manifest.metrics["previous_clusters"] == 0


@pytest.mark.parametrize(
    ("before", "now", "event"),
    [
        ("abcdefghij", "abcdefghij", "continued"),
        ("abcdefghij", "abcdefghijkl", "continued"),  # a fifth more is not beyond it
        ("abcdefghij", "abcdefghijklm", "grown"),
        ("abcdefghij", "abcdefgh", "continued"),
        ("abcdefghij", "abcdefg", "shrunk"),
        ("abcdefghij", "aklmnopqrs", "continued"),  # one came back, and where it is the cluster is
    ],
)
def test_one_cluster_goes_on(chain: Callable[..., Chain], before: str, now: str, event: str) -> None:
    made = chain()
    assert two_days(made, clusters_of(before), clusters_of(now)) == {"20260101-000000": event}
    row = made.rows(SECOND)[0]
    shared = len(set(before) & set(now))
    assert row["shared"] == shared
    assert row["jaccard"] == pytest.approx(shared / len(set(before) | set(now)))
    assert (row["entities"], row["previous_entities"]) == (len(now), len(before))
    assert (row["first_seen"], row["last_seen"], row["evidence"]) == (FIRST, SECOND, "entities")


def test_half_of_the_returning_entities_is_enough(chain: Callable[..., Chain]) -> None:
    made = chain()
    two_days(made, clusters_of("abcd", "efgh"), clusters_of("abef", "cdgh"))
    assert {row["evidence"] for row in made.rows(SECOND)} == {"entities"}
    assert made.ids(SECOND) == made.ids(FIRST)


def test_a_split_and_who_keeps_the_id(chain: Callable[..., Chain]) -> None:
    made = chain()
    events = two_days(made, clusters_of("abcdefghij"), clusters_of("abcd", "efghij"))
    assert events == {"20260101-000000": "split", "20260102-000000": "split"}
    assert made.ids(SECOND)[1] == "20260101-000000", "the larger part keeps the id"
    parents = {row["stable_id"]: row["parent"] for row in made.rows(SECOND)}
    assert parents == {"20260101-000000": None, "20260102-000000": "20260101-000000"}


def test_a_chip_is_a_split_for_itself_alone(chain: Callable[..., Chain]) -> None:
    before = clusters_of("abcdefghijklmnopqrst")
    events = two_days(chain(), before, clusters_of("abcdefghijklmnopqr", "st"))
    assert events == {"20260101-000000": "continued", "20260102-000001": "split"}


def test_a_merger(chain: Callable[..., Chain]) -> None:
    made = chain()
    events = two_days(made, clusters_of("abcd", "efghij"), clusters_of("abcdefghij"))
    assert events == {"20260101-000001": "merged", "20260101-000000": "died"}
    told = {row["stable_id"]: row for row in made.rows(SECOND)}
    assert told["20260101-000001"]["parent"] == "20260101-000000"
    assert told["20260101-000000"]["successor"] == "20260101-000001"
    assert told["20260101-000000"]["cluster"] is None
    assert told["20260101-000000"]["last_seen"] == FIRST


def test_death_into_noise(chain: Callable[..., Chain]) -> None:
    made = chain()
    events = two_days(made, clusters_of("abc", "defg"), clusters_of("defg", noise="abc"))
    assert events == {"20260101-000000": "died", "20260101-000001": "continued"}
    assert made.rows(SECOND)[0]["successor"] is None


def test_an_empty_day_and_a_reappearance(chain: Callable[..., Chain]) -> None:
    made = chain()
    assert two_days(made, clusters_of("abc"), {}) == {"20260101-000000": "died"}
    made.give(THIRD, clusters_of("abcd"))
    made.tell(THIRD)
    row = made.rows(THIRD)[0]
    assert (row["stable_id"], row["event"]) == ("20260101-000000", "reappeared")
    assert (row["previous_day"], row["first_seen"]) == (FIRST, FIRST)


def test_a_flicker_gives_the_ids_back(chain: Callable[..., Chain]) -> None:
    made = chain()
    two_days(made, clusters_of("abcd", "efghij"), clusters_of("abcdefghij"))
    made.give(THIRD, clusters_of("abcd", "efghij"))
    made.tell(THIRD)
    assert made.ids(THIRD) == made.ids(FIRST)


def test_reappearing_has_its_time(chain: Callable[..., Chain]) -> None:
    made = chain(gap_days=2)
    for day, seen in (("2026-01-01", "abc"), ("2026-01-02", ""), ("2026-01-03", ""), ("2026-01-04", "abc")):
        made.give(day, clusters_of(seen) if seen else clusters_of("xyz"))
        made.tell(day)
    assert made.events("2026-01-04")["20260104-000000"] == "born"


@pytest.mark.parametrize(("day", "event"), [("2026-01-08", "continued"), ("2026-01-09", "born")])
def test_a_gap_in_the_days(chain: Callable[..., Chain], day: str, event: str) -> None:
    made = chain()
    made.give(FIRST, clusters_of("abc"))
    made.tell(FIRST)
    made.give(day, clusters_of("abc"))
    result = made.tell(day)
    assert list(made.events(day).values()) == [event]
    assert result.manifest.metrics["gap_days"] == (7 if event == "continued" else 0)


def test_features_recognise_a_cluster_without_returning_entities(chain: Callable[..., Chain]) -> None:
    before = clusters_of("abc", "def", value="target {cluster}")
    now = clusters_of("ghij", "klm", value="target {cluster}")
    made = chain()
    two_days(made, before, now)
    assert made.ids(SECOND) == made.ids(FIRST)
    row = made.rows(SECOND)[0]
    assert (row["evidence"], row["similarity"], row["shared"], row["event"]) == ("features", 1.0, 0, "grown")
    off = chain(features=False)
    two_days(off, before, now)
    assert set(off.events(SECOND).values()) == {"born", "died"}


def test_entities_count_before_features(chain: Callable[..., Chain]) -> None:
    before = clusters_of("abc", value="web") | clusters_of("", "def", value="mail")
    now = clusters_of("abc", value="mail") | clusters_of("", "def", value="web")
    made = chain()
    two_days(made, before, now)
    assert made.ids(SECOND) == made.ids(FIRST)


def test_a_day_without_clusters_fails_clearly(chain: Callable[..., Chain]) -> None:
    with pytest.raises(UpstreamMissingError, match=r"clusters.*has not been published for 2026-01-02"):
        chain().tell(SECOND)


def test_numbers_of_the_day(chain: Callable[..., Chain]) -> None:
    made = chain()
    two_days(made, clusters_of("abcdef", "gh"), clusters_of("abcdef", "xyz"))
    metrics = made.tell(SECOND).manifest.metrics
    told = {name: metrics[name] for name in ("clusters", "continued", "born", "died", "previous_clusters")}
    assert told == {"clusters": 2, "continued": 1, "born": 1, "died": 1, "previous_clusters": 2}
    assert (metrics["continued_share"], metrics["continued_entity_share"]) == (0.5, 0.75)
    assert metrics["gap_days"] == 1
