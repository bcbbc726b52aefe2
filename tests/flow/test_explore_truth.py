"""The settings that `explore` suggests, against the campaigns that the sample knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from demo_clusters import CLUSTERS
from sklearn.metrics import adjusted_rand_score

from cluster_assets.domain.days import parse_day
from cluster_assets.operations.explore.grid import choose_grid
from cluster_assets.operations.explore.run import explore_days
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cluster_assets.backends.ports import Backend

# What the addresses of a cluster share, and the least that the labels must agree with it.
TRUTHS = {"attackers": ("campaign", 0.99), "origins": ("place", 0.99), "behaviours": ("campaign", 0.2)}
# Seed, addresses and day; on all of them, another setting is suggested for `behaviours`.
WORLDS = ((7, 1200, "2013-03-04"), (13, 1200, "2015-01-05"), (14, 400, "2013-03-11"))


@pytest.fixture
def until() -> str:
    """No test here runs days of its own."""
    return "points"


def agreement(name: str, rows: pd.DataFrame, truth: dict[str, str], setting: tuple[float, int]) -> float:
    """Adjusted Rand index of a setting with the truth; each noise entity is a cluster of its own."""
    entities, _, labels = CLUSTERS[name](rows, *setting)
    alone = -1 - np.arange(len(labels))
    names = sorted(set(truth.values()))
    known = [names.index(truth[one]) if one in truth else -1 - k for k, one in enumerate(entities)]
    return float(adjusted_rand_score(known, np.where(labels < 0, alone, labels)))


@pytest.mark.parametrize("name", TRUTHS)
def test_suggested_labels_match_the_truth_at_least_as_well_as_the_shipped_ones(
    backend: Backend, home: Path, name: str
) -> None:
    column, least = TRUTHS[name]
    spec = load_pipeline_named(name, (PACKAGED_DEFS,))
    shipped = (spec.near.threshold, spec.algorithm.core_entities)
    changed = []
    for seed, entities, key in WORLDS:
        day, lake = parse_day(key), home / "lake"
        write_sample(SampleConfig(lake, day, days=1, entities=entities, seed=seed))
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        found = explore_days(spec, [day], (backend, ledger), choose_grid(spec)).suggestion
        rows = duckdb.sql(f"FROM read_parquet('{lake}/honeypot_{day}.parquet')").df()
        truths = f"read_parquet('{lake}/truth/campaigns_{day}.parquet')"
        truth = dict(duckdb.sql(f"SELECT entity, {column} FROM {truths}").fetchall())
        before = agreement(name, rows, truth, shipped)
        suggested = agreement(name, rows, truth, (found.threshold, found.min_samples))
        assert suggested >= before >= least, (seed, key, found)
        if found.changes:
            changed.append((key, suggested > before))
    expected = [("2013-03-04", False), ("2015-01-05", True), ("2013-03-11", True)]
    assert changed == (expected if name == "behaviours" else [])
