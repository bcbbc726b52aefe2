"""Days of lineage that are missing, or that were computed from an outdated state of earlier days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.stages.lineage.memory import STAGE, recall
from cluster_assets.stages.lineage.stage import inputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger

MISSING = "missing"
_REASONS = {
    "clusters": "its clusters were computed again",
    "previous": "another day lies before it now",
    "known": "ids of the day before changed",
    "remembered": "clusters of a day before were computed again",
    "spec": "the pipeline's `lineage` says otherwise now",
    "sql": "another version computed it",
}


@dataclass(frozen=True, slots=True)
class StaleDay:
    """A day whose lineage is missing or outdated.

    Attributes:
        reason: The reason in words; `missing` if the day has no lineage yet.
    """

    day: Day
    reason: str


def stale_days(ledger: Ledger, spec: PipelineSpec, days: Sequence[Day] | None = None) -> tuple[StaleDay, ...]:
    """Return the days with clusters whose lineage is missing or outdated, ascending.

    Of days that depend on each other only the first is returned; those after it may turn out to be current.

    Args:
        ledger: The pipeline; a `ListedLedger` if the days are many.
        spec: The pipeline.
        days: Published days to look at, ascending; all by default.

    Raises:
        IntegrityError: A manifest is damaged.
    """
    found = []
    for day in ledger.days("clusters") if days is None else days:
        reason = _stale(ledger, spec, day)
        if reason:
            found.append(StaleDay(day, reason))
    return tuple(found)


def _stale(ledger: Ledger, spec: PipelineSpec, day: Day) -> str | None:
    lineage, clusters = ledger.current(STAGE, day), ledger.current("clusters", day)
    if lineage is None or clusters is None:
        return MISSING
    changed = lineage.changed_inputs(inputs_of(spec, clusters, recall(ledger, spec, day)))
    return "; ".join(_REASONS[name] for name in changed) or None
