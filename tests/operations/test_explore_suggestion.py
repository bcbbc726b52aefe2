"""Which setting is suggested, and how its numbers are changed in the YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.errors import SpecError
from cluster_assets.operations.explore.findings import SettingFound
from cluster_assets.operations.explore.grid import SettingGrid
from cluster_assets.operations.explore.suggestion import suggest
from cluster_assets.spec.yaml.edits import set_numbers
from cluster_assets.spec.yaml.files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

GRID = SettingGrid((1.0, 2.0, 3.0), (5,), True)


def setting(
    threshold: float, noise: int, largest: int, agreement: float | None, min_samples: int = 5
) -> SettingFound:
    return SettingFound(
        threshold=threshold,
        min_samples=min_samples,
        clusters=4,
        noise=noise,
        single=0,
        largest=largest,
        entities=100,
        agreement_threshold=agreement,
        silhouette=0.6,
    )


def test_a_stable_setting_without_a_dominant_cluster_is_suggested() -> None:
    found = [setting(1.0, 60, 10, None), setting(2.0, 20, 30, 0.8), setting(3.0, 2, 51, 0.9)]
    chosen = suggest(found, GRID, (1.0, 5))
    assert (chosen.threshold, chosen.min_samples, chosen.changes) == (2.0, 5, True)
    assert chosen.score == pytest.approx(0.85 * 0.8 * 0.8)
    assert chosen.reason == (
        "80% of the entities are in 4 clusters, the largest has 30%; neighbouring settings have a mean "
        "adjusted Rand index of 0.85 with it, and the silhouette of a sample is 0.60: score 0.544; that of "
        "the configured setting is 0.256"
    )


def test_the_configured_setting_is_kept_if_it_is_close_or_nothing_qualifies() -> None:
    found = [setting(1.0, 20, 10, None), setting(2.0, 20, 30, 1.0), setting(3.0, 20, 30, 1.0)]
    chosen = suggest(found, GRID, (3.0, 5))
    assert (chosen.threshold, chosen.changes) == (3.0, False)
    assert chosen.reason.startswith("keep the configured setting: ")
    nothing = suggest([setting(one, 0, 90, 1.0) for one in GRID.thresholds], GRID, (2.0, 5))
    assert (nothing.threshold, nothing.changes, nothing.score) == (2.0, False, None)


def test_min_samples_changes_only_for_a_better_score() -> None:
    grid = SettingGrid((1.0, 2.0), (3, 5), True)
    poor = [setting(1.0, 60, 10, None, 3), setting(1.0, 60, 10, None, 5)]
    near = [*poor, setting(2.0, 19, 30, 1.0, 3), setting(2.0, 20, 30, 1.0, 5)]
    chosen = suggest(near, grid, (1.0, 5))
    assert (chosen.threshold, chosen.min_samples) == (2.0, 5)
    assert ": score 0.640; the best score, 0.648, is close; that of the configured" in chosen.reason
    far = [*poor, setting(2.0, 15, 30, 1.0, 3), setting(2.0, 20, 30, 1.0, 5)]
    chosen = suggest(far, grid, (1.0, 5))
    assert (chosen.threshold, chosen.min_samples) == (2.0, 3)


def test_numbers_change_in_place_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "defs.yaml"
    text = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: a
  start_date: 2026-01-01
  raw: {files: "/lake/*.parquet", time_column: at}
  entity: id
  features: {vector: [max(x)]}
  distance:
    threshold: &t 5  # metres
    metric: euclidean
  algorithm: {type: dbscan, min_samples: *t}
"""
    path.write_text(text)
    spec = load_pipeline(path)
    wider = spec.model_copy(update={"distance": spec.near.model_copy(update={"threshold": 7.5})})
    with pytest.raises(SpecError, match="without changing others"):
        set_numbers(path, {("distance", "threshold"): 7.5}, wider)
    assert path.read_text() == text
    path.write_text(text.replace("&t ", "").replace("*t", "5"))
    set_numbers(path, {("distance", "threshold"): 7.5}, wider)
    assert path.read_text() == text.replace("&t 5", "7.5").replace("*t", "5")
    assert list(tmp_path.iterdir()) == [path]
