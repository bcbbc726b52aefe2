"""The model of time grows with the work, fits what was measured, and gives shards their time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_worker.contract.memory import cluster_seconds, rows_within

TYPES = ["dbscan", "connected_components", "single_linkage", "optics"]


@given(st.sampled_from(TYPES), st.integers(0, 10**9), st.integers(0, 10**11), st.integers(1, 10**9))
def test_more_work_takes_longer(kind: str, points: int, pairs: int, more: int) -> None:
    assert cluster_seconds(kind, points, pairs) < cluster_seconds(kind, points + more, pairs)
    assert cluster_seconds(kind, points, pairs) < cluster_seconds(kind, points, pairs + more)


@given(st.sampled_from(TYPES), st.floats(0.2, 900))
def test_a_shard_is_read_within_its_time(kind: str, seconds: float) -> None:
    rows = rows_within(seconds)
    assert rows >= 1
    assert cluster_seconds(kind, 0, rows) <= seconds + 1e-6


def test_no_time_is_one_row() -> None:
    assert rows_within(0.0) == 1


@pytest.mark.parametrize(("kind", "points", "pairs", "measured"), [
    ("dbscan", 1_000_000, 8_085_337, 1.81),
    ("connected_components", 1_000_000, 8_085_337, 1.19),
    ("connected_components", 5_000_000, 10_000_000, 2.17),
    ("connected_components", 5_000_000, 4_999_999, 1.64),
])  # fmt: skip
def test_the_model_is_within_a_quarter_of_what_was_measured(
    kind: str, points: int, pairs: int, measured: float
) -> None:
    assert cluster_seconds(kind, points, pairs) == pytest.approx(measured, rel=0.25)
