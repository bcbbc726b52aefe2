"""Days of the real data: every label equals scikit-learn's, every pair equals brute force.

Every twentieth day; all 190 of them are among the long tests.
The truth is computed from the file with pandas and scikit-learn alone, on entities, not on points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from demo_clusters import CLUSTERS, assert_pairs, read_table

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_backend
from cluster_assets.served.days import PublishedIndexes
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.pipeline import Window
from cluster_assets.spec.serve import Serve
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES, STAGES, stages_of
from lambda_worker.serving.contract import Item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.features import Features

TO_CLUSTERS = STAGES[: STAGE_NAMES.index("clusters") + 1]


@pytest.fixture(scope="module")
def backend(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("CLUSTER_REAL_DATA", str(real_data))
        patch.setenv("CLUSTER_SQL_THREADS", "1")
        with open_backend(load_settings()) as opened:
            yield opened


@pytest.fixture(scope="module")
def events(real_data: Path) -> dict[str, pd.DataFrame]:
    """The source rows of each day."""
    frame = duckdb.sql(f"SELECT * FROM read_parquet('{real_data}/honeypot_2013.parquet')").df()
    return {str(day): rows for day, rows in frame.groupby(frame["event_time"].dt.date)}


THRESHOLDS = {"attackers": 0.4, "origins": 50_000, "behaviours": 0.3}


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", THRESHOLDS)
def test_every_day(name: str, step: int, backend: Backend, events: dict[str, pd.DataFrame]) -> None:
    truth = CLUSTERS[name]
    spec = load_pipeline_named(name, (PACKAGED_DEFS,))
    ledger = Ledger(backend.store, backend.catalog, name)
    assert spec.last_day is not None
    days = list(days_between(spec.first_day, spec.last_day))
    assert len(days) == 190
    clustered = 0
    chosen = days[::step]
    for day in chosen:
        for stage in TO_CLUSTERS:  # what comes after the clusters has tests of its own
            run_day(stage, DayJob(spec, backend, ledger, day))
        tables = {
            table: read_table(ledger, stage, table, day)
            for stage, table in (
                ("points", "members"),
                ("candidates", "candidates"),
                ("clusters", "clusters"),
            )
        }
        if day.key not in events:
            assert len(tables["clusters"]) == 0
            continue
        entities, distances, labels = truth(events[day.key])
        clusters = tables["clusters"].sort_values("entity")
        assert clusters["entity"].tolist() == entities, day
        assert np.array_equal(clusters["cluster"], labels), day
        assert_pairs(clusters["point_id"].to_numpy(), tables["candidates"], distances, THRESHOLDS[name])
        clustered += int(labels.max() + 1)
    assert clustered > len(chosen), "the real days hold clusters; finding none would prove nothing"


@pytest.mark.parametrize("name", THRESHOLDS)
def test_the_whole_way(name: str, backend: Backend, events: dict[str, pd.DataFrame]) -> None:
    """Two days through all stages: lineage and profiles cover exactly the published clusters.

    From the index, the raw features of every entity get its published cluster.
    """
    spec = load_pipeline_named(name, (PACKAGED_DEFS,)).model_copy(update={"serve": Serve()})
    ledger = Ledger(backend.store, backend.catalog, name)
    days = [spec.first_day, spec.first_day.next]
    for day in days:
        job = DayJob(spec, backend, ledger, day)
        results = {stage.name: run_day(stage, job) for stage in stages_of(spec)}
        assert all(check.passed for result in results.values() for check in result.checks if check.blocking)
        _, _, labels = CLUSTERS[name](events[day.key])
        numbers = sorted(set(labels.tolist()) - {-1})
        assert numbers, "a day without clusters would prove nothing"
        sizes = pd.Series(labels).value_counts()[numbers].tolist()
        lineage, profiles = (
            read_table(ledger, stage, stage, day).query("cluster >= 0").sort_values("cluster")
            for stage in ("lineage", "profiles")
        )
        for told in (lineage, profiles):
            assert told["cluster"].tolist() == numbers
            assert told["entities"].tolist() == sizes
        assert profiles["stable_id"].tolist() == lineage["stable_id"].tolist()
        page = backend.store.read(results["report"].manifest.documents["report.html"].key).decode()
        assert day.key in page
        assert all(str(stable) in page for stable in lineage["stable_id"])
        assert all(run_day(stage, job).reused for stage in stages_of(spec)), "nothing changed"
        served = PublishedIndexes(backend.store, backend.catalog).open_day(name, day.key)
        asked = _items(spec.features, events[day.key])
        found = dict(zip(asked, served.classify(list(asked.values())), strict=True))
        entities = CLUSTERS[name](events[day.key])[0]
        assert [found[entity].cluster for entity in entities] == labels.tolist()
        assert [served.entity(entity).cluster for entity in entities] == labels.tolist()  # type: ignore[union-attr]
    assert set(lineage["event"]) - {"born"}, "some clusters of the first day hold on"


def _items(features: Features, rows: pd.DataFrame) -> dict[str, Item]:
    """Return the raw features of each entity, computed by the expressions of the YAML from the rows."""
    if features.set is not None:
        texts = [f"list(DISTINCT {features.set})"]
    elif features.geo is not None:
        texts = [features.geo.latitude, features.geo.longitude]
    else:
        texts = features.vector or []
    found = duckdb.sql(f"SELECT src_ip, {', '.join(texts)} FROM rows GROUP BY src_ip").fetchall()
    if features.set is not None:
        return {entity: Item(set=tuple(tokens)) for entity, tokens in found}
    if features.geo is not None:
        return {
            entity: Item(latitude=latitude, longitude=longitude)
            for entity, latitude, longitude in found
            if latitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180
        }
    return {entity: Item(vector=tuple(values)) for entity, *values in found}


def test_a_window_of_real_days_puts_more_addresses_into_clusters(
    backend: Backend, events: dict[str, pd.DataFrame]
) -> None:
    plain = load_pipeline_named("attackers", (PACKAGED_DEFS,))
    spec = plain.model_copy(update={"name": "attackers_week", "window": Window(days=7)})
    day = parse_day("2013-05-15")
    ledger = Ledger(backend.store, backend.catalog, spec.name)
    for each in spec.window_of(day):
        run_day(STAGES[0], DayJob(spec, backend, ledger, each))
    for stage in TO_CLUSTERS:
        run_day(stage, DayJob(spec, backend, ledger, day))
    uris = list(ledger.uris(ledger.require("clusters", day), "clusters"))
    found = duckdb.sql(f"SELECT entity, cluster FROM read_parquet({uris}) ORDER BY entity").df()

    week = pd.concat([events[each.key] for each in spec.window_of(day)])
    entities, _, labels = CLUSTERS["attackers"](week)
    assert found["entity"].tolist() == entities
    assert found["cluster"].tolist() == labels.tolist()

    alone, _, day_labels = CLUSTERS["attackers"](events[day.key])
    seen = found["entity"].isin(alone)
    assert (found.loc[seen, "cluster"] >= 0).mean() > (day_labels >= 0).mean()
