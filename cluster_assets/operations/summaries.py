"""Summaries of days: input, result and cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.costs import total_cost
from cluster_assets.stages.day.audit import recorded_outcomes
from cluster_assets.stages.ledger.published import published_day
from cluster_assets.stages.profiles.stage import LARGEST_CLUSTERS
from cluster_assets.stages.raw.foresight import ATHENA_FORESEEN, LAMBDA_FORESEEN
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.operations.publications import Publications
    from cluster_assets.stages.ledger.ledger import Ledger
    from cluster_assets.stages.outdated import Present

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
        excluded: Entities that were excluded because they have no defined distance.
        noise_ratio: Noise entities per entity, 0..1.
        seconds: Wall time of all stages when they were computed.
        athena_usd: Price of the queries; this and the next two are 0 on a laptop.
        lambda_usd: Price of the worker invocations.
        cost_usd: Sum of both.
        foreseen_usd: The estimate made before the day was computed.
        warnings: Checks that failed when the day was published.
        checks: The outcome of every check at that time, by stage.
        contested_merges: Merges whose order is arbitrary; None for algorithms that do not count them.
        largest_clusters: The largest clusters with name, stable id, number, entities, share and day of birth.
        stale: Why a backfill would run the day: what the current YAML would compute differently, and which
            targets lack its newest version.
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
    contested_merges: int | None = None
    largest_clusters: tuple[Mapping[str, Any], ...] = ()
    stale: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        return asdict(self) | {"day": self.day.key}


def summarize_day(
    ledger: Ledger, day: Day, present: Present | None = None, publications: Publications | None = None
) -> DaySummary:
    """Summarize a published day.

    Args:
        ledger: The pipeline.
        day: The day.
        present: The inputs that the day would have now, to find out whether it is stale.
        publications: The recorded publications of the day, for the same purpose.

    Raises:
        UpstreamMissingError: The day has no clusters yet.
    """
    manifests = published_day(ledger, day)
    points, candidates, clusters = (manifests[stage] for stage in ("points", "candidates", "clusters"))
    stages = tuple(manifests.values())
    cost = total_cost(stage.metrics for stage in stages)
    raw = manifests["raw"].metrics if "raw" in manifests else {}
    later = {
        stage.name: ledger.current(stage.name, day)
        for stage in STAGES
        if stage.describes_clusters and stage.tables
    }
    checks = {name: recorded_outcomes(one) for name, one in {**manifests, **later}.items() if one is not None}
    contested = clusters.metrics.get("contested_merges")
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
        contested_merges=None if contested is None else int(contested),
        largest_clusters=_largest(later.get("profiles"), clusters),
        stale=(
            *(present.changes(manifests) if present is not None else ()),
            *(publications.missing(ledger, day) if publications is not None else ()),
        ),
    )


def _largest(profiles: Manifest | None, clusters: Manifest) -> tuple[Mapping[str, Any], ...]:
    """Return what profiles of the published clusters say; nothing if there are none."""
    if profiles is None or profiles.inputs.get("clusters") != clusters.content_digest:
        return ()
    return tuple(json.loads(str(profiles.metrics.get(LARGEST_CLUSTERS, "[]"))))


def _metric(manifest: Manifest, name: str) -> Metric:
    return manifest.metrics[name]
