"""The metrics: a row of facts for each metric of each kind of features.

The checks of the YAML, the planner and the blocks read these rows. The code that finds pairs is in
`stages/candidates/metrics/` and `lambda_worker/metrics/`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cluster_assets.spec.features import Kind

Metric = Literal[
    "jaccard", "dice", "overlap", "cosine", "euclidean", "manhattan", "chebyshev", "haversine",
    "levenshtein", "gower",
]  # fmt: skip
BlockingType = Literal["join", "cells", "blocks", "lsh"]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the ellipsoid (IUGG)."""
_HALF_WAY_ROUND = EARTH_RADIUS_M * math.pi


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a metric's threshold.

    Attributes:
        complaint: Why a threshold is refused; formatted with `metric` and `threshold`.
        most: The largest meaningful threshold.
        is_whole: Whether thresholds are integers.
        noun: What is counted; empty for a plain number.
    """

    complaint: str = ""
    most: float = math.inf
    is_whole: bool = False
    noun: str = ""

    def fits(self, threshold: float) -> bool:
        """Whether a threshold is meaningful in this unit."""
        return threshold <= self.most and (not self.is_whole or threshold.is_integer())


SHARE = Unit("a {metric} distance is between 0 and 1, not {threshold:g}; 0.4 means 60 % alike", most=1.0)
METRES = Unit(
    "{metric} is in metres; {threshold:g} is more than half the Earth's circumference",
    most=_HALF_WAY_ROUND,
    noun="metres",
)
EDITS = Unit(
    "{metric} counts edits; write an integer up to 1000, not {threshold:g}",
    most=1000,
    is_whole=True,
    noun="edits",
)
COORDINATES = Unit("a {metric} threshold beyond 1e150 overflows when squared", most=1e150)
ANGLE = Unit()  # the limit depends on the kind, see `MetricFacts.largest`


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """A metric of a kind of features.

    Attributes:
        executors: The executors that can find its pairs, if the algorithm allows it: `cells` needs few
            dimensions and an algorithm without distances, `lsh` an algorithm that may miss pairs.
        largest: Largest distance of two points.
        grid: The worker's grid of cells: by coordinates (`plane`, which can also be split into blocks), or on
            the `globe`; None if there is no grid.
        of_directions: Whether it compares only the directions of vectors.
    """

    kind: Kind
    name: Metric
    unit: Unit
    executors: tuple[BlockingType, ...]
    largest: float = math.inf
    grid: Literal["plane", "globe"] | None = None
    of_directions: bool = False


METRICS: tuple[MetricFacts, ...] = (
    MetricFacts("set", "jaccard", SHARE, ("join", "blocks", "lsh"), largest=1.0),
    MetricFacts("set", "dice", SHARE, ("join", "blocks"), largest=1.0),
    MetricFacts("set", "overlap", SHARE, ("join", "blocks"), largest=1.0),
    MetricFacts("set", "cosine", ANGLE, ("join", "blocks"), largest=1.0),
    MetricFacts("vector", "euclidean", COORDINATES, ("join", "cells", "blocks"), grid="plane"),
    MetricFacts("vector", "manhattan", COORDINATES, ("join", "cells", "blocks"), grid="plane"),
    MetricFacts("vector", "chebyshev", COORDINATES, ("join", "cells", "blocks"), grid="plane"),
    MetricFacts("vector", "cosine", ANGLE, ("join", "blocks"), largest=2.0, of_directions=True),
    MetricFacts("embedding", "cosine", ANGLE, ("blocks", "lsh"), largest=2.0, of_directions=True),
    MetricFacts("embedding", "euclidean", COORDINATES, ("blocks",)),
    # The planner may choose blocks for places, but a block cannot be split.
    MetricFacts("geo", "haversine", METRES, ("join", "cells"), grid="globe"),
    MetricFacts("text", "levenshtein", EDITS, ("join", "blocks")),
    MetricFacts("mixed", "gower", SHARE, ("join",), largest=1.0),
)


def metrics_of(kind: Kind) -> tuple[Metric, ...]:
    """Return the metrics of a kind of features; `new` writes the first one by default.

    >>> metrics_of("embedding")
    ('cosine', 'euclidean')
    """
    return tuple(metric.name for metric in METRICS if metric.kind == kind)


def metric_of(kind: Kind, name: Metric) -> MetricFacts:
    """Return the facts of a metric.

    Raises:
        KeyError: The kind has no such metric.
    """
    return _BY_NAME[kind, name]


def unit_of(name: Metric) -> Unit:
    """Return the unit of a metric, which is the same for all kinds."""
    return next(metric.unit for metric in METRICS if metric.name == name)


_BY_NAME = {(metric.kind, metric.name): metric for metric in METRICS}
