"""Every cell of a grid of settings against scikit-learn on all entities."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from component_days import COLUMNS, Table
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, silhouette_score
from written_columns import read_columns

from lambda_worker.contract.exploring import ExploreEvent, ExploreReply, Sample
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLDS = (0.3, 0.5, 0.8, 1.1, 1.5)
MIN_SAMPLES = (1, 3, 5, 9)
CURVE = (0.1, 0.4, 1.0, 1.5)


def day(folder: Path, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    blobs = rng.uniform(-9, 9, (5, 2))[rng.integers(0, 5, 160)] + rng.normal(0, 0.7, (160, 2))
    rows = np.concatenate([blobs, rng.uniform(-12, 12, (60, 2))])
    return Table(folder, rows, rng.integers(1, 4, len(rows)), THRESHOLDS[-1], seed)


def explore(table: Table, **changes: Any) -> ExploreReply:
    points = {"point_id": np.arange(table.count), "weight": table.weights}
    features = {"x0": table.rows[:, 0], "x1": table.rows[:, 1]}
    sampled = table.write("sample", 1, **points, component=np.zeros(table.count, np.int64), **features)
    fields = {
        "points": table.points(2),
        "candidates": table.candidates(3),
        "point_count": table.count,
        "thresholds": THRESHOLDS,
        "min_samples": MIN_SAMPLES,
        "curve": CURVE,
        "sample": Sample(
            points=sampled, point_count=table.count, columns=COLUMNS, kind="vector", metric="euclidean"
        ),
    }
    event = ExploreEvent(**{**fields, **changes})
    reply = ExploreReply.from_json(handler(event.to_json(), None))
    assert reply.ok, reply.error
    return reply


def alone(labels: Any) -> Any:
    """Noise entities as clusters of their own."""
    return np.where(labels < 0, -1 - np.arange(len(labels)), labels)


@pytest.mark.parametrize("seed", range(3))
def test_every_setting_is_that_of_scikit_learn(tmp_path: Path, seed: int) -> None:
    table = day(tmp_path, seed)
    entities = np.repeat(table.rows, table.weights, axis=0)
    output = tmp_path / "labels.parquet"
    reply = explore(table, output=str(output))
    point, cluster = read_columns(output, "point_id", "cluster")
    assert reply.rows == len(point) == table.count * len(reply.settings)
    found = {}
    for number, (setting, (samples, eps)) in enumerate(
        zip(reply.settings, itertools.product(MIN_SAMPLES, THRESHOLDS), strict=True)
    ):
        truth = DBSCAN(eps=eps, min_samples=samples).fit(entities).labels_
        found[samples, eps] = truth
        sizes = np.bincount(truth[truth >= 0], minlength=1)
        labels = cluster[table.count * number : table.count * (number + 1)]
        assert np.array_equal(np.repeat(labels, table.weights), truth)
        assert (setting.min_samples, setting.threshold) == (samples, eps)
        assert (setting.clusters, setting.noise) == (truth.max() + 1, (truth < 0).sum())
        assert (setting.largest, setting.single) == (sizes.max(), (sizes == 1).sum())
        inside = truth >= 0
        if setting.silhouette is not None:
            expected = silhouette_score(entities[inside], truth[inside])
            assert setting.silhouette == pytest.approx(expected, abs=1e-6)  # its distances lose digits
        else:
            assert truth.max() < 1
    for setting in reply.settings:
        labels = alone(found[setting.min_samples, setting.threshold])
        place, row = THRESHOLDS.index(setting.threshold), MIN_SAMPLES.index(setting.min_samples)
        for value, other in (
            (setting.agreement_threshold, (setting.min_samples, THRESHOLDS[place - 1]) if place else None),
            (setting.agreement_min_samples, (MIN_SAMPLES[row - 1], setting.threshold) if row else None),
        ):
            if other is None:
                assert value is None
            else:
                assert value == pytest.approx(adjusted_rand_score(labels, alone(found[other])), abs=1e-8)


def test_the_curve_counts_the_core_entities(tmp_path: Path) -> None:
    table = day(tmp_path, 7)
    entities = np.repeat(table.rows, table.weights, axis=0)
    for curve in explore(table, sample=None).curves:
        for distance, count in zip(CURVE, curve.entities, strict=True):
            truth = DBSCAN(eps=distance, min_samples=curve.min_samples).fit(entities)
            assert count == len(truth.core_sample_indices_)


def test_a_day_without_pairs_and_a_grid_out_of_order(tmp_path: Path) -> None:
    table = Table(tmp_path, np.array([[0.0, 0.0], [90.0, 0.0]]), np.array([1, 6]), 1.5, 0)
    settings = {(one.min_samples, one.threshold): one for one in explore(table, sample=None).settings}
    assert (settings[5, 0.3].clusters, settings[5, 0.3].noise, settings[5, 0.3].largest) == (1, 1, 6)
    assert (settings[9, 1.5].clusters, settings[9, 1.5].noise) == (0, 7)
    assert settings[9, 1.5].agreement_threshold == 1.0
    event = ExploreEvent(points=("a",), candidates=(), point_count=2, thresholds=(2, 1), min_samples=(1,))
    assert "thresholds must be ascending" in str(handler(event.to_json(), None)["error"])
