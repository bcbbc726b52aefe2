"""One line per day: what went in, what came out, what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.costs import total_cost
from cluster_assets.stages.checks import recorded_outcomes
from cluster_assets.stages.foresight import ATHENA_FORESEEN, LAMBDA_FORESEEN
from cluster_assets.stages.published import published_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger

COLUMNS = (
    "rows",
    "entities",
    "excluded",
    "points",
    "pairs",
    "clusters",
    "noise",
    "noise_ratio",
    "bytes_scanned",
    "seconds",
    "athena_usd",
    "lambda_usd",
    "cost_usd",
    "foreseen_usd",
    "warnings",
)


@dataclass(frozen=True, slots=True)
class DaySummary:
    """A published day of a pipeline.

    Attributes:
        excluded: Entities left out because no distance is defined for them.
        noise_ratio: Noise entities per entity, 0..1.
        seconds: Wall time of all stages when they were computed.
        athena_usd: What the queries were billed; 0 on a laptop, as the following are.
        lambda_usd: What the worker was billed.
        cost_usd: Both together.
        foreseen_usd: What was expected before the day was computed.
        warnings: Checks that failed when the day was published.
        checks: What every check found then, by stage.
    """

    pipeline: str
    day: Day
    rows: int
    entities: int
    excluded: int
    points: int
    pairs: int
    clusters: int
    noise: int
    noise_ratio: float
    bytes_scanned: int
    seconds: float
    athena_usd: float
    lambda_usd: float
    cost_usd: float
    foreseen_usd: float
    warnings: int
    checks: Mapping[str, tuple[CheckOutcome, ...]]

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self) | {"day": self.day.key}


def summarize_day(ledger: Ledger, day: Day) -> DaySummary:
    """Sum up a published day.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
    """
    manifests = published_day(ledger, day)
    points, candidates, clusters = (manifests[stage] for stage in ("points", "candidates", "clusters"))
    stages = tuple(manifests.values())
    cost = total_cost(stage.metrics for stage in stages)
    raw = manifests["raw"].metrics if "raw" in manifests else {}
    later = {name: ledger.current(name, day) for name in ("lineage", "profiles")}
    checks = {name: recorded_outcomes(one) for name, one in {**manifests, **later}.items() if one is not None}
    return DaySummary(
        pipeline=ledger.pipeline,
        day=day,
        rows=int(_metric(points, "rows")),
        entities=int(_metric(clusters, "entities")),
        excluded=int(_metric(points, "excluded")),
        points=points.tables["points"].rows,
        pairs=candidates.tables["candidates"].rows,
        clusters=int(_metric(clusters, "clusters")),
        noise=int(_metric(clusters, "noise")),
        noise_ratio=float(_metric(clusters, "noise_ratio")),
        bytes_scanned=sum(int(_metric(stage, "bytes_scanned")) for stage in stages),
        seconds=round(sum(float(_metric(stage, "seconds")) for stage in stages), 3),
        athena_usd=round(cost.athena_usd, 9),
        lambda_usd=round(cost.lambda_usd, 9),
        cost_usd=round(cost.total_usd, 9),
        foreseen_usd=round(sum(float(raw.get(name, 0.0)) for name in (ATHENA_FORESEEN, LAMBDA_FORESEEN)), 9),
        warnings=sum(not outcome.passed for outcomes in checks.values() for outcome in outcomes),
        checks=checks,
    )


def _metric(manifest: Manifest, name: str) -> Metric:
    return manifest.metrics[name]
