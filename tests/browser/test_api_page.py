"""The API's page in a real browser: search, browse, classify, with the keyboard and with hostile names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from dagster_pages import open_browser
from entrances import served
from few_days import publish_three_days
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from waiting import LONGEST_S

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

TOKEN = "a-token-that-only-a-test-has"  # noqa: S105
HOSTILE = "<img src=x onerror=document.title='broken'>/\"&%2F"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the API over a few days."""
    days = publish_three_days()
    days.publish("points", "2026-01-03", {**{f"e{k}": k * 5.0 for k in range(20)}, HOSTILE: 16.0})
    with served(create_application(days, ApiConfig())) as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chromium: Chrome, address: str) -> Iterator[Chrome]:
    """The page, freshly opened; afterwards its console must have no error of the page itself."""
    chromium.get("about:blank")
    chromium.get(address)
    text(chromium, "Search an entity")
    yield chromium
    faults = [one["message"] for one in chromium.get_log("browser") if one["level"] == "SEVERE"]
    assert [one for one in faults if "status of 4" not in one] == []


def text(browser: Chrome, *expected: str) -> str:
    """The text of the content, once it has all parts."""

    def shown(driver: Chrome) -> str | None:
        found = driver.find_element(By.TAG_NAME, "main").text
        return found if all(one in found for one in expected) else None

    return WebDriverWait(browser, LONGEST_S, ignored_exceptions=[Exception]).until(shown)  # type: ignore[return-value]


def press(browser: Chrome, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


def follow(browser: Chrome, label: str) -> None:
    browser.find_element(By.LINK_TEXT, label).click()


def test_an_entity_is_found_by_keyboard_alone(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    press(page, "e3", Keys.ENTER)
    shown = text(page, "On 2026-01-03", "cluster 1", "2026-01-02", "2026-01-01", "Neighbours", "e2")
    assert "born" in shown
    assert page.title == "e3 · points · Clusters"
    page.back()
    text(page, "Search an entity")


def test_hostile_names_are_text(page: Chrome) -> None:
    page.find_element(By.ID, "name").send_keys(HOSTILE, Keys.ENTER)
    text(page, HOSTILE, "Neighbours")
    assert page.title.startswith(HOSTILE)
    assert page.find_elements(By.TAG_NAME, "img") == []


def test_clusters_lead_to_profiles_and_members(page: Chrome) -> None:
    follow(page, "Clusters")
    text(page, "Clusters of 2026-01-03", "cluster 9")
    follow(page, "cluster 3")
    text(page, "Profile", "mean", "32.5", "Members", "e7")
    page.find_element(By.PARTIAL_LINK_TEXT, "e7").send_keys(Keys.ENTER)
    text(page, "On 2026-01-03", "Neighbours")
    WebDriverWait(page, LONGEST_S).until(
        lambda _: page.switch_to.active_element.get_attribute("id") == "main"
    )


def test_clusters_come_with_the_pictures_of_the_report(page: Chrome) -> None:
    follow(page, "Clusters")
    text(page, "Pictures", "Clusters of 2026-01-03")
    shown = WebDriverWait(page, LONGEST_S).until(lambda _: page.find_elements(By.CSS_SELECTOR, "details img"))
    assert [one.get_attribute("alt") for one in shown] == [
        'sizes of "points", 2026-01-03',
        'flow of "points", 2026-01-03',
    ]
    WebDriverWait(page, LONGEST_S).until(lambda _: all(one.get_property("naturalWidth") for one in shown))
    page.find_element(By.ID, "pipeline").send_keys("tokens")
    text(page, "There is no report of 2026-01-03 yet")


def test_another_day_and_pipeline(page: Chrome) -> None:
    follow(page, "Clusters")
    text(page, "Clusters of 2026-01-03")
    page.find_element(By.ID, "day").send_keys("2026-01-01")
    text(page, "Clusters of 2026-01-01")
    page.find_element(By.ID, "pipeline").send_keys("tokens")
    text(page, "Clusters of 2026-01-03")
    assert len(page.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1


def test_items_are_classified_and_errors_name_the_field(page: Chrome) -> None:
    follow(page, "Classify")
    area = page.find_element(By.ID, "body")
    WebDriverWait(page, LONGEST_S).until(lambda _: "vector" in (area.get_property("value") or ""))
    area.clear()
    area.send_keys(
        json.dumps([{"vector": [11]}, {"vector": [500]}, {"vector": [-0.5]}]), Keys.CONTROL, Keys.ENTER
    )
    text(page, "Predictions for 2026-01-03", "cluster 1", "noise", "founds", "moves nobody", "a new cluster")
    area.clear()
    area.send_keys('{"items": [{"vector": [1, 2]}]}')
    page.find_element(By.CSS_SELECTOR, "#items button").click()
    text(page, "items/0/vector: this pipeline has 1 number")
    page.find_element(By.ID, "example").click()
    assert json.loads(area.get_property("value") or "") == {"items": [{"vector": [11]}]}
    page.switch_to.active_element.send_keys(Keys.CONTROL, Keys.ENTER)
    text(page, "Predictions for 2026-01-03", "cluster 1")


def test_what_is_not_there_is_said(page: Chrome) -> None:
    page.find_element(By.ID, "name").send_keys("nobody", Keys.ENTER)
    text(page, "points has no such entity on 2026-01-03")


def test_a_token_is_asked_for(chromium: Chrome) -> None:
    with served(create_application(publish_three_days(), ApiConfig(token=TOKEN))) as server:
        chromium.get(f"http://127.0.0.1:{server.port}/")
        text(chromium, "Access token")
        chromium.find_element(By.ID, "token").send_keys(TOKEN, Keys.ENTER)
        text(chromium, "Search an entity")
    chromium.get_log("browser")


def test_the_page_asks_no_other_server(page: Chrome, address: str) -> None:
    follow(page, "Clusters")
    text(page, "Clusters of")
    asked = page.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
    assert asked
    assert all(one.startswith(address) for one in asked)


def test_it_fits_a_narrow_screen(page: Chrome) -> None:
    page.set_window_size(500, 900)
    try:
        follow(page, "Clusters")
        text(page, "Clusters of")
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.set_window_size(1600, 1800)
