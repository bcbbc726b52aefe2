"""The lake: published days of all pipelines, for readers in Python."""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import Day, days_between, parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.lake.frames import LakeTable
from cluster_assets.lake.snapshots import FoundDays, PinnedLedger, days_missing, find_days
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.damage import refuse_damaged
from cluster_assets.stages.snapshots import PARALLEL_READS, TABLES, table_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.served.days import PublishedIndexes
    from cluster_assets.settings import Settings
    from cluster_assets.stages.snapshots import TableSnapshot
    from lambda_worker.serving.contract import Item, Prediction

DayLike = str | dt.date
Missing = Literal["raise", "skip"]


def open_lake(*, verify: bool | None = None) -> Lake:
    """Open the lake that the `CLUSTER_*` settings name, on any target.

    >>> lake = open_lake()
    >>> lake.pipelines()
    ['attackers']
    >>> lake.days("attackers")[-1]
    '2013-03-06'
    >>> clusters = lake.read("attackers", "clusters", "2013-03-06").to_pandas()
    >>> list(clusters.columns)
    ['entity', 'point_id', 'cluster', 'role']

    Args:
        verify: Whether files are compared with their manifests when they are first read; by default as
            CLUSTER_VERIFY_FILES says.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    settings = load_settings()
    if verify is not None:
        settings = settings.verifying(on=verify)
    store, catalog = open_storage(settings)
    return Lake(store, catalog, _connect(settings))


class Lake:
    """Reads published days; a day looks the same to all reads of one lake.

    A read begins at the clusters of a day and takes the versions of the other tables that belong to them.
    The lake keeps what it found, so tables of a day can be joined even while a run publishes the day again.
    Open the lake again to see newer versions.

    Args:
        store: Holds data files and manifests.
        catalog: Holds the published pointers.
        connection: Reads the files.
    """

    def __init__(self, store: ObjectStore, catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> None:
        self._store = store
        self._catalog = catalog
        self._connection = connection
        self._ledgers: dict[str, PinnedLedger] = {}
        self._indexes: PublishedIndexes | None = None

    def pipelines(self) -> list[str]:
        """Return the names of the pipelines that have published days.

        Raises:
            CatalogError: The catalog refuses the call, or keeps failing.
        """
        return list(self._catalog.pipelines())

    def tables(self) -> list[str]:
        """Return the names of the tables; some exist for some pipelines only."""
        return list(TABLES)

    def days(self, pipeline: str) -> list[str]:
        """Return the days whose clusters are published, `YYYY-MM-DD`, ascending.

        Raises:
            SpecError: No such pipeline has published days.
        """
        return [day.key for day in self._published(pipeline)]

    def read(
        self,
        pipeline: str,
        table: str,
        days: DayLike | tuple[DayLike, DayLike],
        *,
        missing: Missing = "raise",
    ) -> LakeTable:
        """Return a table of one day, or of all days of a range with the column `day`.

        >>> lake = open_lake()
        >>> week = lake.read("attackers", "clusters", ("2013-03-04", "2013-03-06"))
        >>> week.days
        ('2013-03-04', '2013-03-05', '2013-03-06')
        >>> week.to_duckdb().aggregate("day, count(DISTINCT cluster) AS clusters").columns
        ['day', 'clusters']

        Args:
            pipeline: Name of the pipeline.
            table: Name of the table; see `tables`.
            days: A day, or the first and the last day of a range.
            missing: Whether days of a range that are not published raise an error or are left out.

        Raises:
            SpecError: There is no such pipeline or table, or a day of the range has no such table; or a day
                is not a date.
            UpstreamMissingError: A day is not published; the text names all such days. With
                `missing="skip"`, none of the days is published.
            IntegrityError: A file of a published day is missing or damaged.
        """
        first, last = _first_and_last(days)
        wanted = tuple(days_between(first, last))
        found = self.find(pipeline, table, wanted)
        absent = [day for day in wanted if day not in found.snapshots]
        if absent and (missing != "skip" or not found.snapshots):
            raise found.refusal or days_missing(pipeline, table, absent, self._published(pipeline))
        self._verify(found.snapshots.values())
        with_day = isinstance(days, tuple | list)
        return LakeTable(pipeline, table, found.snapshots, with_day, self._store, self._connection)

    def classify(
        self, pipeline: str, items: Sequence[Item | Mapping[str, Any]], day: DayLike | None = None
    ) -> list[Prediction]:
        """Return where new items would belong, as the API answers.

        >>> lake = open_lake()
        >>> lake.classify("attackers", [{"set": ["TCP/23", "TCP/2323"]}])[0].rule
        'dbscan'

        Args:
            pipeline: Name of a pipeline whose YAML has `serve`.
            items: Items such as `{"vector": [1.5, 2]}`, with features in raw units.
            day: A day; by default the newest that has an index.

        Raises:
            SpecError: An item cannot be classified, or there is no index of the day.
        """
        # Imported here, so that readers of tables do not load numpy.
        from cluster_assets.served.days import PublishedIndexes
        from cluster_assets.served.items import classify

        if self._indexes is None:
            self._indexes = PublishedIndexes(self._store, self._catalog)
        asked = None if day is None else _day(day).key
        return classify(self._indexes, pipeline, items, asked).predictions

    def find(self, pipeline: str, table: str, days: Collection[Day] | None = None) -> FoundDays:
        """Return the files of a table on those of some days that are published; by default on all.

        Raises:
            SpecError: There is no such pipeline or table.
            IntegrityError: A file of a published day is missing or damaged.
        """
        table_named(table)
        published = self._published(pipeline)
        wanted = published if days is None else sorted(set(days).intersection(published))
        if pipeline not in self._ledgers:
            self._ledgers[pipeline] = PinnedLedger(self._store, self._catalog, pipeline)
        return find_days(self._ledgers[pipeline], table, wanted)

    def _verify(self, snapshots: Iterable[TableSnapshot]) -> None:
        """Compare the files of many days with their manifests, several days at a time."""

        def verify(snapshot: TableSnapshot) -> None:
            refuse_damaged(self._store, snapshot.manifest, snapshot.data.files)

        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            list(pool.map(verify, snapshots))

    def _published(self, pipeline: str) -> tuple[Day, ...]:
        if days := self._catalog.days(pipeline, "clusters"):
            return days
        known = self.pipelines()
        raise SpecError(
            f"no days of a pipeline {pipeline!r} are published",
            remedy=f"choose one of: {', '.join(known)}"
            if known
            else "run a pipeline first: cluster-assets run",
        )


def _connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    # DuckDB creates the folder when it needs one, and removes it. CLUSTER_HOME may be somebody else's.
    spill = Path(tempfile.gettempdir(), f"cluster-assets-{uuid.uuid4().hex}")
    connection = duckdb.connect(
        config={
            "threads": settings.sql_threads,
            "memory_limit": f"{settings.sql_memory_mb}MiB",
            "temp_directory": str(spill),
        }
    )
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def _first_and_last(days: DayLike | tuple[DayLike, DayLike]) -> tuple[Day, Day]:
    ends = days if isinstance(days, tuple | list) else (days, days)
    if len(ends) != 2:
        raise SpecError(
            f"a range is its first and its last day, not {counted(len(ends), 'day')}",
            remedy='write it as ("2013-03-04", "2013-03-10"); read a single day as "2013-03-04"',
        )
    return _day(ends[0]), _day(ends[1])


def _day(given: DayLike) -> Day:
    # A datetime is a date too, and its time of day would be lost.
    if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
        return Day(given)
    return parse_day(str(given))
