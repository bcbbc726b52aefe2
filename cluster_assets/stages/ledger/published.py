"""A day as readers see it: the clusters and the exact versions they were computed from.

Stages are published one after the other, so their newest versions may not belong together after a
failure. Readers therefore start from `clusters`: its manifest names points and candidates by content
digest, and those versions are looked up in the history of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError, UpstreamMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.ledger import Ledger


def published_day(ledger: Ledger, day: Day) -> Mapping[str, Manifest]:
    """Return the manifests of a day by stage, all computed from each other; `raw` only while it is kept.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
        IntegrityError: A version that the clusters were computed from no longer exists.
    """
    points, candidates, clusters = (
        published_stage(ledger, stage, day) for stage in ("points", "candidates", "clusters")
    )
    return {**_raw(ledger, day, points), "points": points, "candidates": candidates, "clusters": clusters}


def published_stage(ledger: Ledger, stage: str, day: Day) -> Manifest:
    """Return the manifest of `clusters`, or of the points or candidates that they were computed from.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
        IntegrityError: The version that the clusters were computed from no longer exists.
    """
    clusters = ledger.require("clusters", day)
    return clusters if stage == "clusters" else _version(ledger, stage, day, clusters.inputs[stage])


def describing_day(ledger: Ledger, stage: str, day: Day) -> Manifest:
    """Return the newest manifest of a stage after `clusters` that describes the published clusters.

    Raises:
        UpstreamMissingError: The day has no clusters yet, or no manifest of the stage describes them.
    """
    clusters = ledger.require("clusters", day)
    described = clusters.content_digest
    found = ledger.find(stage, day, lambda manifest: manifest.inputs.get("clusters") == described)
    if found is not None:
        return found
    raise UpstreamMissingError(
        f"no {stage} of {day} were computed from its clusters",
        where=f"{ledger.pipeline}, {day}",
        remedy=f"materialize {stage} too: cluster-assets run {ledger.pipeline} --day {day}",
    )


def refuse_other(ledger: Ledger, manifest: Manifest, upstream: Manifest) -> None:
    """Refuse a day that was computed from another version of an upstream stage.

    Raises:
        UpstreamMissingError: The day is outdated; the error names the stage to materialize.
    """
    if manifest.inputs.get(upstream.stage) != upstream.content_digest:
        raise UpstreamMissingError(
            f"{manifest.stage} of {manifest.day} was computed from another state of {upstream.stage}",
            where=f"{ledger.pipeline}, {manifest.day}",
            remedy=f"materialize {manifest.stage} too: "
            f"cluster-assets run {ledger.pipeline} --day {manifest.day}",
        )


def _version(ledger: Ledger, stage: str, day: Day, content_digest: str) -> Manifest:
    if (manifest := ledger.find_version(stage, day, content_digest)) is not None:
        return manifest
    raise IntegrityError(
        f"the {stage} that the clusters of {day} were computed from no longer exist",
        where=f"{ledger.pipeline}, {day}",
        remedy="run the command or open the lake again: gc may have removed an old version meanwhile; if the "
        f"error remains, compute the day again: cluster-assets run {ledger.pipeline} --day {day}",
    )


def _raw(ledger: Ledger, day: Day, points: Manifest) -> Mapping[str, Manifest]:
    """Return the manifest of `raw` at that time; it holds no data, so gc may have removed it."""
    source = points.inputs["source"]
    found = ledger.find("raw", day, lambda manifest: manifest.metrics["source_digest"] == source)
    return {} if found is None else {"raw": found}
