"""Claims: of all daemons that see a day arrive, one asks for its run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.partitions import Day
    from cluster_assets.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class Request:
    """A run of a day that is due.

    Attributes:
        digest: Of the inputs that were found.
        after: Version of the day that was published then; 0 for none. A source that goes back to an
            earlier state, as one whose late file is withdrawn, is another request.
    """

    pipeline: str
    day: Day
    digest: str
    after: int

    @property
    def run_key(self) -> str:
        """The key by which Dagster knows the run; `pipeline/day/digest` the first time."""
        return f"{self.pipeline}/{self.day}/{self.digest}" + (f"/after-{self.after}" if self.after else "")


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Claims:
    """Takes requests for one daemon, by put-if-absent in the store that all of them share.

    A claim whose run nobody can see, because its holder died before it asked or is another Dagster
    instance, is taken over after the lease; so a day is never lost, and computed twice only by a run
    that takes longer than the lease, whose result the ledger then adopts.

    Args:
        store: The warehouse.
        lease: How long a claim is trusted.
        clock: Tells the age of claims.
    """

    def __init__(
        self, store: ObjectStore, lease: dt.timedelta, clock: Callable[[], dt.datetime] = _utc_now
    ) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock

    def take(self, request: Request) -> bool:
        """True for exactly one of those who ask for the same request within the lease."""
        folder = f"{request.pipeline}/_arrivals/{request.day.prefix}/{request.digest}-{request.after:08d}/"
        claims = list(self._store.list(folder))
        if claims and self._clock() - claims[-1].modified < self._lease:
            return False
        body = {"run_key": request.run_key, "claimed_at": self._clock().isoformat(timespec="seconds")}
        return self._store.put_if_absent(f"{folder}{len(claims) + 1:04d}.json", canonical_json(body).encode())
