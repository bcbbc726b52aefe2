"""The picture of a drift that the check of the day reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cluster_assets.stages.day.audit import recorded_outcomes
from cluster_assets.stages.day.trends import MOVED
from cluster_assets.stages.report.pictures.drift import draw_drift
from cluster_assets.stages.report.pictures.facts import DriftFacts, ShareMove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.report.pictures.svg import Picture


def drift_pictures(points: Manifest) -> Iterator[Picture]:
    """Yield the picture of the drift that was reported when the points were published, if any."""
    for outcome in recorded_outcomes(points):
        if MOVED in outcome.numbers:
            rows = json.loads(str(outcome.numbers[MOVED]))
            moves = tuple(ShareMove(str(label), float(today), float(before)) for label, today, before in rows)
            yield draw_drift(DriftFacts(str(outcome.numbers["feature"]), len(outcome.days), moves))
