"""How items are compared with the points of a pipeline's day, for the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.reference import reference_day
from lambda_worker.contract.profiles import Part
from lambda_worker.contract.serving import Space

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob


def space_of(spec: PipelineSpec) -> Space:
    """Return how items of a pipeline are compared."""
    mixed = spec.features.mixed or {}
    return Space(
        kind=spec.features.kind,
        columns=tuple(column.name for column in features.columns_of(spec.features)),
        metric=None if spec.distance is None else spec.distance.metric,
        threshold=None if spec.distance is None else float(spec.distance.threshold),
        weights=tuple(float(weight) for weight in spec.features.weights or ()),
        limited_tokens=spec.features.tokens is not None,
        parts=tuple(Part(name, one.kind, float(one.weight)) for name, one in mixed.items()),
    )


def scales_of(job: DayJob, points: Manifest) -> tuple[str, ...]:
    """Return the files of the statistics that scaled the points of a day; none if they are not scaled.

    Raises:
        IntegrityError: The statistics of the reference day are no longer there.
    """
    if "scales" in points.tables:
        return job.ledger.uris(points, "scales")
    day, digest = reference_day(job), points.inputs.get("scales")
    if day is None or digest is None:
        return ()
    for manifest in job.ledger.history("points", day):
        if "scales" in manifest.tables and manifest.tables["scales"].content_digest == digest:
            return job.ledger.uris(manifest, "scales")
    raise IntegrityError(
        f"the statistics of {day} that scaled {job.day} no longer exist",
        where=f"{job.spec.name}, {job.day}",
        remedy=f"compute the day again: cluster-assets run {job.spec.name} --day {job.day}",
    )
