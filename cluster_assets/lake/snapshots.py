"""The published days of a table, each in the version that belongs to the clusters of its day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SpecError, UpstreamMissingError
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.snapshots import PARALLEL_READS, TableSnapshot, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest

_MOST_DAYS_NAMED = 10


class PinnedLedger(Ledger):
    """A ledger that shows each day as it was at the first look.

    All tables of a day then belong to the same clusters, even if a run publishes the day again between two
    reads.
    """

    def __init__(self, store: ObjectStore, catalog: Catalog, pipeline: str) -> None:
        super().__init__(store, catalog, pipeline)
        self._pinned: dict[tuple[str, Day], Manifest] = {}

    def require(self, stage: str, day: Day) -> Manifest:
        """Return the manifest of the first look; see `Ledger.require`."""
        pinned = self._pinned.get((stage, day))
        if pinned is None:
            pinned = self._pinned.setdefault((stage, day), super().require(stage, day))
        return pinned


@dataclass(frozen=True, slots=True)
class FoundDays:
    """A table on some published days.

    Attributes:
        snapshots: The days that have it, ascending.
        refusal: Why the first of the other days cannot have it; None for days that can be completed.
    """

    snapshots: Mapping[Day, TableSnapshot]
    refusal: SpecError | None


def find_days(ledger: Ledger, table: str, days: Sequence[Day]) -> FoundDays:
    """Look for a table on published days, several at a time; its files are not read.

    Args:
        ledger: The pipeline.
        table: One of `TABLES`.
        days: Ascending.

    Raises:
        IntegrityError: A manifest or a file of a published day is missing or damaged.
    """
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        found = dict(zip(days, pool.map(partial(_find_day, ledger, table), days), strict=True))
    refusals = (one for one in found.values() if isinstance(one, SpecError))
    snapshots = {day: one for day, one in found.items() if isinstance(one, TableSnapshot)}
    return FoundDays(snapshots, next(refusals, None))


def days_missing(
    pipeline: str, table: str, days: Sequence[Day], published: Sequence[Day]
) -> UpstreamMissingError:
    """Return the error about days without a table, which says which days are published; both ascending."""
    named = ", ".join(day.key for day in days[:_MOST_DAYS_NAMED])
    more = f" and {len(days) - _MOST_DAYS_NAMED:,} more" if len(days) > _MOST_DAYS_NAMED else ""
    return UpstreamMissingError(
        f"{counted(len(days), 'day has', 'days have')} no published {table}: {named}{more}",
        where=f"{pipeline}; {counted(len(published), 'day is', 'days are')} published, {published[0]} to "
        f"{published[-1]}",
        remedy=f"compute them: cluster-assets backfill {pipeline} --from {days[0]} --to {days[-1]}; or leave "
        'them out of a range: missing="skip"',
    )


def _find_day(ledger: Ledger, table: str, day: Day) -> TableSnapshot | SpecError | None:
    try:
        return read_snapshot(ledger, table, day, verify=False)
    except SpecError as error:
        return error
    except UpstreamMissingError:
        return None
