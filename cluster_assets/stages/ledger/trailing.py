"""Published days before a given day, each read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.days import days_before

if TYPE_CHECKING:
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.ledger import Ledger


class TrailingDays:
    """Manifests of published days, each read once.

    The cache serves one run that goes from day to day; it does not see days that other runs republish
    meanwhile.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, Day], Manifest] = {}

    def before(
        self, ledger: Ledger, stage: str, day: Day, count: int, apart: int = 1
    ) -> tuple[Manifest, ...]:
        """Return the manifests of the last `count` published days before a day, ascending.

        Args:
            ledger: The pipeline.
            stage: The stage.
            day: The day.
            count: Maximum number of days.
            apart: Minimum number of days from each returned day to the next one, and from the last to `day`.
        """
        days: list[Day] = []
        latest = days_before(day, apart)
        for other in reversed(ledger.days(stage)):
            if len(days) < count and other <= latest and other < day:
                days.append(other)
                latest = days_before(other, apart)
        found = (self._manifest(ledger, stage, other) for other in reversed(days))
        return tuple(manifest for manifest in found if manifest is not None)

    def forget(self, stage: str, day: Day) -> None:
        """Drop a day, so that it is read again."""
        self._read.pop((stage, day), None)

    def _manifest(self, ledger: Ledger, stage: str, day: Day) -> Manifest | None:
        if (stage, day) not in self._read:
            manifest = ledger.current(stage, day)
            if manifest is None:
                return None
            self._read[stage, day] = manifest
        return self._read[stage, day]
