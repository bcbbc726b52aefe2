"""The small values from which pictures are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from lambda_worker.contract.sketches import DistanceBin, Merge

NOISE = -1
MIXED = -2
"""The cluster of a branch that has points of several clusters."""


@dataclass(frozen=True, slots=True)
class ClusterFact:
    """One cluster of the day.

    Attributes:
        cluster: Its number within the day.
        identity: Its stable id; its number if it has no stable id.
        entities: How many it holds.
        points: Distinct feature values among them.
        name: What distinguishes it; empty if it has no name.
    """

    cluster: int
    identity: str
    entities: int
    points: int
    name: str = ""

    @property
    def label(self) -> str:
        """The text that pictures show."""
        return self.name or self.identity


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
        has_scale: Whether the numbers on the axes mean something.
        name: Of the picture.
        title: Of the picture.
    """

    positions: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    axes: tuple[str, str]
    is_globe: bool
    total: int
    has_scale: bool = True
    name: str = "map"
    title: str = "Where the clusters lie"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the worker measured between the points of a sample.

    Attributes:
        clusters: Cluster of each point, -1 for noise.
        histogram: Bins of the distances of all pairs, ascending; empty for fewer than two points.
        merges: The hierarchy of the points, by height; empty if the algorithm has none.
        threshold: The distance of near points, 0 for none.
        distance: Name of the distance, with its unit.
        total: Points of the day.
    """

    clusters: tuple[int, ...]
    histogram: tuple[DistanceBin, ...]
    merges: tuple[Merge, ...]
    threshold: float
    distance: str
    total: int

    @property
    def described(self) -> str:
        """Say how many points they are, and whether these are all."""
        shown = len(self.clusters)
        if shown == self.total:
            return f"all {counted(shown, 'point')}"
        return f"a sample of {shown:,} of {counted(self.total, 'point')}"


@dataclass(frozen=True, slots=True)
class Branch:
    """A cluster of a condensed tree.

    Attributes:
        number: Its number; the root has the lowest one.
        parent: The branch that it was split from; -1 for the root.
        distance: Distance at which it begins.
        entities: Its entities there.
        leavers: Bin of the distance and entities that leave it there; bin 0 has the largest distances.
        cluster: Cluster of the day, `NOISE` or `MIXED`.
    """

    number: int
    parent: int
    distance: float
    entities: int
    leavers: tuple[tuple[int, int], ...]
    cluster: int


@dataclass(frozen=True, slots=True)
class CondensedTree:
    """The largest clusters of HDBSCAN's tree, by number.

    Attributes:
        farthest: Largest distance, where bin 0 begins.
        nearest: Distance where the last bin ends; smaller ones are in it too.
        bins: Bins of equal ratio between both.
    """

    branches: tuple[Branch, ...]
    farthest: float
    nearest: float
    bins: int


@dataclass(frozen=True, slots=True)
class ReachabilityPlot:
    """A sample of the steps of OPTICS in order: reachability, None at the start of a run, and cluster."""

    steps: tuple[tuple[float | None, int], ...]


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
class ShareMove:
    """The share of a value today, and its mean on the days before."""

    label: str
    today: float
    before: float


@dataclass(frozen=True, slots=True)
class DriftFacts:
    """A feature that drifted.

    Attributes:
        feature: Its name, or its expression.
        days: Number of earlier days that it was compared with.
        moves: The values that moved most.
    """

    feature: str
    days: int
    moves: tuple[ShareMove, ...]


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
        names: Names by identity, of those that live or died recently.
    """

    title: str
    days: tuple[dt.date, ...]
    stretches: tuple[Stretch, ...]
    passages: tuple[Passage, ...]
    deaths: tuple[tuple[dt.date, str], ...]
    identities: int
    names: Mapping[str, str] = field(default_factory=dict)

    def label(self, identity: str) -> str:
        """Return the text that pictures show."""
        return self.names.get(identity) or identity
