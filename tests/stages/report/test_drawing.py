"""Every picture: valid, small, readable in any mode, the same bytes for the same facts, described."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import LONGEST_S

sys.path.insert(0, str(Path(__file__).parent))  # facts_of_days is used by a program beside it too

from facts_of_days import (
    FIRST,
    cloud_of,
    day_of,
    flow_of,
    identity,
    plot_of,
    row_of_days,
    sample_of,
    shares_of,
    tree_of,
)

from cluster_assets.stages.report.page import as_markdown
from cluster_assets.stages.report.pictures import maps
from cluster_assets.stages.report.pictures.coast import clip
from cluster_assets.stages.report.pictures.facts import (
    ClusterFact,
    DayFacts,
    DayNumbers,
    FlowFacts,
    Passage,
    PointCloud,
    Sampled,
    Stretch,
    TokenShares,
)
from cluster_assets.stages.report.pictures.flow import LANES, draw_flow, lanes_of
from cluster_assets.stages.report.pictures.heat import TOKENS, choose_tokens, draw_tokens
from cluster_assets.stages.report.pictures.palette import Look, look_of, looks_of, style_sheet
from cluster_assets.stages.report.pictures.sizes import draw_sizes
from cluster_assets.stages.report.pictures.structure.condensed import draw_condensed
from cluster_assets.stages.report.pictures.structure.dendrogram import draw_dendrogram
from cluster_assets.stages.report.pictures.structure.distances import draw_distances
from cluster_assets.stages.report.pictures.structure.reachability import draw_reachability
from cluster_assets.stages.report.pictures.svg import WIDTH, Picture, printable
from cluster_assets.stages.report.pictures.trend import draw_trend
from lambda_worker.contract.sketches import DistanceBin

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY, NONE, ONE = day_of(500), day_of(0), day_of(1)
ODD_NAMES = ("$x^2$", "日本語", "a\nb\x00c", "tab\t[link](x)", "\U0001f600", "ß" * 300, "", "<b>&amp;")
SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = {"map": 60_000, "tokens": 24_000, "flow": 60_000, "dendrogram": 34_000, "condensed": 34_000,
              "reachability": 20_000}  # fmt: skip
"""Of a picture; others have at most 15 kB."""


def looks(day: DayFacts) -> dict[str, Look]:
    return dict(looks_of(one.identity for one in day.clusters[:12]))


def pictures_of(day: DayFacts) -> Iterator[Picture]:
    yield draw_sizes(day, looks(day))
    yield maps.draw_map(day, cloud_of(day), looks(day))
    yield draw_tokens(day, shares_of(day), looks(day))
    for points, is_far in ((0, False), (1, False), (300, False), (300, True)):
        sample = sample_of(day, points, is_far=is_far)
        yield draw_distances(sample)
        yield draw_dendrogram(day, sample, looks(day))
    for count in (0, 1, 150):
        yield draw_condensed(day, tree_of(day, count), "jaccard distance", looks(day))
        yield draw_reachability(day, plot_of(day, count * 5), sample_of(day, count), looks(day))


def elements(picture: Picture) -> list[ET.Element]:
    return list(ET.fromstring(picture.svg).iter())  # noqa: S314  # our own


def texts(picture: Picture) -> list[str]:
    return [one.text or "" for one in elements(picture) if one.tag == f"{SVG}text"]


def check(picture: Picture) -> None:
    assert len(picture.svg) <= MOST_BYTES.get(picture.name, 15_000)
    root = elements(picture)[0]
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert width == WIDTH
    assert not re.search(rb"https?:(?!//www\.w3\.org/2000/svg)|url\(|@import|<script|nan|inf", picture.svg)
    for one in elements(picture):
        # Inside the picture, and in a class that has a colour in light and in dark mode.
        for name, most in (("x", width), ("y", height)):
            assert -60 <= float(one.attrib.get(name, 0)) <= most + 1, (picture.name, one.attrib)
        if one.tag in (f"{SVG}text", f"{SVG}path", f"{SVG}rect"):
            colour = one.attrib["class"].split()[0]
            assert style_sheet().count(f".{colour}{{color:") == 2
    assert 20 < len(picture.alt) < 2000
    shown = ET.fromstring(base64.b64decode(picture.uri.partition(",")[2]))  # noqa: S314  # our own
    drawn = [one.attrib for one in elements(picture) if one.tag != f"{SVG}title"]
    assert [one.attrib for one in shown.iter()] == drawn


@pytest.mark.parametrize("day", [NONE, ONE, MANY], ids=["none", "one", "many"])
def test_a_day_of_any_size(day: DayFacts) -> None:
    for picture in pictures_of(day):
        check(picture)


@pytest.mark.parametrize("count", [1, 3, 30, 90])
def test_rows_of_days(count: int) -> None:
    days = row_of_days(count)
    picture = draw_trend("attackers", days)
    check(picture)
    assert f"{min(count, 30)} published day" in picture.alt
    assert str(days[-1].day) in picture.alt


@pytest.mark.parametrize(("identities", "days"), [(0, 1), (1, 2), (60, 14)])
def test_lives(identities: int, days: int) -> None:
    facts = flow_of(identities, days)
    picture = draw_flow(facts, looks_of(lanes_of(facts.stretches)))
    check(picture)
    born = sum(one.event == "born" and one.day != facts.days[0] for one in facts.stretches)
    assert (f"{born:,} born" in picture.alt) == (born > 0)
    assert f"Lanes of {min(identities, LANES)} of" in picture.alt


def test_a_globe_of_any_extent() -> None:
    day = day_of(8)
    for points in (0, 1):
        check(maps.draw_map(day, cloud_of(day, points, is_globe=True), looks(day)))
    far = np.array([[-180.0, -90.0], [180.0, 90.0]])
    cloud = PointCloud(far, np.array([-1, 0]), np.array([1, 2]), ("longitude", "latitude"), True, 2)
    check(maps.draw_map(day, cloud, looks(day)))


@pytest.mark.parametrize(
    ("middle", "span", "is_land"),
    [
        ((10.0, 50.0), 12.0, True),
        ((-30.0, 30.0), 12.0, False),
        ((10.0, 50.0), 0.5, False),
        ((179.0, 67.0), 6.0, True),
    ],
)
def test_a_map_shows_the_land_if_there_is_some_and_it_is_wide(
    middle: tuple[float, float], span: float, is_land: bool
) -> None:
    day = day_of(1)
    positions = np.array(middle) + np.array([[-span, -span], [span, span], [0.0, 0.0]]) / 4
    cloud = PointCloud(positions, np.zeros(3, int), np.ones(3, int), ("longitude", "latitude"), True, 3)
    picture = maps.draw_map(day, cloud, looks(day))
    check(picture)
    assert ("land shape" in picture.body) == is_land


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), max_size=12),
    st.tuples(st.floats(-5, 0), st.floats(-5, 0)),
)
def test_what_is_cut_lies_inside(ring: list[tuple[float, float]], low: tuple[float, float]) -> None:
    high = (low[0] + 3.0, low[1] + 4.0)
    for point in clip(ring, low, high):
        assert all(a - 1e-9 <= x <= b + 1e-9 for a, x, b in zip(low, point, high, strict=True))
    inside = [point for point in ring if all(a <= x <= b for a, x, b in zip(low, point, high, strict=True))]
    assert set(inside) <= set(clip(ring, low, high))
    if len(inside) == len(ring):
        assert clip(ring, low, high) == ring


def test_what_merged_from_a_cluster_without_a_lane_is_a_ribbon() -> None:
    days = (FIRST, FIRST + dt.timedelta(days=1))
    big = [Stretch(day, identity(1), 90, "merged" if k else "born") for k, day in enumerate(days)]
    passages = (
        Passage(days[0], days[1], identity(1), identity(1), 60),
        Passage(days[0], days[1], identity(7), identity(1), 30),
    )
    facts = FlowFacts("attackers", days, tuple(big), passages, (), 9)
    picture = draw_flow(facts, looks_of(lanes_of(facts.stretches)))
    check(picture)
    assert f"30 entities from {identity(7)}, which has no lane" in [one.text for one in elements(picture)]


def test_the_share_of_near_pairs_is_said() -> None:
    bins = (DistanceBin(0.0, 0.5, 30), DistanceBin(0.5, 1.0, 170), DistanceBin(1.0, 1.5, 800))
    sample = Sampled((0,) * 46, bins, (), 1.0, "cosine distance", 99)
    picture = draw_distances(sample)
    assert "threshold 1: 20.00% within" in texts(picture)
    assert "1,000 pairs of a sample of 46 of 99 points" in texts(picture)
    bars = [one.attrib["class"] for one in elements(picture) if one.tag == f"{SVG}rect" and len(one)]
    assert bars == ["blue fill", "blue fill", "others fill"]


def test_points_far_away_do_not_hide_the_clusters() -> None:
    day = day_of(2)
    positions = np.concatenate([np.random.default_rng(0).normal(size=(400, 2)), [[1e6, 0.0], [0.0, -1e7]]])
    clusters = np.array([0, 1] * 200 + [-1, -1])
    cloud = PointCloud(positions, clusters, np.ones(402, dtype=np.int64), ("x0", "x1"), False, 402)
    picture = maps.draw_map(day, cloud, looks(day))
    check(picture)
    colour = look_of(identity(0)).colour
    data = max(
        (one.attrib["d"] for one in elements(picture) if one.get("class", "") == f"{colour} edge"), key=len
    )
    places = np.array(re.findall(r"M([-\d.]+) ([-\d.]+)", data), dtype=float)
    assert np.ptp(places[:, 0]) > WIDTH / 4
    assert np.ptp(places[:, 1]) > picture.height / 4
    assert any("off the frame" in text for text in texts(picture))


def test_any_text_can_be_drawn() -> None:
    clusters = tuple(ClusterFact(k, name, 9, 2) for k, name in enumerate(ODD_NAMES))
    day = DayFacts("attackers, 2013-03-04", clusters, len(clusters), 90, 90 - 9 * len(clusters))
    check(draw_sizes(day, looks(day)))
    check(draw_tokens(day, TokenShares(dict.fromkeys(enumerate(ODD_NAMES), 0.5), 0.05), looks(day)))
    cloud = PointCloud(np.zeros((1, 2)), np.array([0]), np.array([1]), (ODD_NAMES[0], ODD_NAMES[1]), False, 1)
    check(maps.draw_map(day, cloud, looks(day)))
    shown = " ".join(texts(draw_sizes(day, looks(day))))
    for name in ("$x^2$", "日本語", "a?b?c", "\U0001f600", "<b>&amp;"):
        assert name in shown


@settings(max_examples=100)
@given(st.text(max_size=80), st.integers(4, 40))
def test_printable_text_is_short_and_without_control_characters(text: str, longest: int) -> None:
    drawn = printable(text, longest)
    assert len(drawn) <= longest
    assert all(letter.isprintable() or letter == "\u200d" for letter in drawn)
    if text.isascii() and text.isprintable() and len(text) <= longest:
        assert drawn == text


def test_the_same_facts_give_the_same_bytes_in_any_process() -> None:
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("draw_all.py"))],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
            timeout=LONGEST_S,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert set(json.loads(seen.pop())) == {
        "sizes", "map", "tokens", "trend", "flow", "drift",
        "distances", "dendrogram", "condensed", "reachability",
    }  # fmt: skip


def test_an_identity_keeps_its_colour_on_another_day() -> None:
    for facts in (
        (ClusterFact(3, identity(7), 50, 4), ClusterFact(0, identity(1), 40, 4)),
        (ClusterFact(1, identity(2), 90, 4), ClusterFact(5, identity(7), 30, 4)),
    ):
        day = DayFacts("attackers", facts, 2, sum(one.entities for one in facts), 0)
        bars = [
            one.attrib["class"]
            for one in elements(draw_sizes(day, looks(day)))
            if one.tag == f"{SVG}rect" and one[:] and (one[0].text or "").startswith(identity(7))
        ]
        assert bars == [f"{look_of(identity(7)).colour} fill"]


def test_bars_are_as_long_as_their_values() -> None:
    sizes = (90_000, 30, 9)
    day = DayFacts(
        "d", tuple(ClusterFact(k, identity(k), size, 1) for k, size in enumerate(sizes)), 3, 180_039, 90_000
    )
    widths = [
        float(one.attrib["width"])
        for one in elements(draw_sizes(day, looks(day)))
        if one.tag == f"{SVG}rect" and len(one)
    ]
    assert widths[0] == widths[3] == max(widths)
    assert widths[1] == widths[2] == 1.0


@pytest.mark.parametrize("count", [1, 2, 30])
def test_an_axis_of_days_names_published_days_once(count: int) -> None:
    days = tuple(DayNumbers(dt.date(2013, 3, 4) + dt.timedelta(days=k), 0, 0, 0) for k in range(count))
    named = [
        text for text in texts(draw_trend("attackers", days)) if re.fullmatch(r"\d+ [A-Z][a-z]{2}", text)
    ]
    assert len(named) == len(set(named))
    assert set(named) <= {f"{one.day.day} {one.day:%b}" for one in days}
    assert f"{days[-1].day.day} {days[-1].day:%b}" in named


def test_a_map_has_noise_behind_and_names_at_the_clusters() -> None:
    day = day_of(5)
    picture = maps.draw_map(day, cloud_of(day), looks(day))
    drawn = [one.attrib["class"] for one in elements(picture) if one.tag == f"{SVG}path" and len(one)]
    first = drawn.index("noise stroke")
    assert first < min(k for k, name in enumerate(drawn) if name.endswith("edge"))
    assert [one for one in elements(picture) if "halo" in one.get("class", "")]


def test_the_pictures_of_a_full_day_fit_in_an_event_log() -> None:
    day, lives = day_of(12), flow_of(60, 14)
    found = looks_of((*(one.identity for one in day.clusters), *lanes_of(lives.stretches)))
    common = (draw_sizes(day, found), draw_flow(lives, found), draw_trend("attackers", row_of_days(30)))
    sample = sample_of(day)
    more = (
        draw_distances(sample),
        draw_dendrogram(day, sample, found),
        draw_condensed(day, tree_of(day, 99), "", found),
    )
    for inside in (maps.draw_map(day, cloud_of(day), found), draw_tokens(day, shares_of(day), found)):
        shown = as_markdown((inside, *common, *more)).decode()
        assert len(shown) < 100_000
        assert shown.count("data:image/svg+xml") >= 4
        # A picture is shown or named.
        assert all(picture.title in shown for picture in (inside, *common, *more))
    assert "In the report only" not in as_markdown(common[:1]).decode()


def test_each_cluster_shows_its_commonest_value() -> None:
    day = day_of(12)
    shares = shares_of(day)
    chosen = choose_tokens(day.clusters[:12], shares)
    assert len(chosen) == len(set(chosen)) == TOKENS
    for one in day.clusters[:12]:
        best = max(
            (share, name) for (cluster, name), share in shares.shares.items() if cluster == one.cluster
        )
        assert best[1] in chosen
