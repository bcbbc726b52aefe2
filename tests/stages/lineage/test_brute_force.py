"""Random days: the statements give the same results as sets of entities, for any order of the days."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lineage_brute import replay
from lineage_chains import Seen

from cluster_assets.stages.lineage.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineage_chains import Chain, Day

pytestmark = pytest.mark.long

SLOW = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)


def random_days(seed: int, keys: list[str]) -> dict[str, Day]:
    """Clusters that drift: entities come and go and change sides, clusters merge, split and pause."""
    chance = np.random.default_rng(seed)
    side = {f"e{number:02d}": int(chance.integers(-1, 6)) for number in range(40)}
    days = {}
    for key in keys:
        fate = chance.random()
        for entity, now in side.items():
            if chance.random() < 0.1:
                side[entity] = int(chance.integers(-1, 6))
            elif fate < 0.25 and now == 1:
                side[entity] = 0
            elif fate > 0.75 and now == 0 and chance.random() < 0.5:
                side[entity] = 5
        here = {
            entity: group for entity, group in side.items() if chance.random() < chance.choice([0.3, 0.9])
        }
        names = {group: number for number, group in enumerate(chance.permutation(range(6)).tolist())}
        days[key] = {
            # A value belongs to one cluster a day, as a point does.
            entity: Seen(names.get(group, -1), f"v{group}.{int(chance.integers(0, 2))}")
            for entity, group in here.items()
        }
    return days


KEYS = st.lists(st.integers(1, 12), min_size=3, max_size=5, unique=True).map(
    lambda found: [f"2026-01-{number:02d}" for number in sorted(found)]
)


def told(chain: Chain, wanted: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    names = wanted[0] if wanted else ()
    return [{name: row[name] for name in names} for row in chain.rows(key)]


@given(seed=st.integers(0, 10_000), keys=KEYS, gap=st.sampled_from([1, 3, 7]))
@settings(SLOW, max_examples=6)
def test_as_sets_of_entities_give_it(
    chain: Callable[..., Chain], seed: int, keys: list[str], gap: int
) -> None:
    days = random_days(seed, keys)
    made = chain(gap_days=gap)
    for key in keys:
        made.give(key, days[key])
        made.tell(key)
    for key, rows in replay(days, gap).items():
        assert told(made, rows, key) == rows, key


@given(seed=st.integers(0, 10_000), order=st.permutations([f"2026-01-0{number}" for number in range(1, 5)]))
@settings(SLOW, max_examples=4)
def test_the_order_of_days_does_not_matter(chain: Callable[..., Chain], seed: int, order: list[str]) -> None:
    days = random_days(seed, sorted(order))
    made = chain()
    for key in order:
        made.give(key, days[key])
        made.tell(key)
    for key, rows in replay(days).items():
        assert told(made, rows, key) == rows, key
    assert made.stale() == ()


def test_the_random_days_show_every_event() -> None:
    """Else the comparisons above would prove little."""
    seen = Counter(
        row["event"]
        for seed in range(40)
        for rows in replay(random_days(seed, [f"2026-01-0{number}" for number in range(1, 6)])).values()
        for row in rows
    )
    assert set(seen) == set(EVENTS)
    assert min(seen.values()) >= 10
