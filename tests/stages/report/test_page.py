"""The HTML report: complete, self-contained, safe against injected data, and equal to its input."""

from __future__ import annotations

import dataclasses
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from html_page import read_page

from cluster_assets.stages.report.pictures.page import (
    OPEN_ROWS,
    CheckRow,
    ClusterRow,
    EventRow,
    Page,
    StageRow,
    TableRow,
    byte_count,
    number,
    render_page,
    split_rows,
)
from cluster_assets.stages.report.pictures.svg import Picture

EVIL = "<script>alert(1)</script> \" onload='x' & {{ 7 * 7 }} http://example.org/x.js"
PICTURE = Picture("sizes", "Clusters by size", "Bars", '<text class="ink" x="0" y="9">Bars</text>', 300.0)


def cluster(number_: int, **changes: object) -> ClusterRow:
    row = ClusterRow(
        cluster=number_,
        identity=f"20130304-{number_:06d}",
        event="grown",
        entities=1200 - number_,
        previous_entities=1000,
        share=0.25,
        points=20,
        core_entities=18,
        medoid="192.0.2.1",
        cohesion=0.125,
        separation=None,
        first_seen="2013-03-04",
        features=("TCP/22 90%",),
    )
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


def page_of(clusters: tuple[ClusterRow, ...] = (), **changes: object) -> Page:
    page = Page(
        pipeline="attackers",
        day="2013-03-04",
        description="Who probes what",
        recipe="Entities are src_ip.",
        numbers=(("entities", "1,234"), ("clusters", str(len(clusters)))),
        pictures=(PICTURE,),
        looks={},
        neighbours=(),
        clusters=clusters,
        cluster_count=len(clusters),
        events=(),
        event_counts=(),
        stages=(StageRow("points", 0.25, 1234, 0, 0.0001, 3),),
        sums=(("each entity labelled once", "yes"),),
        checks=(CheckRow("points", "ids_dense", "passed", "no problems found"),),
        tables=(TableRow("clusters", 1234, 56_789, "One row for each entity."),),
        table_commands=(("cluster-assets export attackers clusters", "writes a table to a file"),),
        commands=(("cluster-assets show attackers", "prints the numbers"),),
    )
    return dataclasses.replace(page, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 500])
def test_a_page_is_well_formed_and_needs_nothing_else(count: int) -> None:
    body = render_page(page_of(tuple(cluster(k) for k in range(count))))
    assert body.startswith(b"<!doctype html>")
    ET.fromstring(body.decode().removeprefix("<!doctype html>"))  # noqa: S314  # our own
    root = read_page(body)
    assert not root.find("script") + root.find("link") + root.find("iframe")
    assert not re.search(rb"https?:(?!//www\.w3\.org/2000/svg)|url\(|@import", body)
    for figure in root.find("figure"):
        assert figure.find("svg")[0].attributes["aria-label"]
    assert body.count(b"<style>") == 1
    anchors = {
        e.attributes["id"]
        for tag in ("section", "tr", "figure", "table")
        for e in root.find(tag)
        if "id" in e.attributes
    }
    for link in root.find("a"):
        assert link.attributes["href"].removeprefix("#") in anchors
    (policy,) = (m.attributes["content"] for m in root.find("meta") if "http-equiv" in m.attributes)
    assert "default-src 'none'" in policy
    assert root.find("html")[0].attributes["lang"] == "en"


def test_the_picture_is_the_one_that_was_drawn() -> None:
    body = render_page(page_of()).decode()
    assert PICTURE.inline in body
    assert PICTURE.body in PICTURE.svg.decode()


def test_the_order_is_by_importance() -> None:
    root = read_page(render_page(page_of()))
    assert [one.attributes["id"] for one in root.find("section")] == [
        "status", "events", "pictures", "clusters", "checks", "cost", "tables", "more"
    ]  # fmt: skip


def test_the_days_before_and_after_are_linked() -> None:
    neighbours = (("Day before: 2013-03-03", "../../day=2013-03-03/20130304T0-1/report.html"),)
    link = read_page(render_page(page_of(neighbours=neighbours))).find("a")[0]
    assert (link.text, link.attributes["href"]) == neighbours[0]


def test_the_run_is_linked_if_its_address_is_known() -> None:
    url = "http://dagster.example/runs/0f3a"
    root = read_page(render_page(page_of(run=url)))
    assert [(link.text, link.attributes["href"]) for link in root.find("a")][-2:] == [
        ("More", "#more"),
        ("0f3a", url),
    ]
    assert ("Run in Dagster", url) in [(link.text, link.attributes["href"]) for link in root.find("a")]
    (cost,) = read_page(render_page(page_of(run="0f3a"))).find("section", id="cost")
    assert "Drawn by the Dagster run 0f3a." in cost.text
    assert not cost.find("a")
    assert b"Dagster" not in render_page(page_of())


