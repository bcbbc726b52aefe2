"""Claims: when several daemons see a day arrive, exactly one requests its run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day


@dataclass(frozen=True, slots=True)
class Request:
    """A run of a day that is due.

    Attributes:
        digest: Digest of the inputs that were found.
        after: Version of the day that was published then; 0 for none. So a source that returns to an
            earlier state, for example because a late file is withdrawn, makes a new request.
    """

    pipeline: str
    day: Day
    digest: str
    after: int

    @property
    def run_key(self) -> str:
        """Dagster's key of the run; `pipeline/day/digest` the first time."""
        return f"{self.pipeline}/{self.day}/{self.digest}" + (f"/after-{self.after}" if self.after else "")


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Claims:
    """Claims requests for one daemon, by put-if-absent in the store that all daemons share.

    After the lease, another daemon may take over a claim whose run it cannot see: the holder died before it
    requested the run, or belongs to another Dagster instance. So a day is never lost. It is computed twice
    only if a run takes longer than the lease; the ledger then adopts its result.

    Args:
        store: The warehouse.
        lease: How long a claim is valid.
        clock: Returns the current time, from which the age of a claim follows.
    """

    def __init__(
        self, store: ObjectStore, lease: dt.timedelta, clock: Callable[[], dt.datetime] = _utc_now
    ) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock

    def take(self, request: Request) -> bool:
        """Claim a request; within the lease, exactly one caller gets True."""
        folder = f"{request.pipeline}/_arrivals/{request.day.prefix}/{request.digest}-{request.after:08d}/"
        claims = list(self._store.list(folder))
        if claims and self._clock() - claims[-1].modified < self._lease:
            return False
        body = {"run_key": request.run_key, "claimed_at": self._clock().isoformat(timespec="seconds")}
        return self._store.put_if_absent(f"{folder}{len(claims) + 1:04d}.json", canonical_json(body).encode())
