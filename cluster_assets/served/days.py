"""The days that can be asked: a `ServedDays` over the store and the catalog of the lake."""

from __future__ import annotations

import logging
import tempfile
import time
from collections import OrderedDict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from cluster_assets.backends.storage import open_storage
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ClusterAssetsError, SpecError
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.served.files import IndexFiles
from cluster_assets.served.pictures import read_pictures
from cluster_assets.stages.index.documents import ARRAYS, ENTITIES, SOURCES, STAGE
from cluster_assets.stages.ledger.layout import StageDay
from lambda_worker.serving.contract import MAX_ITEMS, DayNotServedError, Source
from lambda_worker.serving.index import DayIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.backends.stored import Pointer
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.settings import Settings
    from cluster_assets.storage_settings import StorageSettings
    from lambda_worker.serving.contract import ServedDay

_REFRESH_S = 30.0
_OPEN_DAYS = 16
_CACHE_BYTES = 4 << 30

T = TypeVar("T")

LOG = logging.getLogger(__name__)


def open_indexes(settings: Settings | StorageSettings) -> PublishedIndexes:
    """Open the indexes of the lake that the settings describe.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    return PublishedIndexes(*open_storage(settings))


class PublishedIndexes:
    """Opens indexes by pipeline, day and version; threads may share it.

    An opened version keeps working while a new one is published, because its files stay mapped. What the
    catalog says is remembered for the `refresh_s` of the pipeline's YAML; if the catalog fails later, answers
    come from what is known.

    Args:
        store: Holds the files.
        catalog: Holds the published pointers.
        refresh_s: The same for a pipeline of which no day has been opened, and for the list of pipelines.
        cache: Folder for copies of files on S3; by default in the folder for temporary files.
        cache_bytes: Largest total size of the copies.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        store: ObjectStore,
        catalog: Catalog,
        *,
        refresh_s: float = _REFRESH_S,
        cache: Path | None = None,
        cache_bytes: int = _CACHE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._catalog = catalog
        folder = cache or Path(tempfile.gettempdir(), "cluster-assets-index")
        self._files = IndexFiles(store, folder, cache_bytes)
        self._known = _Remembered(clock)
        self._refresh_s = refresh_s
        self._refresh_of: dict[str, float] = {}
        self._open: OrderedDict[tuple[str, Day, int], DayIndex] = OrderedDict()
        self._lock = Lock()

    def pipelines(self) -> list[str]:
        """Return the names of the pipelines that have an index."""
        return [name for name in self._names() if self._days(name)]

    def days(self, pipeline: str) -> list[str]:
        """Return the days with an index, ascending; empty if there is no such pipeline."""
        return [day.key for day in self._days(pipeline)]

    def open_day(self, pipeline: str, day: str | None = None, version: int | None = None) -> DayIndex:
        """Open a day, by default the newest; with `version`, exactly that version of it.

        Raises:
            DayNotServedError: There is no such pipeline, day or version; the text says which.
            ClusterAssetsError: The storage fails, or a published file is damaged.
        """
        asked = self._day(pipeline, day)
        if version is None:
            version = self._current(pipeline, asked).version
        key = (pipeline, asked, version)
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        opened = self._open_version(*key)
        with self._lock:
            self._open[key] = opened
            while len(self._open) > _OPEN_DAYS:
                self._open.popitem(last=False)
        return opened

    def pictures(self, day: ServedDay) -> dict[str, str]:
        """Return the pictures of the day's report as SVG; empty if it shows other clusters than this version.

        Raises:
            DayNotServedError: The version was removed.
            ClusterAssetsError: The storage fails, or a published file is damaged.
        """
        index = self._manifest(day.pipeline, parse_day(day.day), day.version)
        return read_pictures(self._store, self._catalog, index)

    def _names(self) -> tuple[str, ...]:
        return self._known.get(("pipelines",), self._catalog.pipelines, self._refresh_s)

    def _days(self, pipeline: str) -> tuple[Day, ...]:
        # What is remembered is bounded: names that are no pipelines are not.
        if pipeline not in self._names():
            return ()
        ask = partial(self._catalog.days, pipeline, STAGE)
        return self._known.get(("days", pipeline), ask, self._seconds(pipeline))

    def _seconds(self, pipeline: str) -> float:
        return self._refresh_of.get(pipeline, self._refresh_s)

    def _day(self, pipeline: str, day: str | None) -> Day:
        days = self._days(pipeline)
        if not days:
            raise DayNotServedError(f"there is no pipeline {pipeline!r} with an index")
        if day is None:
            return days[-1]
        try:
            asked = parse_day(day)
        except SpecError:
            raise DayNotServedError(f"{day!r} is not a day; write YYYY-MM-DD") from None
        if asked not in days:
            raise DayNotServedError(f"{pipeline} has no index of {day}; the newest is of {days[-1]}")
        return asked

    def _current(self, pipeline: str, day: Day) -> Pointer:
        ask = partial(self._catalog.current, pipeline, STAGE, day)
        found = self._known.get(("pointer", pipeline, day.key), ask, self._seconds(pipeline))
        if found is None:
            raise DayNotServedError(f"{pipeline} has no index of {day}")
        return found

    def _open_version(self, pipeline: str, day: Day, version: int) -> DayIndex:
        manifest = self._manifest(pipeline, day, version)
        arrays, entities = (self._files.path(manifest.documents[name]) for name in (ARRAYS, ENTITIES))
        self._refresh_of[pipeline] = float(manifest.metrics.get("refresh_s", self._refresh_s))
        return DayIndex(
            arrays,
            entities,
            version,
            int(manifest.metrics.get("max_items", MAX_ITEMS)),
            msgspec.json.decode(str(manifest.metrics.get(SOURCES, "[]")), type=tuple[Source, ...]),
        )

    def _manifest(self, pipeline: str, day: Day, version: int) -> Manifest:
        key = StageDay(pipeline, STAGE, day).manifest_key(version)
        try:
            return read_manifest(self._store.read(key), where=self._store.uri(key))
        except FileNotFoundError:
            raise DayNotServedError(f"{pipeline} has no version {version} of {day}") from None


class _Remembered:
    """Answers of the catalog, asked again after some time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, ...], tuple[float, Any]] = {}

    def get(self, key: tuple[str, ...], ask: Callable[[], T], seconds: float) -> T:
        now = self._clock()
        known = self._answers.get(key)
        if known is not None and now < known[0] + seconds:
            return known[1]  # type: ignore[no-any-return]
        try:
            answer = ask()
        except ClusterAssetsError:
            if known is None:
                raise
            LOG.exception("the catalog cannot be asked; answers come from what is known")
            answer = known[1]
        self._answers[key] = (now, answer)
        return answer
