"""Verification of all published days, and the repair of those that are damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError, UpstreamMissingError
from cluster_assets.stages.ledger.damage import find_damage
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.ledger.published import published_stage
from cluster_assets.stages.sequence import ALL_STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


@dataclass(frozen=True, slots=True)
class VerifiedStage:
    """One stage of a published day after all its files were read.

    Attributes:
        files: Number of its files.
        bytes: Their size.
        problems: What is damaged, one line each; empty if all is well.
    """

    pipeline: str
    stage: str
    day: Day
    files: int
    bytes: int
    problems: tuple[str, ...]


def verify_pipeline(store: ObjectStore, catalog: Catalog, pipeline: str) -> Iterator[VerifiedStage]:
    """Read every file that readers of a pipeline may see and compare it with its manifest, day by day.

    Raises:
        StoreError: The store refuses a call, or keeps failing.
        CatalogError: The catalog does.
    """
    ledger = Ledger(store, catalog, pipeline)
    days = {stage: set(ledger.days(stage)) for stage in ALL_STAGE_NAMES}
    for day in sorted(set().union(*days.values())):
        for stage in ALL_STAGE_NAMES:
            if day in days[stage]:
                yield _verify(store, ledger, stage, day)


def repair_days(
    spec: PipelineSpec, damaged: Mapping[Day, Sequence[str]], settings: Settings
) -> Mapping[Day, Exception]:
    """Recompute the damaged stages of days, then whatever depends on them and became different.

    Args:
        spec: The pipeline.
        damaged: The damaged stages of each day.
        settings: Settings of this process.

    Returns:
        The error of each day that could not be repaired; what is published of it is as before.
    """
    # Imported here, because loading Dagster takes a second and verification alone does not need it.
    from cluster_assets.operations.runs import materialize_range

    def recompute(day: Day) -> Mapping[Day, Exception]:
        # Points are read from the source in the state that `raw` records.
        wanted = {*damaged[day], "raw"} if "points" in damaged[day] else set(damaged[day])
        ordered = [stage for stage in ALL_STAGE_NAMES if stage in wanted]
        return materialize_range(spec, [day], settings, force=True, stages=ordered)

    # Stages that read the day before fail while that day is damaged, so what fails is tried once more.
    again = [day for day in damaged if recompute(day)]
    failed: dict[Day, Exception] = {}
    for day in again:
        failed |= recompute(day)
    for day in damaged:
        if day not in failed:
            failed |= materialize_range(spec, [day], settings)
    return failed


def _verify(store: ObjectStore, ledger: Ledger, stage: str, day: Day) -> VerifiedStage:
    try:
        manifests = _readable(ledger, stage, day)
    except IntegrityError as error:
        return VerifiedStage(ledger.pipeline, stage, day, 0, 0, (error.what,))
    problems = [
        f"{damaged.problem}: {damaged.uri}"
        for manifest in manifests
        for damaged in find_damage(store, manifest)
    ]
    files = [file for manifest in manifests for file in manifest.files]
    size = sum(file.bytes for file in files)
    return VerifiedStage(ledger.pipeline, stage, day, len(files), size, tuple(problems))


def _readable(ledger: Ledger, stage: str, day: Day) -> list[Manifest]:
    """Return the newest manifest, and the one that belongs to the published clusters if it is another."""
    newest = ledger.current(stage, day)
    found = [] if newest is None else [newest]
    if stage in ("points", "candidates"):
        try:
            read = published_stage(ledger, stage, day)
        except (UpstreamMissingError, IntegrityError):
            return found  # no clusters yet, or their own damage is reported with them
        found += [read] if read != newest else []
    return found
