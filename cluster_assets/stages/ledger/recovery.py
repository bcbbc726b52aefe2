"""Recovery of a lost catalog: pointers are found again from the manifests in the store."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.stages.ledger.layout import ManifestKey, StageDay, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.manifests import Manifest


@dataclass(frozen=True, slots=True)
class LostDay:
    """A day of a stage that the catalog does not have.

    Attributes:
        place: The day.
        manifest: Its newest version whose files all exist; None if there is none.
        problem: Why newer versions, or all of them, cannot be published; empty if the newest can.
    """

    place: StageDay
    manifest: Manifest | None
    problem: str = ""


def find_lost_days(store: ObjectStore, catalog: Catalog, pipeline: str | None = None) -> list[LostDay]:
    """Return the days that have manifests but no pointer, in order; one listing of the store.

    A day whose pointer exists is not looked at: `verify` finds its damage, and a run publishes it again.

    Args:
        store: Holds data files and manifests.
        catalog: Holds the published pointers.
        pipeline: Only this one; None for all.
    """
    sizes: dict[str, int] = {}
    versions: defaultdict[StageDay, list[int]] = defaultdict(list)
    for stored in store.list(f"{pipeline}/" if pipeline else ""):
        key = parse_key(stored.key)
        if isinstance(key, ManifestKey):
            versions[key.place].append(key.version)
        elif key is not None:
            sizes[stored.key] = stored.bytes
    published = _published(catalog, versions)
    return [
        _newest_valid(store, place, sorted(found, reverse=True), sizes)
        for place, found in sorted(versions.items())
        if place not in published
    ]


def restore_day(catalog: Catalog, lost: LostDay) -> bool:
    """Publish the manifest of a lost day; False if another process has published a later version.

    Raises:
        CatalogError: The catalog refuses the call, or keeps failing.
    """
    if lost.manifest is None:
        raise ValueError(f"{lost.place} has no manifest that could be published")
    version = lost.manifest.version
    pointer = Pointer(lost.place.manifest_key(version), version)
    return catalog.flip(lost.place.pipeline, lost.place.stage, lost.place.day, pointer)


def _published(catalog: Catalog, places: Iterable[StageDay]) -> set[StageDay]:
    stages = {(place.pipeline, place.stage) for place in places}
    return {
        StageDay(pipeline, stage, day) for pipeline, stage in stages for day in catalog.days(pipeline, stage)
    }


def _newest_valid(
    store: ObjectStore, place: StageDay, versions: list[int], sizes: Mapping[str, int]
) -> LostDay:
    problems = []
    for version in versions:
        key = place.manifest_key(version)
        try:
            manifest = read_manifest(store.read(key), where=store.uri(key))
        except (IntegrityError, FileNotFoundError) as error:
            problems.append(f"version {version}: {getattr(error, 'what', error)}")
            continue
        absent = next((file.key for file in manifest.files if sizes.get(file.key) != file.bytes), None)
        if absent is None:
            return LostDay(place, manifest, "; ".join(problems))
        problems.append(f"version {version}: {absent} is missing or has another size")
    return LostDay(place, None, "; ".join(problems))
