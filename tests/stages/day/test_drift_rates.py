"""How often the drift check warns, on days simulated by `benchmarks/bench_drift.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import t as student

from cluster_assets.spec.features import Features
from cluster_assets.stages.day.bins import bin_label, feature_label
from cluster_assets.stages.day.drift import Histogram
from cluster_assets.stages.day.usual import _student, _upper_limit, compare_with_days

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "bench_drift.py"
    found = importlib.util.spec_from_file_location("bench_drift", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("process", "days"),
    [
        ("means that waver", 40),
        ("weekends", 60),
        ("entities in groups", 60),
        ("campaigns that begin and end", 60),
    ],
)
def test_stationary_days_pass_and_planted_drift_is_found(bench: ModuleType, process: str, days: int) -> None:
    alarms, _, found = bench.rates(process, days)
    assert alarms == 0.0
    assert all(share >= 0.95 for share in found.values()), found


def test_the_rule_without_earlier_days_would_warn_every_day(bench: ModuleType) -> None:
    _, before, _ = bench.rates("entities in groups", 20, 7)
    assert before > 0.8


def test_a_day_like_any_other_is_below_the_usual_limit_and_few_days_have_none() -> None:
    random = np.random.default_rng(5)
    drawn = random.dirichlet(np.full(9, 50.0), 9).tolist()
    days = [Histogram({f"={k}": share for k, share in enumerate(day)}, 500.0) for day in drawn]
    drift = compare_with_days("x", days[8], days[:8], 1)
    assert drift.psi < drift.usual
    assert compare_with_days("x", days[8], days[:1], 1).usual == 0.0
    assert compare_with_days("x", days[8], days[:8], 64).usual > drift.usual  # each of 64 features may warn
    # A day without the feature is no day to compare with.
    empty = Histogram({}, 0.0)
    assert compare_with_days("x", days[8], [empty, *days[:8], empty], 1) == drift
    moved = [move.psi for move in drift.moves]
    assert moved == sorted(moved, reverse=True)
    assert sum(moved) == pytest.approx(drift.psi)


@pytest.mark.parametrize("freedom", [8, 9, 20, 107])
@pytest.mark.parametrize("alarms", [0.05, 0.0005, 0.0005 / 64])
def test_the_quantile_of_student_is_scipys(freedom: int, alarms: float) -> None:
    assert _student(freedom, alarms) == pytest.approx(student.isf(alarms, freedom), rel=1e-4)


def test_one_of_many_normal_values_exceeds_the_limit() -> None:
    random = np.random.default_rng(3)
    values = random.normal(1.0, 0.5, (2_000, 13))
    exceeded = [row[-1] > _upper_limit(row[:-1].tolist(), 0.05) for row in values]
    assert 0.03 < np.mean(exceeded) < 0.07


VECTOR = Features.model_validate({"vector": ["avg(bytes)", "count(*)"]})
TEXT = Features.model_validate({"text": "max(name)"})
SET = Features.model_validate({"set": "port"})


@pytest.mark.parametrize(
    ("features", "bins", "label"),
    [
        (VECTOR, ["0"], "0"),
        (VECTOR, ["1000", "1001", "1031"], "0.984 to 2.68"),
        (VECTOR, ["-1032", "0"], "-2.76 to 0"),
        (TEXT, ["7"], "7 characters"),
        (TEXT, ["9", "11"], "9 to 11 characters"),
        (SET, ["=TCP/445"], "TCP/445"),
        (SET, ["~"], "rare values"),
        (SET, ["=a", "=b", "~"], "3 others"),
        (SET, ["=-35,150"], "35 S 150 E"),
    ],
)
def test_bins_have_names(features: Features, bins: list[str], label: str) -> None:
    assert bin_label(features, "x1", bins) == label


def test_a_dimension_is_called_by_its_expression() -> None:
    assert feature_label(VECTOR, "x1") == "count(*)"
    assert feature_label(SET, "tokens") == "tokens"
