"""All days of the real data, backfilled from a real browser through a running webserver and daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dagster_pages import button, open_ui, says, take_picture
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from waiting import LONGEST_S, wait_for

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.progress import parts_of
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium import webdriver

FIRST, LAST, SHOWN = "2013-03-03", "2013-09-08", "2013-06-01"
DAYS = tuple(days_between(parse_day(FIRST), parse_day(LAST)))


@pytest.fixture
def ui(real_data: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a UI over the real data, nothing of which was computed yet."""
    monkeypatch.setenv("CLUSTER_REAL_DATA", str(real_data))
    with open_ui(tmp_path / "ui.log") as address:
        yield address


def picture_of(browser: webdriver.Chrome, least_pixels: int = 200) -> bool:
    """Whether a picture of the page is drawn, not broken."""
    script = (
        "return [...document.images].some(i => i.src.startsWith('data:image') && i.complete"
        f" && i.naturalWidth >= {least_pixels})"
    )
    return bool(browser.execute_script(script))  # type: ignore[no-untyped-call]


def test_190_days_from_the_browser(ui: str, browser: webdriver.Chrome) -> None:
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")

    browser.get(f"{ui}/locations/cluster_assets/jobs/attackers_daily")
    assets = parts_of(load_pipeline(PACKAGED_DEFS / "attackers" / "defs.yaml"))
    says(browser, f"View {len(assets)} assets")
    button(browser, "Materialize all").click()
    says(browser, "Partition selection")
    button(browser, "All").click()
    says(browser, f"{len(DAYS)} partitions")
    take_picture(browser, "backfill-1-dialog")
    button(browser, "Launch backfill").click()

    wait_for_days(ledger, STAGE_NAMES[0], 20)
    browser.get(f"{ui}/runs?view=backfills")
    says(browser, f"{len(DAYS)} partitions", "In progress")
    take_picture(browser, "backfill-2-running")
    wait_for_days(ledger, STAGE_NAMES[-1], len(DAYS))
    for stage in STAGE_NAMES:
        assert ledger.days(stage) == DAYS

    browser.get(f"{ui}/runs?view=backfills")
    says(browser, f"{len(DAYS)} partitions", "Success")
    take_picture(browser, "backfill-3-done")
    link = browser.find_element(By.CSS_SELECTOR, "a[href*='/runs/b/']").get_attribute("href")
    browser.get(str(link))
    says(browser, "attackers_daily", "100% completed", "Succeeded")
    take_picture(browser, "backfill-4-assets")

    browser.get(f"{ui}/assets/attackers/clusters?view=partitions&partition={SHOWN}")
    clusters = ledger.require("clusters", parse_day(SHOWN)).metrics
    says(
        browser,
        f"Materialized ({len(DAYS)})",
        "noise_ratio",
        str(clusters["entities"]),
        str(clusters["noise"]),
    )
    take_picture(browser, "backfill-5-clusters")

    browser.get(f"{ui}/assets/attackers/report?view=partitions&partition={SHOWN}")
    says(browser, f"Materialized ({len(DAYS)})", "pictures")
    browser.find_element(By.LINK_TEXT, "[Show Markdown]").click()
    WebDriverWait(browser, LONGEST_S).until(picture_of)
    take_picture(browser, "backfill-6-report")


def wait_for_days(ledger: Ledger, stage: str, days: int) -> None:
    """Wait for days of a stage, each no longer than `wait_for` does."""
    while (found := len(ledger.days(stage))) < days:
        wait_for(
            f"{found + 1} days of {stage}", lambda found=found: len(ledger.days(stage)) > found, pause_s=2
        )
