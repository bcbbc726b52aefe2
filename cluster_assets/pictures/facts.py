"""What pictures are drawn from: small values, gathered by whoever has the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

NOISE = -1


@dataclass(frozen=True, slots=True)
class ClusterFact:
    """One cluster of the day.

    Attributes:
        cluster: Its number within the day.
        identity: What it is called day after day; its number where nobody tells.
        entities: How many it holds.
        points: Distinct feature values among them.
    """

    cluster: int
    identity: str
    entities: int
    points: int


@dataclass(frozen=True, slots=True)
class DayFacts:
    """The clusters of a day, the largest first; and how many there are where that is too many to list.

    Attributes:
        title: What the day is called in titles: `attackers, 2013-03-04`.
        clusters: The largest, by entities, then by number.
        cluster_count: All clusters of the day.
        entities: All entities of the day, noise included.
        noise: Entities in no cluster.
    """

    title: str
    clusters: tuple[ClusterFact, ...]
    cluster_count: int
    entities: int
    noise: int

    @property
    def unlisted(self) -> int:
        """Clusters beyond the listed ones."""
        return self.cluster_count - len(self.clusters)

    @property
    def unlisted_entities(self) -> int:
        """Entities of the clusters beyond the listed ones."""
        return self.entities - self.noise - sum(cluster.entities for cluster in self.clusters)


@dataclass(frozen=True, slots=True)
class PointCloud:
    """A sample of the day's points in the plane.

    Attributes:
        positions: Shape (points, 2): longitude and latitude in degrees, or two dimensions or components.
        clusters: Cluster of each point, -1 for noise.
        weights: Entities of each point.
        axes: What the two axes are, with their units.
        is_globe: Whether positions are degrees of longitude and latitude.
        total: Points of the day, of which these are a sample.
    """

    positions: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    axes: tuple[str, str]
    is_globe: bool
    total: int


@dataclass(frozen=True, slots=True)
class TokenShares:
    """Which share of a cluster's entities show a token.

    Attributes:
        shares: Share in 0..1 by (cluster, token); what is below `least` is left out.
        least: Shares below it are not known.
    """

    shares: Mapping[tuple[int, str], float]
    least: float


@dataclass(frozen=True, slots=True)
class DayNumbers:
    """One published day in a row of days."""

    day: dt.date
    entities: int
    clusters: int
    noise: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """One day in the life of an identity.

    Attributes:
        event: What became of it: born, continued, grown, shrunk, split, merged or reappeared.
    """

    day: dt.date
    identity: str
    entities: int
    event: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Entities that went on from one identity to another one, or to itself.

    Attributes:
        start: The day they come from, one of the published days before `day`.
    """

    start: dt.date
    day: dt.date
    source: str
    target: str
    shared: int


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """Lives of clusters over some days.

    Attributes:
        days: The published days, ascending.
        stretches: Of the identities to be drawn, by day.
        passages: Between them.
        deaths: Identities that ended, with the first published day they are missing.
        identities: All that lived on these days, whether drawn or not.
    """

    title: str
    days: tuple[dt.date, ...]
    stretches: tuple[Stretch, ...]
    passages: tuple[Passage, ...]
    deaths: tuple[tuple[dt.date, str], ...]
    identities: int
