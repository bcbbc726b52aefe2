"""What a day will be billed, said before anything of it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.costs import Cost, total_cost
from cluster_assets.domain.prices import AthenaPrice, LambdaPrice, billed_bytes

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.source import DaySource
    from cluster_assets.stages.stage import DayJob

SMALL_STATEMENTS = 8
"""Statements of a day that read little: each is billed as the smallest query."""

ATHENA_FORESEEN, LAMBDA_FORESEEN = "athena_usd_foreseen", "lambda_usd_foreseen"
# `raw` and `points` read the source; how much the later stages take is known from the last day.
_LATER_STAGES = ("candidates", "clusters")
_SHORT_CALL_S = 1.0


def foreseen_cost(job: DayJob, source: DaySource) -> dict[str, Metric]:
    """Dollars of the whole day, for the metadata of its first stage; zeros where nobody charges.

    Two scans of the source, from the sizes of the columns that are read, and for all that follows what the
    latest day before was billed; without one, the least there is.
    """
    engine = job.backend.engine
    if engine.name != "athena":
        return {ATHENA_FORESEEN: 0.0, LAMBDA_FORESEEN: 0.0}
    scan = engine.scan_bytes(source.relation, features.needed_columns(job.spec))
    later = _cost_of_day_before(job) or _least_cost(job)
    athena = AthenaPrice().dollars(2 * billed_bytes(scan)) + later.athena_usd
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
    """The smallest queries there are, and one short call of the worker."""
    queries = AthenaPrice().dollars(SMALL_STATEMENTS * billed_bytes(0))
    return Cost(queries, LambdaPrice().dollars(job.spec.limits.memory_mb, _SHORT_CALL_S, 1))
