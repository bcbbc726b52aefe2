"""A ledger for commands that look at many days: it lists the days once and reads each manifest once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.backends.stored import Pointer
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.layout import StageDay

_PARALLEL_READS = 16


class ListedLedger(Ledger):
    """Shows all days as they were at the first look.

    Only for reading, and from one thread. The published pointers of a stage come from one listing of the
    catalog, and the sizes of all files from one listing of the store, at the first call that needs them.

    Args:
        store: Holds data files and manifests.
        catalog: Holds the published pointers.
        pipeline: Name of the pipeline.
        check_files: Whether `require` checks that the files of a day exist.
    """

    def __init__(
        self, store: ObjectStore, catalog: Catalog, pipeline: str, *, check_files: bool = False
    ) -> None:
        super().__init__(store, catalog, pipeline)
        self._check_files = check_files
        self._pointers: dict[str, Mapping[Day, Pointer]] = {}
        self._manifests: dict[StageDay, Manifest | None] = {}
        self._sizes: dict[str, int] | None = None

    def days(self, stage: str) -> tuple[Day, ...]:
        """Return all published days of a stage, ascending."""
        return tuple(self._listed(stage))

    def current(self, stage: str, day: Day) -> Manifest | None:
        """Return the manifest of the first look; see `Ledger.current`."""
        place = self._place(stage, day)
        if place not in self._manifests:
            self._manifests[place] = super().current(stage, day)
        return self._manifests[place]

    def read_ahead(self, stages: Iterable[str], days: Iterable[Day]) -> None:
        """Read manifests of an object store, several at a time; unreadable ones are left to `current`."""
        if "://" not in self._store.uri("any"):
            return  # threads do not make reading small local files faster
        places = [self._place(stage, day) for day in days for stage in stages]

        def read(place: StageDay) -> Manifest | None:
            pointer = self._pointer(place)
            try:
                return None if pointer is None else self._read(place, pointer.version)
            except IntegrityError:
                return None

        for stage in {place.stage for place in places}:
            self._listed(stage)
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            for place, manifest in zip(places, pool.map(read, places), strict=True):
                if manifest is not None:
                    self._manifests[place] = manifest

    def _pointer(self, place: StageDay) -> Pointer | None:
        return self._listed(place.stage).get(place.day)

    def _listed(self, stage: str) -> Mapping[Day, Pointer]:
        if stage not in self._pointers:
            self._pointers[stage] = self._catalog.pointers(self.pipeline, stage)
        return self._pointers[stage]

    def _damaged_file(self, place: StageDay, manifest: Manifest) -> str | None:
        if not self._check_files:
            return None
        if self._sizes is None:
            self._sizes = {found.key: found.bytes for found in self._store.list(f"{self.pipeline}/")}
        return next((file.key for file in manifest.files if self._sizes.get(file.key) != file.bytes), None)
