"""Ticks of an axis: round, few, and labelled by their values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.stages.report.pictures.scales import tick_texts, ticks


@settings(max_examples=200)
@given(st.floats(-1e15, 1e15), st.floats(1e-6, 1e15), st.integers(2, 10), st.booleans())
def test_ticks_are_round_few_and_told_apart(low: float, span: float, most: int, whole: bool) -> None:
    low = float(round(low)) if whole else low
    span = max(span, abs(low) * 1e-9, 1.0 if whole else 0.0)
    found = ticks(low, low + span, most, whole=whole)
    assert 1 <= len(found) <= most + 1
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value in found)
    assert len(set(tick_texts(found))) == len(found)
    if len(found) > 1:
        step = found[1] - found[0]
        assert np.allclose(np.diff(found), step, rtol=1e-3)
        assert not whole or step >= 1


@pytest.mark.parametrize("values", [(0, 1), (1.7e9, 1.7e9 + 50), (0, 5e6), (-0.3, 0.7), (1e20, 3e20)])
def test_tick_labels_are_the_values(values: tuple[float, float]) -> None:
    found = ticks(*values, 5)
    for value, text in zip(found, tick_texts(found), strict=True):
        assert math.isclose(float(text.replace(",", "")), value, rel_tol=1e-6, abs_tol=1e-12)
