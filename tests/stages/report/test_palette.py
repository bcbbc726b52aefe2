"""Colours and marks of clusters: told apart, and readable on their paper."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from facts_of_days import identity

from cluster_assets.stages.report.pictures.palette import COLOURS, MARKS, Look, look_of, looks_of


def test_looks_differ() -> None:
    natural = {look_of(identity(k)) for k in range(9 * 6)}
    assert len(natural) == 9 * 6
    assert look_of("20130304-000002") != look_of("20130305-000002")
    assert isinstance(look_of("any other name"), Look)
    assert len({look_of(identity(k)).colour for k in range(9)}) == len(COLOURS)


@given(
    st.lists(
        st.from_regex(r"201303[0-2][1-9]-00000[0-9]", fullmatch=True) | st.text(), max_size=54, unique=True
    )
)
def test_no_two_clusters_of_a_picture_look_alike(names: list[str]) -> None:
    found = looks_of(names)
    assert len(set(found.values())) == len(names)
    # An older cluster is not changed by a younger one.
    oldest = sorted(names)[: len(names) // 2]
    assert looks_of(oldest) == {name: found[name] for name in oldest}
    assert len(names) > len(MARKS) or all(found[name].colour == look_of(name).colour for name in names)


def test_colours_are_readable_on_their_paper() -> None:
    for k, paper in ((0, "#FFFFFF"), (1, "#1B1D21")):
        for pair in COLOURS:
            assert _contrast(pair[k], paper) >= 2.9
        for one, other in itertools.combinations([pair[k] for pair in COLOURS], 2):
            assert math.dist(_rgb(one), _rgb(other)) > 0.15


def _rgb(colour: str) -> list[float]:
    return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    bright = sorted(
        sum(
            w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
            for w, c in zip((0.2126, 0.7152, 0.0722), _rgb(x), strict=True)
        )
        for x in (one, other)
    )
    return (bright[1] + 0.05) / (bright[0] + 0.05)
