"""Where points lie in a picture, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from cluster_assets.stages.report.pictures import plane


def test_components_are_those_of_scikit_learn() -> None:
    values = np.random.default_rng(1).normal(size=(200, 7)) * np.array([9, 5, 3, 1, 1, 1, 1])
    positions, shares, loadings = plane.principal_components(values)
    truth = PCA(n_components=2, svd_solver="full").fit(values)
    np.testing.assert_allclose(np.abs(positions), np.abs(truth.transform(values)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(shares, truth.explained_variance_ratio_, rtol=1e-9)
    largest = np.abs(loadings).argmax(axis=1)
    assert (loadings[[0, 1], largest] > 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 3), (5, 1)])
def test_few_points_or_dimensions_have_a_place(shape: tuple[int, int]) -> None:
    for values in (np.zeros(shape), np.ones(shape) * 1e150, np.random.default_rng(0).normal(size=shape)):
        positions, shares, _ = plane.principal_components(values)
        assert positions.shape == (shape[0], 2)
        assert np.isfinite(positions).all()
        assert np.isfinite(shares).all()


def test_two_dimensions_are_drawn_as_they_are() -> None:
    values = np.arange(6.0).reshape(3, 2)
    laid_out = plane.plane_of_dimensions(values, ["a", "b"])
    np.testing.assert_array_equal(laid_out.positions, values)
    assert laid_out.axes == ("a", "b")
    assert plane.plane_of_dimensions(values[:, :1], ["a"]).positions.tolist() == [[0, 0], [2, 0], [4, 0]]


def test_more_dimensions_name_the_leading_one() -> None:
    values = np.random.default_rng(2).normal(size=(50, 3)) * np.array([1.0, 9.0, 3.0])
    axes = plane.plane_of_dimensions(values, ["a", "b", "c"]).axes
    assert axes[0].startswith("component 1: ")
    assert axes[0].endswith("mostly b")
    assert axes[1].endswith("mostly c")


def test_lengths_do_not_count_under_the_cosine() -> None:
    values = np.random.default_rng(3).normal(size=(30, 5))
    scales = np.arange(1.0, 31.0)[:, None]
    one, other = (plane.plane_of_directions(v, is_cosine=True).positions for v in (values, values * scales))
    np.testing.assert_allclose(one, other, atol=1e-12)
    zeros = plane.plane_of_directions(np.zeros((3, 4)), is_cosine=True).positions
    assert np.isfinite(zeros).all()


def test_like_texts_lie_together() -> None:
    texts = [f"Mozilla/5.0 ({k})" for k in range(20)] + [f"curl/7.{k}.0" for k in range(20)] + [""]
    positions = plane.plane_of_texts(texts).positions
    middle = (positions[:20].mean(axis=0), positions[20:40].mean(axis=0))
    apart = np.linalg.norm(middle[0] - middle[1])
    assert np.linalg.norm(positions[:20] - middle[0], axis=1).max() < apart / 2
    assert np.linalg.norm(positions[20:40] - middle[1], axis=1).max() < apart / 2


def test_values_become_columns_commonest_first() -> None:
    table = plane.one_hot(["b", "a", "b", "c"], most=2)
    assert table.tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert plane.one_hot([["x", "y"], ["y"]]).tolist() == [[0, 1], [1, 0]] or plane.one_hot(
        [["x", "y"], ["y"]]
    ).tolist() == [[1, 1], [1, 0]]


def test_each_feature_counts_alike() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(400, 1)), rng.normal(size=(400, 1))
    small = plane.plane_of_parts([first, second]).positions
    large = plane.plane_of_parts([first * 1e6, second]).positions
    np.testing.assert_allclose(np.abs(small), np.abs(large), rtol=1e-6, atol=1e-9)
    still = plane.plane_of_parts([np.ones((5, 2)), np.zeros((5, 1))]).positions
    assert still.tolist() == [[0.0, 0.0]] * 5
