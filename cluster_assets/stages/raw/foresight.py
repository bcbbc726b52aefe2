"""Estimate of a day's cost before it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.costs import AthenaPrice, Cost, LambdaPrice, billed_bytes, total_cost
from cluster_assets.stages.points import kinds as features

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.raw.source import DaySource

SMALL_STATEMENTS = 8
"""Number of small statements per day; each is billed as the smallest query."""

ATHENA_FORESEEN, LAMBDA_FORESEEN = "athena_usd_foreseen", "lambda_usd_foreseen"
# `raw` and `points` read the source; the cost of the later stages is taken from the last day.
_LATER_STAGES = ("candidates", "clusters")
_SHORT_CALL_S = 1.0


def foreseen_cost(job: DayJob, source: DaySource) -> dict[str, Metric]:
    """Estimate the cost of the whole day in US dollars, for the metadata of its first stage; 0 if unbilled.

    The estimate is a scan of the day and one of its window, of the columns that are read, plus the cost of
    the later stages on the latest earlier day; without such a day, the smallest possible cost. The days of a
    window are taken to be as large as the day.
    """
    engine = job.backend.engine
    if engine.name != "athena":
        return {ATHENA_FORESEEN: 0.0, LAMBDA_FORESEEN: 0.0}
    scan = engine.scan_bytes(source.relation, features.needed_columns(job.spec))
    later = _cost_of_day_before(job) or _least_cost(job)
    athena = (
        AthenaPrice().dollars(billed_bytes(scan) + billed_bytes(scan * job.spec.window_days))
        + later.athena_usd
    )
    return {
        ATHENA_FORESEEN: round(athena, 9),
        LAMBDA_FORESEEN: round(later.lambda_usd, 9),
    }


def _cost_of_day_before(job: DayJob) -> Cost | None:
    earlier = [day for day in job.ledger.days(_LATER_STAGES[-1]) if day.key < job.day.key]
    if not earlier:
        return None
    manifests = [job.ledger.current(stage, earlier[-1]) for stage in _LATER_STAGES]
    return total_cost(manifest.metrics for manifest in manifests if manifest is not None)


def _least_cost(job: DayJob) -> Cost:
    """Return the cost of queries of minimum size and one short call of the worker."""
    queries = AthenaPrice().dollars(SMALL_STATEMENTS * billed_bytes(0))
    return Cost(queries, LambdaPrice().dollars(job.spec.limits.memory_mb, _SHORT_CALL_S, 1))
