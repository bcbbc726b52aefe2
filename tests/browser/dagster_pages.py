"""The Dagster UI as a process, and what people do in its pages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ports import free_port
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from waiting import LONGEST_S, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.remote.webelement import WebElement

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--window-size=1600,1800",
)  # fmt: skip

# A page is loaded again after each; a slow machine may need longer than the first for a whole page.
PATIENCE_S = (60, 120, 240, LONGEST_S)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=LONGEST_S) as reply:  # noqa: S310 - our own http address
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@contextmanager
def open_ui(log_file: Path) -> Iterator[str]:
    """The address of a UI with its daemon, over the environment's CLUSTER_HOME."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    with log_file.open("wb") as log:
        command = [sys.executable, "-m", "cluster_assets.cli.ui", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ, start_new_session=True
        )

        def is_up() -> bool:
            assert process.poll() is None, log_file.read_text()
            return answers(f"{address}/server_info")

        try:
            wait_for(f"the UI answers, see {log_file}", is_up, pause_s=0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def open_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium without a window, with a profile of its own."""
    assert CHROMIUM, "no Chromium on this machine; Debian's package is chromium"
    assert DRIVER, "no chromedriver on this machine; Debian's package is chromium-driver"
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = CHROMIUM
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def button(browser: webdriver.Chrome, *labels: str) -> WebElement:
    """The first enabled button whose label begins so."""
    return WebDriverWait(browser, LONGEST_S, ignored_exceptions=[Exception]).until(
        lambda driver: _find_button(driver, *labels)
    )


def _find_button(driver: webdriver.Chrome, *labels: str) -> WebElement | None:
    buttons = [b for b in driver.find_elements(By.TAG_NAME, "button") if b.is_displayed() and b.is_enabled()]
    return next((b for b in buttons if b.text.strip().startswith(labels)), None)


def choose(browser: webdriver.Chrome, label: str, item: str, opens: str) -> WebElement:
    """Choose an item of the menu beside a button; returns the button `opens` of the dialog that it opens.

    A page that draws itself again closes the menu or loses the click. Then the item is chosen again, in the
    end on a page that is loaded again.
    """

    def step(driver: webdriver.Chrome) -> WebElement | None:
        if dialog := _find_button(driver, opens):
            return dialog
        shown = [
            one for one in driver.find_elements(By.CSS_SELECTOR, "[role=menuitem]") if one.is_displayed()
        ]
        if shown:
            next(one for one in shown if one.text.strip() == item).click()
        elif beside := _find_button(driver, label):  # while the item does its work, it has another label
            beside.find_element(By.XPATH, "./following::button[1]").click()
        return None

    shown = ""
    for seconds in PATIENCE_S:
        try:
            return WebDriverWait(browser, seconds, ignored_exceptions=[Exception]).until(step)
        except TimeoutException:
            shown = _shown(browser)
            browser.refresh()
    pytest.fail(f"{browser.current_url} never opened {opens!r} after {label!r}, {item!r}; {shown}")


def select_partitions(browser: webdriver.Chrome, text: str) -> None:
    """Type partitions into the open dialog of "Materialize all": a day, or `[first...last]`."""
    says(browser, "Partition selection")
    field = next(
        element
        for element in browser.find_elements(By.CSS_SELECTOR, "input[type=text]")
        if text.strip("[")[:4] in str(element.get_attribute("placeholder"))  # an example of the same year
    )
    field.send_keys(text, "\t")


def says(browser: webdriver.Chrome, *texts: str) -> None:
    """Wait until the page shows all the texts; a page that a cold server left half-loaded is loaded again."""
    shown = ""
    for seconds in PATIENCE_S:
        try:
            WebDriverWait(browser, seconds, ignored_exceptions=[Exception]).until(
                lambda driver: all(text in driver.find_element(By.TAG_NAME, "body").text for text in texts)
            )
        except TimeoutException:
            shown = _shown(browser)
            browser.refresh()
        else:
            return
    pytest.fail(f"{browser.current_url} never showed {texts}; {shown}")


def _shown(browser: webdriver.Chrome) -> str:
    return f"it shows:\n{browser.find_element(By.TAG_NAME, 'body').text[:3000]}"


def take_picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep a screenshot where CLUSTER_SCREENSHOTS says, else in build/screenshots."""
    folder = Path(os.environ.get("CLUSTER_SCREENSHOTS") or PROJECT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(folder / f"{name}.png"))
