"""One line per day: what went in, what came out, what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.stages.published import published_day

if TYPE_CHECKING:
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
    "cost_usd",
)


@dataclass(frozen=True, slots=True)
class DaySummary:
    """A published day of a pipeline.

    Attributes:
        excluded: Entities left out because no distance is defined for them.
        noise_ratio: Noise entities per entity, 0..1.
        seconds: Wall time of all stages when they were computed.
        cost_usd: What the cloud charged; 0 on a laptop.
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
    cost_usd: float

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
        cost_usd=round(sum(float(stage.metrics.get("cost_usd", 0.0)) for stage in stages), 6),
    )


def _metric(manifest: Manifest, name: str) -> Metric:
    return manifest.metrics[name]
