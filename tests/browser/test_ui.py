"""The Dagster UI in a real browser: the graph is served, and a partition can be materialized from it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cluster_assets.composition import open_storage
from cluster_assets.domain.partitions import parse_day
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.remote.webelement import WebElement

PROJECT = Path(__file__).resolve().parents[2]
DAY = "2013-03-04"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with its chromedriver on this machine; CI installs both"
)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--window-size=1600,1800",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own http address
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@pytest.fixture
def ui(home: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a UI over one generated day."""
    write_sample(SampleConfig(output=home / "lake", first_day=parse_day(DAY), days=1, entities=300))
    address = f"http://127.0.0.1:{(port := free_port())}"
    with (tmp_path / "ui.log").open("wb") as log:
        command = [sys.executable, "-m", "cluster_assets.ui", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 120
            while not answers(f"{address}/server_info"):
                assert process.poll() is None, (tmp_path / "ui.log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "ui.log").read_text()
                time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.binary_location = str(CHROMIUM)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def button(browser: webdriver.Chrome, *labels: str) -> WebElement:
    """The first enabled button whose label begins so."""

    def find(driver: webdriver.Chrome) -> WebElement | None:
        buttons = [
            b for b in driver.find_elements(By.TAG_NAME, "button") if b.is_displayed() and b.is_enabled()
        ]
        return next((b for b in buttons if b.text.strip().startswith(labels)), None)

    return WebDriverWait(browser, 60, ignored_exceptions=[Exception]).until(find)


def says(browser: webdriver.Chrome, *texts: str, seconds: float = 240) -> None:
    """Wait until the page shows all the texts; a page that a cold server left half-loaded is loaded again."""
    deadline = time.monotonic() + seconds
    shown = ""
    while time.monotonic() < deadline:
        try:
            WebDriverWait(browser, min(60, seconds), ignored_exceptions=[Exception]).until(
                lambda driver: all(text in driver.find_element(By.TAG_NAME, "body").text for text in texts)
            )
        except TimeoutException:
            shown = browser.find_element(By.TAG_NAME, "body").text
            browser.refresh()
        else:
            return
    pytest.fail(f"{browser.current_url} never showed {texts}; it shows:\n{shown[:3000]}")


def test_the_graph_and_a_partition_materialized_by_hand(ui: str, browser: webdriver.Chrome) -> None:
    browser.get(f"{ui}/locations/cluster_assets/asset-groups/attackers/list")
    says(browser, "raw", "points", "candidates", "clusters")
    # The graph of the job draws only the nodes that are in view, so that it is not asked for all of them.
    browser.get(f"{ui}/locations/cluster_assets/jobs/attackers_daily")
    says(browser, "View 4 assets", "points")
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
    if folder := os.environ.get("CLUSTER_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / "partition.png"))
