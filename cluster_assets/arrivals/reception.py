"""One look at what has arrived: which runs to ask for, and what to remember."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.arrivals.announcements import Cursor
from cluster_assets.arrivals.claims import Request
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ClusterAssetsError, SourceMissingError
from cluster_assets.domain.partitions import Day
from cluster_assets.stages.standing import day_standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.arrivals.announcements import Announcements
    from cluster_assets.arrivals.claims import Claims
    from cluster_assets.backend import Backend
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.ledger import Ledger

_MOST_RUNS = 20  # of one look; the rest waits for the next
# The last stage that is made from the day's data alone; what looks back on other days is no arrival.
_OWN = "clusters"
_LONGEST_LOOK_S = 40.0  # Dagster gives a sensor 60 s


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at arrivals came to.

    Attributes:
        requests: Runs to ask Dagster for. If they are not recorded, `cursor` must not be saved.
        notes: For people: why announced days were not requested.
    """

    requests: tuple[Request, ...]
    cursor: Cursor
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reception:
    """Receives the days of a pipeline.

    Attributes:
        claims: Settles which of several daemons asks for a run.
        is_known: Whether this Dagster instance has a run of a key.
    """

    spec: PipelineSpec
    backend: Backend
    ledger: Ledger
    announcements: Announcements
    claims: Claims
    is_known: Callable[[str], bool]

    def look(self, cursor: Cursor, today: dt.date | None = None) -> Look:
        """Decide about each announced day; the earliest first.

        Args:
            cursor: What the last look remembered.
            today: The UTC date; days from it on are not over yet.

        Raises:
            QueueError: The announcements cannot be read.
        """
        announced = self.announcements.since(cursor)
        begun = time.monotonic()
        yesterday = Day((today or dt.datetime.now(dt.UTC).date()) - dt.timedelta(days=1))
        requests: list[Request] = []
        waiting: list[Day] = []
        notes: list[str] = []
        for day in sorted({*cursor.waiting, *announced.days}):
            if len(requests) == _MOST_RUNS or time.monotonic() - begun > _LONGEST_LOOK_S:
                waiting.append(day)
                continue
            decided = self._decide(day, yesterday)
            if isinstance(decided, Request):
                requests.append(decided)
                continue
            if decided.waits:
                waiting.append(day)
            notes.append(f"{day} {decided.text}")
        if announced.ignored:
            notes.append(f"{announced.ignored} messages of other objects")
        remembered = Cursor(tuple(waiting), announced.seen, announced.receipts)
        return Look(tuple(requests), remembered, tuple(notes))

    def _decide(self, day: Day, yesterday: Day) -> Request | _Note:
        if (outside := self._outside(day, yesterday)) is not None:
            return outside
        try:
            request = self._request(day)
        except SourceMissingError as error:
            return _Note(f"waits: {error.what}", waits=True)
        if request is None:
            return _Note("is computed from these inputs already", waits=False)
        if self.is_known(request.run_key):
            return _Note("is requested already", waits=False)
        if not self.claims.take(request):
            return _Note("is requested by another daemon", waits=True)
        return request

    def _outside(self, day: Day, yesterday: Day) -> _Note | None:
        last = self.spec.last_day
        if day < self.spec.first_day or (last is not None and day > last):
            return _Note("is no partition", waits=False)
        return _Note("is not over", waits=True) if day > yesterday else None

    def _request(self, day: Day) -> Request | None:
        """The run that the day needs; None when it is computed from the inputs there are."""
        try:
            standing = day_standing(self.spec, self.backend, self.ledger, day, _OWN)
        except SourceMissingError:
            raise
        except ClusterAssetsError as error:
            # Its run fails with the same error, where people see it and are told.
            return Request(self.spec.name, day, digest_of({"error": error.what}), 0)
        if standing.is_current:
            return None
        return Request(self.spec.name, day, standing.source_digest, standing.version)


@dataclass(frozen=True, slots=True)
class _Note:
    """Why a day is not requested now, and whether to look at it again."""

    text: str
    waits: bool
