"""One poll of the arrivals: which runs to request, and what to remember."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.arrivals.announcements import Cursor
from cluster_assets.arrivals.claims import Request
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import Day
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ClusterAssetsError, SourceMissingError
from cluster_assets.stages.sequence import LAST_WITHOUT_DAYS_BEFORE, day_standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.arrivals.announcements import Announcements
    from cluster_assets.arrivals.claims import Claims
    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger

_MOST_RUNS = 20  # of one poll; the rest waits for the next
_LONGEST_LOOK_S = 40.0  # Dagster gives a sensor 60 s


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one poll.

    Attributes:
        requests: Runs to request from Dagster. If they are not recorded, `cursor` must not be saved.
        notes: Human-readable reasons why announced days were not requested.
    """

    requests: tuple[Request, ...]
    cursor: Cursor
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reception:
    """Decides which announced days of a pipeline need a run.

    Attributes:
        claims: Decides which of several daemons requests a run.
        is_known: Returns whether this Dagster instance has a run with a key.
        is_preview: Only show what a poll would request: claim no day and receive no message.
    """

    spec: PipelineSpec
    backend: Backend
    ledger: Ledger
    announcements: Announcements
    claims: Claims
    is_known: Callable[[str], bool]
    is_preview: bool = False

    def look(self, cursor: Cursor, today: dt.date | None = None) -> Look:
        """Decide about each announced day; the earliest first.

        Args:
            cursor: The cursor of the last poll.
            today: The UTC date; this day and later ones have not ended yet.

        Raises:
            QueueError: The announcements cannot be read.
        """
        source = self.announcements
        announced = source.preview(cursor) if self.is_preview else source.since(cursor)
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
        if announced.note:
            notes.append(announced.note)
        if announced.ignored:
            notes.append(f"{counted(announced.ignored, 'message')} of other objects")
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
        if not self.is_preview and not self.claims.take(request):
            return _Note("is requested by another daemon", waits=True)
        return request

    def _outside(self, day: Day, yesterday: Day) -> _Note | None:
        last = self.spec.last_day
        if day < self.spec.first_day or (last is not None and day > last):
            return _Note("is no partition", waits=False)
        return _Note("is not over", waits=True) if day > yesterday else None

    def _request(self, day: Day) -> Request | None:
        """Return the run that the day needs; None when it is already computed from the current inputs."""
        try:
            standing = day_standing(self.spec, self.backend, self.ledger, day, LAST_WITHOUT_DAYS_BEFORE)
        except SourceMissingError:
            raise
        except ClusterAssetsError as error:
            # The run fails with the same error, and the UI and the notifications show it.
            return Request(self.spec.name, day, digest_of({"error": error.what}), 0)
        if standing.is_current:
            return None
        return Request(self.spec.name, day, standing.source_digest, standing.version)


@dataclass(frozen=True, slots=True)
class _Note:
    """Why a day is not requested now, and whether to look at it again."""

    text: str
    waits: bool