def test_nothing_is_born_on_the_first_day() -> None:
    rows, born = (cluster(0, event="born"),), EventRow("born", "20130304-000000", 5, 0, 0, 0.0, "", "")
    body = render_page(page_of(rows, events=(born,), event_counts=(("born", 1),), is_first=True))
    assert b"born" not in body
    assert "first published day" in read_page(body).find("section", id="events")[0].text


def test_texts_of_the_data_are_texts() -> None:
    row = cluster(1, previous_entities=0, identity=EVIL, name=EVIL, medoid=EVIL, features=(EVIL,), event=EVIL)
    event = EventRow("died", EVIL, 0, 5, 0, 0.0, "2013-03-03", EVIL)
    body = render_page(
        page_of((row,), description=EVIL, recipe=EVIL, events=(event,), event_counts=(("died", 1),))
    )
    root = read_page(body)
    assert not root.find("script")
    assert not [e for e in root.find("td") + root.find("tr") if "onload" in e.attributes]
    (told,) = root.find("section", id="clusters")[0].rows()
    assert told["medoid"] == " ".join(EVIL.split())
    assert not re.search(rb"&amp;#?\w+;", body.replace(b"&amp; {{", b"")), "an entity is escaped twice"
    assert "{{ 7 * 7 }}" in root.find("header")[0].text


def test_rows_say_what_they_were_given() -> None:
    rows = (cluster(0, name="TCP/445 · UDP/54022"), cluster(1), cluster(2))
    (section,) = read_page(render_page(page_of(rows))).find("section", id="clusters")
    told = section.rows()
    assert [row["name"].split() for row in told] == [[*row.name.split(), row.identity] for row in rows]
    assert [row["entities"] for row in told] == ["1,200", "1,199", "1,198"]
    assert {row["cohesion"] for row in told} == {"0.125"}
    assert {row["separation"] for row in told} == {"\u2013"}
    assert {row["share"] for row in told} == {"25.0%"}


def test_long_tables_unfold_and_lose_nothing() -> None:
    rows = tuple(cluster(k) for k in range(OPEN_ROWS * 3))
    root = read_page(render_page(page_of(rows, cluster_count=1000)))
    (section,) = root.find("section", id="clusters")
    (folded,) = section.find("details")
    assert len(folded.rows()) == OPEN_ROWS * 2
    assert len(section.rows()) == OPEN_ROWS * 3
    assert f"The {OPEN_ROWS * 3} largest of 1,000 clusters" in section.text


def test_what_changed_is_reported_by_weight() -> None:
    names = ("continued", "grown", "died", "born", "merged", "split", "reappeared", "shrunk")
    events = tuple(EventRow(name, f"20130304-00000{k}", 5, 5, 1, 0.1, "", "") for k, name in enumerate(names))
    counts = (("born", 1), ("died", 4))
    (section,) = read_page(render_page(page_of(events=events, event_counts=counts))).find(
        "section", id="events"
    )
    told = [row["event"] for row in section.rows()]
    assert told == ["merged", "split", "born", "died", "reappeared", "grown", "shrunk"]
    assert "1 born, 4 died." in section.text


def test_a_check_that_found_something_is_seen_at_once() -> None:
    checks = (
        CheckRow("clusters", "noise_ratio", "warning", "far more than on other days"),
        *(CheckRow("points", f"check_{k}", "passed", "fine") for k in range(4)),
    )
    root = read_page(render_page(page_of(checks=checks)))
    (section,), (rest,) = root.find("section", id="status"), root.find("section", id="checks")
    (folded,) = rest.find("details")
    assert "far more than on other days" not in rest.text
    assert "far more than on other days" in section.text
    assert "5 checks of 2 stages: 1 of them found something." in section.text
    assert len(folded.rows()) == 4


def test_numbers_are_written_for_people() -> None:
    assert [number(1234), number(0.5, 1), number(None)] == ["1,234", "0.5", "\u2013"]
    assert [byte_count(n) for n in (0, 999, 1500, 2 * 10**12)] == ["0 B", "999 B", "1.5 kB", "2.0 TB"]
    assert [len(part) for part in split_rows(list(range(39)), 30)] == [39, 0]
    assert [len(part) for part in split_rows(list(range(41)), 30)] == [30, 11]
