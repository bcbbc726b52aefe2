"""A day as its readers see it: the clusters, and exactly what they were made from.

Stages are published one after the other, so after a failure half-way their newest versions need not
belong together. Readers therefore go through `clusters`: its manifest names points and candidates by
the digest of their content, and those versions are found again in the history of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError, UpstreamMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger


def published_day(ledger: Ledger, day: Day) -> Mapping[str, Manifest]:
    """The manifests of a day by stage, all of one making; `raw` only while it is kept.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
        IntegrityError: What the clusters were made from is gone.
    """
    clusters = ledger.require("clusters", day)
    points = _version(ledger, "points", day, clusters.inputs["points"])
    candidates = _version(ledger, "candidates", day, clusters.inputs["candidates"])
    return {**_raw(ledger, day, points), "points": points, "candidates": candidates, "clusters": clusters}


def describing_day(ledger: Ledger, stage: str, day: Day) -> Manifest:
    """The newest manifest of a stage after `clusters` that was made from the clusters readers see.

    Raises:
        UpstreamMissingError: The day has no clusters yet, or nothing of the stage describes them.
    """
    clusters = ledger.require("clusters", day)
    for manifest in ledger.history(stage, day):
        if manifest.inputs.get("clusters") == clusters.content_digest:
            return manifest
    raise UpstreamMissingError(
        f"no {stage} of {day} were made from its clusters",
        where=f"{ledger.pipeline}, {day}",
        remedy=f"materialize {stage} too: cluster-assets run {ledger.pipeline} --day {day}",
    )


def _version(ledger: Ledger, stage: str, day: Day, content_digest: str) -> Manifest:
    for manifest in ledger.history(stage, day):
        if manifest.content_digest == content_digest:
            return manifest
    raise IntegrityError(
        f"the {stage} that the clusters of {day} were made from are gone",
        where=f"{ledger.pipeline}, {day}",
        remedy=f"compute the day again: cluster-assets run {ledger.pipeline} --day {day}",
    )


def _raw(ledger: Ledger, day: Day, points: Manifest) -> Mapping[str, Manifest]:
    """What `raw` recorded then; it holds no data, so gc may have taken it."""
    for manifest in ledger.history("raw", day):
        if manifest.metrics["source_digest"] == points.inputs["source"]:
            return {"raw": manifest}
    return {}
