"""Every picture: valid, small, the same bytes for the same facts, told in words too."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # facts_of_days is used by a program beside it too

from facts_of_days import cloud_of, day_of, flow_of, identity, row_of_days, shares_of

from cluster_assets.pictures import maps
from cluster_assets.pictures.canvas import (
    LARGE_BYTES,
    MAX_BYTES,
    Picture,
    finish,
    new_figure,
    printable,
    style,
)
from cluster_assets.pictures.facts import ClusterFact, DayFacts, PointCloud, TokenShares
from cluster_assets.pictures.flow import LANES, draw_flow
from cluster_assets.pictures.heat import TOKENS, choose_tokens, draw_tokens
from cluster_assets.pictures.palette import COLOURS, Look, blend, every_colour, look_of
from cluster_assets.pictures.sizes import draw_sizes
from cluster_assets.pictures.trend import draw_trend

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY, NONE, ONE = day_of(500), day_of(0), day_of(1)
ODD_NAMES = ("$x^2$", "日本語", "a\nb\x00c", "tab\t[link](x)", "\U0001f600", "ß" * 300, "")


def pictures_of(day: DayFacts) -> Iterator[Picture]:
    yield draw_sizes(day)
    yield maps.draw_map(day, cloud_of(day))
    yield draw_tokens(day, shares_of(day))


def check(picture: Picture) -> None:
    assert len(picture.png) <= (LARGE_BYTES if picture.name in ("map", "tokens") else MAX_BYTES)
    with Image.open(io.BytesIO(picture.png)) as image:
        image.load()
        assert image.format == "PNG"
        assert "date" not in str(image.info).lower()
        # As sharp as a screen at least, and of the shape it says.
        assert image.width >= 0.8 * picture.width
        assert image.width / image.height == pytest.approx(picture.width / picture.height, rel=0.02)
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert {f"#{r:02X}{g:02X}{b:02X}" for _, (r, g, b) in colours} <= set(every_colour())
    assert len(colours) > 3
    assert 20 < len(picture.alt) < 2000


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
    picture = draw_flow(facts)
    check(picture)
    born = sum(one.event == "born" for one in facts.stretches)
    assert (f"{born:,} born" in picture.alt) == (born > 0)
    assert f"Lanes of {min(identities, LANES)} of" in picture.alt


def test_a_globe_of_any_extent() -> None:
    day = day_of(8)
    for points in (0, 1):
        check(maps.draw_map(day, cloud_of(day, points, is_globe=True)))
    far = np.array([[-180.0, -90.0], [180.0, 90.0]])
    cloud = PointCloud(far, np.array([-1, 0]), np.array([1, 2]), ("longitude", "latitude"), True, 2)
    check(maps.draw_map(day, cloud))


def test_points_far_away_do_not_hide_the_clusters() -> None:
    day = day_of(2)
    positions = np.concatenate([np.random.default_rng(0).normal(size=(400, 2)), [[1e6, 0.0], [0.0, -1e7]]])
    clusters = np.array([0, 1] * 200 + [-1, -1])
    cloud = PointCloud(positions, clusters, np.ones(402, dtype=np.int64), ("x0", "x1"), False, 402)
    picture = maps.draw_map(day, cloud)
    check(picture)
    with Image.open(io.BytesIO(picture.png)) as image:
        drawn = np.asarray(image.convert("RGB"))
    colour = bytes.fromhex(look_of(identity(0)).colour[1:])
    rows, columns = np.nonzero((drawn == np.frombuffer(colour, dtype=np.uint8)).all(axis=2))
    assert np.ptp(columns) > image.width / 4
    assert np.ptp(rows) > image.height / 4


@pytest.mark.parametrize(("values", "factor"), [([0.0, 5e6], "1e6"), ([1.7e9, 1.7e9 + 50], "+1.7e9")])
def test_large_values_keep_what_their_ticks_leave_out(values: list[float], factor: str) -> None:
    with style():
        figure = new_figure(3.0)
        axes = figure.subplots()
        axes.plot(values, [0.0, 1.0])
        finish(figure, "map", "Values", "two points")
    assert axes.xaxis.get_offset_text().get_text() == factor


def test_any_text_can_be_drawn() -> None:
    clusters = tuple(ClusterFact(k, name, 9, 2) for k, name in enumerate(ODD_NAMES))
    day = DayFacts("attackers, 2013-03-04", clusters, len(clusters), 90, 90 - 9 * len(clusters))
    check(draw_sizes(day))
    check(draw_tokens(day, TokenShares(dict.fromkeys(enumerate(ODD_NAMES), 0.5), 0.05)))
    cloud = PointCloud(np.zeros((1, 2)), np.array([0]), np.array([1]), (ODD_NAMES[0], ODD_NAMES[1]), False, 1)
    check(maps.draw_map(day, cloud))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.integers(4, 40))
def test_printable_text_is_short_and_has_a_glyph_each(text: str, longest: int) -> None:
    drawn = printable(text, longest)
    assert len(drawn) <= longest
    assert all(letter.isprintable() for letter in drawn)
    if text.isascii() and text.isprintable() and len(text) <= longest:
        assert drawn == text


def test_the_same_facts_give_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\n")
    seen = set()
    for seed, config in (("1", ""), ("2", str(tmp_path))):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        if config:
            environment["MATPLOTLIBRC"] = config  # somebody's own taste
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("draw_all.py"))],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            timeout=300,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert set(json.loads(seen.pop())) == {"sizes", "map", "tokens", "trend", "flow"}


def test_an_identity_keeps_its_colour_on_another_day() -> None:
    wanted = bytes.fromhex(look_of(identity(7)).colour[1:])
    for facts in (
        (ClusterFact(3, identity(7), 50, 4), ClusterFact(0, identity(1), 40, 4)),
        (ClusterFact(1, identity(2), 90, 4), ClusterFact(5, identity(7), 30, 4)),
    ):
        day = DayFacts("attackers", facts, 2, sum(one.entities for one in facts), 0)
        with Image.open(io.BytesIO(draw_sizes(day).png)) as image:
            drawn = np.asarray(image.convert("RGB"))
        found = int((drawn == np.frombuffer(wanted, dtype=np.uint8)).all(axis=2).sum())
        assert found > drawn.shape[0] * drawn.shape[1] / 200


def test_looks_are_told_apart() -> None:
    looks = {look_of(identity(k)) for k in range(9 * 6)}
    assert len(looks) == 9 * 6
    assert look_of("20130304-000002") != look_of("20130305-000002")
    assert isinstance(look_of("any other name"), Look)
    assert len({look_of(identity(k)).colour for k in range(9)}) == len(COLOURS)


def test_the_palette_holds_what_is_drawn() -> None:
    assert len(every_colour()) <= 256
    assert blend("#102030", 0.0) == "#FFFFFF"
    assert blend("#102030", 1.0) == "#102030"


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
