"""The picture of a drift."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.expectations import CheckOutcome, write_outcomes
from cluster_assets.domain.manifests import Manifest
from cluster_assets.stages.day.audit import OUTCOMES
from cluster_assets.stages.day.trends import MOVED
from cluster_assets.stages.report.drift import drift_pictures
from cluster_assets.stages.report.pictures.drift import draw_drift
from cluster_assets.stages.report.pictures.facts import DriftFacts, ShareMove


def test_a_drift_shows_each_value_with_both_shares() -> None:
    moves = (ShareMove("TCP/445", 0.5, 0.1), ShareMove("<b>", 0.0, 0.25))
    drawn = draw_drift(DriftFacts("tokens", 7, moves))
    root = ET.fromstring(drawn.svg)  # noqa: S314  # our own
    tips = [one.text for one in root.iter() if one.tag.endswith("title")]
    assert tips.count("TCP/445: 10.0% → 50.0%") == tips.count("<b>: 25.0% → 0.0%") == 2
    assert "mean of 7 days before" in drawn.svg.decode()
    assert "TCP/445 from 10.0% to 50.0%" in drawn.alt


def test_only_a_reported_drift_is_drawn() -> None:
    moved = {"feature": "count(*)", MOVED: json.dumps([["1 to 2", 0.5, 0.1]])}
    outcomes = [CheckOutcome("drift", False, False, "", moved, ("2013-03-04", "2013-03-05"))]
    (drawn,) = drift_pictures(_points(outcomes))
    assert "count(*)" in drawn.svg.decode()
    assert not list(drift_pictures(_points([CheckOutcome("drift", True, False, "", {"feature": "x"})])))


def _points(outcomes: list[CheckOutcome]) -> Manifest:
    return Manifest(
        pipeline="p", stage="points", day=parse_day("2013-03-06"), version=1, attempt="a", input_digest="",
        inputs={}, code_version="", created_at="", metrics={OUTCOMES: write_outcomes(outcomes)},
    )  # fmt: skip
