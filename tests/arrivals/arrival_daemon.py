"""A small pipeline over one folder a day, each with a marker."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from cluster_assets.arrivals.announcements import Announced, Cursor
from cluster_assets.arrivals.claims import Claims
from cluster_assets.arrivals.reception import Reception
from cluster_assets.domain.days import Day, parse_day
from cluster_assets.opening import open_announcements
from cluster_assets.settings import load_settings
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.arrivals.announcements import Announcements
    from cluster_assets.arrivals.reception import Look
    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec

ATTRIBUTES: dict[str, Any] = {
    "name": "visits",
    "start_date": "2026-01-01",
    "entity": "id",
    "features": {"vector": ["max(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
}


@dataclass
class Lake:
    """Folders `day=D` with one file each and a marker."""

    folder: Path

    def write(self, day: str, name: str = "a", *, rows: int = 6) -> None:
        """Data of a day, whose marker is not written yet."""
        folder = self.folder / f"day={day}"
        folder.mkdir(parents=True, exist_ok=True)
        query = f"SELECT '{name}' || i AS id, (i % 3)::DOUBLE AS x FROM range({rows}) AS t(i)"
        duckdb.execute(f"COPY ({query}) TO '{folder}/{name}.parquet' (FORMAT parquet)")

    def mark(self, day: str) -> None:
        """Write the marker, once more if it is there."""
        marker = self.folder / f"day={day}" / "_SUCCESS"
        before = marker.stat().st_mtime_ns if marker.exists() else 0
        marker.touch()
        if marker.stat().st_mtime_ns <= before:  # a clock too coarse for a test
            os.utime(marker, ns=(before + 1, before + 1))


class Daemon:
    """A daemon of its own: what it remembers, and the runs it recorded."""

    def __init__(
        self, spec: PipelineSpec, backend: Backend, announcements: Announcements | None = None
    ) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)
        self.announcements = announcements or open_announcements(load_settings(), spec)
        self.cursor = Cursor()
        self.run_keys: set[str] = set()
        self.lease = dt.timedelta(minutes=15)
        self.clock = lambda: dt.datetime.now(dt.UTC)

    def look(self, today: str = "2026-02-01", *, is_preview: bool = False) -> Look:
        """Look, and neither record the runs nor remember: as if killed then."""
        reception = Reception(
            self.spec,
            self.backend,
            self.ledger,
            self.announcements,
            Claims(self.backend.store, self.lease, self.clock),
            self.run_keys.__contains__,
            is_preview,
        )
        return reception.look(self.cursor, dt.date.fromisoformat(today))

    def record(self, look: Look) -> list[str]:
        """Record runs, then remember, as Dagster does; the days that are to be run."""
        new = [request for request in look.requests if request.run_key not in self.run_keys]
        self.run_keys |= {request.run_key for request in new}
        self.cursor = look.cursor
        return [request.day.key for request in new]

    def tick(self, today: str = "2026-02-01") -> list[str]:
        """A whole tick; the days it asked for."""
        return self.record(self.look(today))

    def run(self, *days: str) -> None:
        """The runs, as far as a day depends on its own data."""
        for day in days:
            job = DayJob(self.spec, self.backend, self.ledger, parse_day(day))
            for stage in STAGES[: STAGE_NAMES.index("clusters") + 1]:
                run_day(stage, job)

    def computed(self, stage: str, day: str) -> int:
        """How often a day of a stage was computed."""
        return len(list(self.ledger.history(stage, parse_day(day))))


class Announcer:
    """Announces what a test puts in, again and in any order until a cursor without a crash was saved."""

    def __init__(self) -> None:
        self.days: list[Day] = []

    def since(self, cursor: Cursor) -> Announced:
        return Announced(frozenset(self.days))

    def preview(self, cursor: Cursor) -> Announced:
        return self.since(cursor)
