"""Scales of vectors equal scikit-learn's scalers, to the last bit where the order of sums decides nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import features_contract
from cluster_assets.domain.tables import SCALES
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features

if TYPE_CHECKING:
    from cluster_assets.stages.points.kinds import FeaturePlan

SCALERS: dict[str, Any] = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
DAY = parse_day("2026-03-01")
EPSILON = 2.0**-52


def plan_of(dimensions: int, scale: str = "none", weights: list[float] | None = None) -> FeaturePlan:
    spec = {
        "name": "p",
        "start_date": DAY.key,
        "raw": {"files": "x.parquet", "time_column": "at"},
        "entity": "who",
        "features": {"vector": ["max(n)"] * dimensions, "scale": scale, "weights": weights},
        "distance": {"metric": "euclidean", "threshold": 1.0},
        "algorithm": {"type": "dbscan"},
    }
    return features.plan(PipelineSpec.model_validate(spec), DAY, {"at": "timestamp", "who": "varchar"})


def scale(lake: Any, plan: FeaturePlan, relation: Any) -> tuple[np.ndarray, np.ndarray]:
    """The table `scales` and the scaled vectors, rows in entity order."""
    assert plan.scale is not None
    relations = {"features": relation}
    if plan.scale.scales is not None:
        relations["scales"] = lake.fill(plan.scale.scales, relations, SCALES)
    scaled = lake.rows(lake.fill(plan.scale.scaled, relations, features_contract(plan.columns)))
    scales = lake.rows(relations["scales"]) if "scales" in relations else []
    return np.array(scales, dtype=float), np.array([row[1:] for row in scaled])


def written(lake: Any, plan: FeaturePlan, rows: Any) -> Any:
    """The table `features` of these vectors, and of an invalid entity that must take no part."""
    given_rows = [(f"{n:06}", *row) for n, row in enumerate(rows)]
    return lake.write(
        features_contract(plan.columns).columns, [*given_rows, ("x", *[math.nan] * len(plan.columns))]
    )


def check(scale_name: str, rows: np.ndarray, scales: np.ndarray, scaled: np.ndarray) -> None:
    """The statistics and the scaled values are those of scikit-learn."""
    n = len(rows)
    assert scales[:, 0].tolist() == list(range(rows.shape[1]))
    assert (scales[:, 1] == n).all()
    center, spread = scales[:, 2], scales[:, 3]
    fitted = SCALERS[scale_name]().fit(rows)
    if scale_name == "robust":
        assert np.array_equal(center, fitted.center_)
        assert np.array_equal(spread, fitted.scale_)
    elif scale_name == "minmax":
        assert np.array_equal(center, fitted.data_min_)
        assert np.array_equal(spread, np.where(fitted.data_range_ < 10 * EPSILON, 1, fitted.data_range_))
    else:
        rounding = n * EPSILON * np.abs(rows).max(axis=0, initial=0)
        assert (np.abs(center - fitted.mean_) <= rounding).all()
        np.testing.assert_allclose(spread, fitted.scale_, rtol=1e-12, atol=rounding.max())
    # The formula is the same, so that given the same statistics every scaled value is.
    assert np.array_equal(scaled, (rows - center) / spread)
    assert not np.signbit(scaled[scaled == 0]).any()


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(-1e150, 1e150),
    st.sampled_from([0.0, 0.1, 1e9 + 0.1, 1e-9, -3.0, 5e-324, 1e12]),
    st.integers(0, 3).map(float),
)
MATRICES = st.integers(1, 3).flatmap(lambda d: st.lists(st.tuples(*[NUMBERS] * d), min_size=1, max_size=14))


@pytest.mark.parametrize("examples", [20, pytest.param(70, marks=pytest.mark.long)])
def test_ranks_equal_scikit_learns(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(MATRICES, st.sampled_from(["minmax", "robust"]))
    @example([(1.0,)], "robust")
    @example([(1.0,), (2.0,)], "robust")
    @example([(3.0,), (1.0,), (2.0,)], "robust")
    def holds(rows: list[tuple[float, ...]], scale_name: str) -> None:
        plan = plan_of(len(rows[0]), scale_name)
        matrix = np.array(rows) + 0.0  # minus zero never comes out of features
        check(scale_name, matrix, *scale(lake, plan, written(lake, plan, matrix.tolist())))

    holds()


@pytest.mark.parametrize("examples", [12, pytest.param(40, marks=pytest.mark.long)])
def test_means_equal_scikit_learns(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        st.integers(1, 3).flatmap(
            lambda d: st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * d), min_size=1, max_size=14)
        )
    )
    def holds(rows: list[tuple[float, ...]]) -> None:
        plan = plan_of(len(rows[0]), "standard")
        matrix = np.array(rows) + 0.0
        check("standard", matrix, *scale(lake, plan, written(lake, plan, matrix.tolist())))

    holds()


SHAPES = {
    "normal": "random_normal",
    "huge offset": "1e15 + random_normal",
    "offset and zeros": "CASE WHEN i % 10 = 0 THEN 0e0 ELSE 17e8 + random_normal END",
    "heavy tail": "exp(20 * random_normal)",
    "both tails": "random_normal * random_normal * random_normal * exp(10 * random_normal)",
    "few values": "floor(random_normal)",
    "constant": "0.1::DOUBLE",
    "outlier": "CASE WHEN i = 7 THEN 1e150 ELSE random_normal END",
}


@pytest.mark.parametrize("n", [4_999, 5_000, 5_001, 5_002])
@pytest.mark.parametrize("scale_name", sorted(SCALERS))
def test_many_rows_of_every_shape(lake: Any, scale_name: str, n: int) -> None:
    uniform = "(hash(i * {a} + {b}) % 1000003 + 1) / 1000004e0"
    normal = (
        f"(sqrt(-2 * ln({uniform.format(a=3, b='{k}')})) * cos(2 * pi() * {uniform.format(a=5, b='{k}')}))"
    )
    names = list(SHAPES)
    values = ", ".join(
        f"{SHAPES[name].replace('random_normal', normal.format(k=100 * k))} AS x{k}"
        for k, name in enumerate(names)
    )
    relation = lake.copy(f"SELECT lpad(i::VARCHAR, 6, '0') AS entity, {values} FROM range({n}) AS t(i)")
    rows = np.array([row[1:] for row in lake.rows(relation)])
    assert rows.std(axis=0)[names.index("huge offset")] > 0.5
    plan = plan_of(len(names), scale_name)
    scales, scaled = scale(lake, plan, relation)
    finite = [k for k, name in enumerate(names) if scale_name != "standard" or name != "huge offset"]
    check(scale_name, rows[:, finite], _renumbered(scales[finite]), scaled[:, finite])
    if scale_name == "standard":
        # Both are right to the spacing of doubles at the offset, 0.125 of the deviation.
        ours, theirs = scaled[:, 1], StandardScaler().fit_transform(rows[:, 1:2])[:, 0]
        np.testing.assert_allclose(ours, theirs, atol=0.2)


def _renumbered(scales: np.ndarray) -> np.ndarray:
    return np.column_stack([np.arange(len(scales)), scales[:, 1:]])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -7e149])
@pytest.mark.parametrize("scale_name", sorted(SCALERS))
def test_a_constant_dimension_stays_constant(lake: Any, scale_name: str, value: float) -> None:
    plan = plan_of(1, scale_name)
    scales, scaled = scale(lake, plan, written(lake, plan, [(value,)] * 7))
    assert scales[0, 3] == 1
    assert len(set(scaled[:, 0].tolist())) == 1
    assert abs(scaled[0, 0]) <= abs(value) * 1e-15


@pytest.mark.parametrize("scale_name", sorted(SCALERS))
def test_a_day_without_valid_entities_has_no_scales(lake: Any, scale_name: str) -> None:
    plan = plan_of(2, scale_name)
    scales, scaled = scale(lake, plan, written(lake, plan, []))
    assert len(scales) == len(scaled) == 0


def test_weights_multiply_what_was_scaled(lake: Any) -> None:
    rows = np.array([(1.0, 5.0), (-2.0, 0.1), (4.0, 0.3), (0.0, 0.3)])
    weights = [0.1, 3.0]
    plan = plan_of(2, "none", weights)
    assert plan.scale is not None
    assert plan.scale.scales is None
    _, alone = scale(lake, plan, written(lake, plan, rows.tolist()))
    assert np.array_equal(alone, rows * weights)
    plan = plan_of(2, "robust", weights)
    _, both = scale(lake, plan, written(lake, plan, rows.tolist()))
    assert np.array_equal(both, RobustScaler().fit_transform(rows) * weights)
    assert not np.signbit(both[both == 0]).any()


def test_what_scaling_makes_too_large_is_counted(lake: Any) -> None:
    plan = plan_of(1, "none", [1e6])
    assert plan.scale is not None
    relations = {"features": written(lake, plan, [(1e145,), (1e143,)])}
    scaled = lake.fill(plan.scale.scaled, relations, features_contract(plan.columns))
    assert plan.invalid(lake.engine.fetch(plan.summary, relations).rows[0]) == {"NaN": 1}
    summary = lake.engine.fetch(plan.summary, {"features": scaled}).rows[0]
    assert plan.invalid(summary) == {"beyond 1e150": 1}


def test_five_hundred_dimensions_fit_into_one_athena_query() -> None:
    plan = plan_of(500, "robust", [1.2345678901234567] * 500)
    assert plan.scale is not None
    for statement in (plan.scale.scales, plan.scale.scaled):
        assert statement is not None
        assert len(statement.tree.sql("athena")) < 262_144 * 0.8
