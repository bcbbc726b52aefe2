"""The Dagster UI in a real browser: the graph is served, and a partition can be materialized from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from dagster_pages import button, needs_chromium, open_ui, says, take_picture
from selenium.webdriver.common.by import By

from cluster_assets.composition import open_storage
from cluster_assets.domain.partitions import parse_day
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.way import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium import webdriver

DAY = "2013-03-04"
pytestmark = needs_chromium


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
    says(browser, f"View {len(STAGE_NAMES)} assets", "points")
    button(browser, "Materialize all").click()
    says(browser, "Partition selection")
    field = next(
        element
        for element in browser.find_elements(By.CSS_SELECTOR, "input[type=text]")
        if "2013" in str(element.get_attribute("placeholder"))
    )
    field.send_keys(DAY, "\t")
    button(browser, "Launch").click()

    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    deadline = time.monotonic() + 480
    while ledger.current("clusters", parse_day(DAY)) is None:
        assert time.monotonic() < deadline, browser.find_element(By.TAG_NAME, "body").text[:3000]
        time.sleep(1)
    published = ledger.require("clusters", parse_day(DAY))
    assert published.metrics["entities"] == 300

    browser.get(f"{ui}/assets/attackers/clusters?view=partitions&partition={DAY}")
    says(browser, DAY, "noise_ratio", "entities", "300")
    take_picture(browser, "partition")

    # The checks of a day are told after it is published; the first is shown in full.
    browser.get(f"{ui}/assets/attackers/clusters?view=checks")
    says(browser, "contract", "entities_once", "labels_dense", "roles_valid", "Passed")
    take_picture(browser, "checks")
