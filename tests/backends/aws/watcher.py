"""A reader that polls the published day while others change it, and checks all it sees."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import duckdb
from waiting import wait_for

from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest

TABLES = {"points": "points", "members": "points", "candidates": "candidates", "clusters": "clusters"}


class Watcher:
    """Reads the tables of a day continuously, as a user of the data would.

    Attributes:
        seen: By table, the digests of the rows it had, in the order in which they were seen first.
        looks: How often it looked at all tables.
    """

    def __init__(self, pipeline: str, day: Day, folder: Path) -> None:
        self._store, catalog = open_storage(load_settings())
        self._ledger = Ledger(self._store, catalog, pipeline)
        self._day = day
        self._folder = folder
        self._known: dict[tuple[int, str], str] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self._problem: BaseException | None = None
        self.seen: dict[str, list[str]] = {table: [] for table in TABLES}
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def look(self) -> None:
        """Wait until it has looked at all tables as they are now."""
        looks = self.looks + 2  # one may be under way
        wait_for("the reader looks", lambda: self.looks >= looks or self._problem)

    def versions(self) -> dict[str, int]:
        """The published version of each stage."""
        return {stage: self._ledger.require(stage, self._day).version for stage in ("raw", *TABLES.values())}

    def tables(self) -> dict[str, str]:
        """Digest of the rows of each published table."""
        return {
            table: self._rows(table, self._ledger.require(stage, self._day))
            for table, stage in TABLES.items()
        }

    def metric(self, stage: str, name: str) -> int:
        """A number of the published day."""
        return int(self._ledger.require(stage, self._day).metrics[name])

    def _rows(self, table: str, manifest: Manifest) -> str:
        place = manifest.version, table
        if place not in self._known:
            self._known[place] = self._read(table, manifest)
        return self._known[place]

    def _read(self, table: str, manifest: Manifest) -> str:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, duckdb.connect() as connection:
            paths = []
            for number, file in enumerate(manifest.tables[table].files):
                body = self._store.read(file.key)
                assert hashlib.sha256(body).hexdigest() == file.digest
                path = Path(folder, f"{number}.parquet")
                path.write_bytes(body)
                paths.append(str(path))
            found = connection.execute(
                "SELECT * FROM read_parquet($paths) ORDER BY ALL", {"paths": paths}
            ).fetchall()
        assert len(found) == manifest.tables[table].rows
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def _poll(self) -> None:
        try:
            while not self._done.wait(0.2):
                for table, rows in self.tables().items():
                    if rows not in self.seen[table][-1:]:
                        self.seen[table].append(rows)
                self.looks += 1
        except BaseException as error:  # noqa: BLE001  # told by the thread of the test
            self._problem = error
