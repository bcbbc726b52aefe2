"""The Dagster UI in a real browser: the graph is served, and a partition can be materialized from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dagster_pages import button, open_ui, says, select_partitions, take_picture
from waiting import wait_for

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.progress import parts_of
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium import webdriver

DAY = "2013-03-04"


@pytest.fixture
def ui(home: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a UI over one generated day."""
    write_sample(SampleConfig(output=home / "lake", first_day=parse_day(DAY), days=1, entities=300))
    with open_ui(tmp_path / "ui.log") as address:
        yield address


def test_the_graph_and_a_partition_materialized_by_hand(ui: str, browser: webdriver.Chrome) -> None:
    browser.get(f"{ui}/locations/cluster_assets/asset-groups/attackers/list")
    says(browser, "raw", "points", "candidates", "clusters", "lineage", "profiles", "report")
    # The graph of the job draws only the nodes that are in view, so that it is not asked for all of them.
    browser.get(f"{ui}/locations/cluster_assets/jobs/attackers_daily")
    assets = parts_of(load_pipeline(PACKAGED_DEFS / "attackers" / "defs.yaml"))
    says(browser, f"View {len(assets)} assets", "points")
    button(browser, "Materialize all").click()
    select_partitions(browser, DAY)
    button(browser, "Launch").click()

    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    wait_for("the clusters are published", lambda: ledger.current("clusters", parse_day(DAY)), pause_s=1)
    published = ledger.require("clusters", parse_day(DAY))
    assert published.metrics["entities"] == 300

    browser.get(f"{ui}/assets/attackers/clusters?view=partitions&partition={DAY}")
    says(browser, DAY, "noise_ratio", "entities", "300")
    take_picture(browser, "partition")

    # The checks of a day are told after it is published; the first is shown in full.
    browser.get(f"{ui}/assets/attackers/clusters?view=checks")
    says(browser, "contract", "entities_once", "labels_dense", "roles_valid", "Passed")
    take_picture(browser, "checks")
