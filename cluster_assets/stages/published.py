"""A day as its readers see it: the clusters, and exactly what they were made from.

Stages are published one after the other, so after a failure half-way their newest versions need not
belong together. Readers therefore go through `clusters`: its manifest names points and candidates by
the digest of their content, and those versions are found again in the history of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger


def published_day(ledger: Ledger, day: Day) -> Mapping[str, Manifest]:
    """The manifests of a day by stage, all of one making.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
        IntegrityError: What the clusters were made from is gone.
    """
    clusters = ledger.require("clusters", day)
    points = _version(ledger, "points", day, lambda found: found.content_digest == clusters.inputs["points"])
    candidates = _version(
        ledger, "candidates", day, lambda found: found.content_digest == clusters.inputs["candidates"]
    )
    raw = _version(
        ledger, "raw", day, lambda found: found.metrics["source_digest"] == points.inputs["source"]
    )
    return {"raw": raw, "points": points, "candidates": candidates, "clusters": clusters}


def _version(ledger: Ledger, stage: str, day: Day, fits: Callable[[Manifest], bool]) -> Manifest:
    for manifest in ledger.history(stage, day):
        if fits(manifest):
            return manifest
    raise IntegrityError(
        f"the {stage} that the clusters of {day} were made from are gone",
        where=f"{ledger.pipeline}, {day}",
        remedy=f"compute the day again: cluster-assets run {ledger.pipeline} --day {day}",
    )
