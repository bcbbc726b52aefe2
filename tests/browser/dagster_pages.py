"""The Dagster UI as a process, and what people do in its pages."""

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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.remote.webelement import WebElement

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
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


@contextmanager
def open_ui(log_file: Path) -> Iterator[str]:
    """The address of a UI with its daemon, over the environment's CLUSTER_HOME."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    with log_file.open("wb") as log:
        command = [sys.executable, "-m", "cluster_assets.ui", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 300
            while not answers(f"{address}/server_info"):
                assert process.poll() is None, log_file.read_text()
                assert time.monotonic() < deadline, log_file.read_text()
                time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def open_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium without a window, with a profile of its own."""
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
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


def take_picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep a screenshot where CLUSTER_SCREENSHOTS says, else in build/screenshots."""
    folder = Path(os.environ.get("CLUSTER_SCREENSHOTS") or PROJECT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(folder / f"{name}.png"))
