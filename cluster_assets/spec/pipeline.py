"""The YAML of a pipeline as pydantic models: the public contract, with lineage, profiles and limits.

Metrics are in `spec/metrics.py`, algorithms in `spec/algorithm.py`, feature kinds in `spec/features.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from cluster_assets.domain.costs import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.domain.days import Day, days_until, parse_day
from cluster_assets.spec.algorithm import Algorithm, SklearnByName
from cluster_assets.spec.arrivals import Arrivals, marker_in_folder
from cluster_assets.spec.base import DayText, Part, RowExpression, at_most_days
from cluster_assets.spec.checks import Checks
from cluster_assets.spec.distance import (
    AutoBlocking,
    Blocking,
    BlocksBlocking,
    Distance,
    LshBlocking,
)
from cluster_assets.spec.features import Features, Geo, Kind, MixedFeature, MixedKind, Scale, TokenLimits
from cluster_assets.spec.fitting import blockings_of, can_explore, check_fits
from cluster_assets.spec.metrics import Metric, metric_of, metrics_of
from cluster_assets.spec.notify import Notify  # noqa: TC001  # pydantic reads the annotation
from cluster_assets.spec.publish import Publish, Published
from cluster_assets.spec.serve import Serve  # noqa: TC001  # pydantic reads the annotation
from cluster_assets.spec.source.csv_files import Csv
from cluster_assets.spec.source.raw import Raw

# Dagster compares the versions of fewer than 100 upstream partitions.
_LONGEST_WINDOW = 90


class Window(Part):
    """The rows that a day clusters: those of the days that end with it."""

    days: int = Field(
        ge=2, le=_LONGEST_WINDOW, description="Number of days whose rows are clustered, the day included"
    )
    min_days: int = Field(
        1, ge=1, le=_LONGEST_WINDOW, description="A day fails if fewer days of its window have rows"
    )
    reuse: bool | None = Field(
        None,
        description="Whether pairs of values that were in the window of the day before are taken from there; "
        "default: where that is cheaper",
    )

    _are_in_the_window = field_validator("min_days")(at_most_days)


class Lineage(Part):
    """How clusters are tracked from day to day.

    The thresholds follow MONIC (Spiliopoulou et al., KDD 2006), but count only entities that occur on both
    days, because absent entities say nothing about what happened to a cluster.
    """

    gap_days: int = Field(
        7,
        ge=1,
        le=31,
        description="Maximum days between a day and the previous published day, and maximum absence of a "
        "cluster that reappears",
    )
    match: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A cluster inherits an id if at least this share of the returning entities of one of the "
        "two clusters is in the other",
    )
    part: float = Field(
        0.25, gt=0, le=1, description="Share of the returning entities that makes a split or a merger"
    )
    growth: float = Field(
        0.2, ge=0, lt=1, description="A larger relative change of size is reported as grown or shrunk"
    )
    features: bool = Field(
        True, description="Whether to recognize clusters without returning entities by their feature values"
    )
    similar: float = Field(
        0.5, gt=0, le=1, description="Minimum overlap of feature values to recognize a cluster"
    )


class Profiles(Part):
    """How clusters are described. Measures from samples are marked."""

    exemplars: int = Field(
        5, ge=1, le=100, description="Number of entities that show the extent of a cluster"
    )
    features: int = Field(
        10,
        ge=1,
        le=1000,
        description="Number of tokens, texts or dimensions that distinguish each cluster from the day",
    )
    medoid_points: int = Field(
        2000,
        ge=2,
        le=20_000,
        description="Points of a cluster that find its medoid; larger clusters are sampled; fewer points if "
        "the worker's memory requires it",
    )
    silhouette_points: int = Field(
        4000,
        ge=4,
        le=20_000,
        description="Clustered points of a day for silhouettes; larger days are sampled; fewer points if "
        "the worker's memory requires it",
    )


__all__ = [
    "Algorithm",
    "Arrivals",
    "Blocking",
    "BlocksBlocking",
    "Csv",
    "Distance",
    "Features",
    "Freshness",
    "Geo",
    "Kind",
    "Limits",
    "Lineage",
    "LshBlocking",
    "Metric",
    "MixedFeature",
    "MixedKind",
    "PipelineSpec",
    "Raw",
    "Scale",
    "Schedule",
    "TokenLimits",
    "Window",
]

# Accept only owners that Dagster accepts; otherwise it would refuse all pipelines.
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def _check_owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError(f"{text!r} is not an owner; write team:name or an e-mail address")
    return text


class Schedule(Part):
    """Time at which the previous day is materialized, in UTC."""

    hour_of_day: int = Field(ge=0, le=23)
    minute_of_hour: int = Field(0, ge=0, le=59)


class Freshness(Part):
    """Deadline of a day."""

    within_hours: float = Field(
        gt=0, le=168, description="Hours after the end of a day (UTC) by which its clusters must be published"
    )


class Limits(Part):
    """Limits of a day; exceeding one stops the day with an error."""

    memory_mb: int = Field(
        1769, ge=LAMBDA_MEMORY_MB[0], le=LAMBDA_MEMORY_MB[1], description="Memory of a worker"
    )
    timeout_s: int = Field(900, ge=1, le=LAMBDA_MAX_TIMEOUT_S, description="Timeout of a worker invocation")
    max_concurrency: int = Field(100, ge=1, le=10_000, description="Maximum concurrent worker invocations")
    max_pairs: int = Field(2_000_000_000, ge=1, description="Maximum candidate pairs of a day")
    max_scan_bytes: int = Field(1_000_000_000_000, ge=10_000_000, description="Maximum source bytes of a day")


class PipelineSpec(Part):
    """One pipeline: the `attributes` of its YAML."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    description: str = ""
    owners: list[Annotated[str, AfterValidator(_check_owner)]] = Field(
        default_factory=list, description="team:name or an e-mail address"
    )
    start_date: DayText = Field(description="First daily partition")
    end_date: DayText | None = Field(None, description="Last daily partition; default: none")
    raw: Raw
    entity: RowExpression = Field(
        description="Expression of the entity: each distinct non-null value of a day is one entity"
    )
    window: Window | None = Field(
        None, description="Cluster the rows of several days that end with the day; default: of the day alone"
    )
    features: Features
    on_invalid: Literal["fail", "exclude"] = Field(
        "fail",
        description="What to do with entities without a defined distance; excluded entities are counted",
    )
    distance: Distance | None = Field(
        None, validate_default=True, description="Omit it only for algorithms that need no pairs"
    )
    algorithm: Algorithm
    blocking: Blocking = Field(default_factory=AutoBlocking)
    schedule: Schedule | None = None
    arrivals: Arrivals | None = None
    freshness: Freshness | None = Field(
        None, description="Default with a schedule: six hours after the scheduled time"
    )
    limits: Limits = Field(default_factory=Limits)
    lineage: Lineage = Field(default_factory=Lineage)
    profiles: Profiles = Field(default_factory=Profiles)
    checks: Checks = Field(default_factory=Checks)
    serve: Serve | None = Field(
        None, description="Whether to build the index that lookups and classification answer from"
    )
    publish: Published = Field(
        default_factory=Publish,
        description="Where the tables go besides the warehouse; an asset for each target",
    )
    notify: Notify | None = Field(None, description="Which events of a day are reported, and to whom")

    # Validators of fields, not of the model, so that an error has the line of its key. A part that is invalid
    # is not in `info.data`.
    @field_validator("end_date")
    @classmethod
    def _ends_after_its_start(cls, end: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end < start:
            raise ValueError(f"end_date {end} is before start_date {start}")
        return end

    @field_validator("raw")
    @classmethod
    def _is_of_its_day(cls, raw: Raw, info: ValidationInfo) -> Raw:
        for name in ("start_date", "end_date"):
            date = info.data.get(name)
            if raw.fixed_day is not None and date is not None and date != raw.fixed_day:
                raise ValueError(
                    f"fixed_day {raw.fixed_day} is the only day; write {name}: {raw.fixed_day}, not {date}"
                )
        return raw

    @field_validator("window")
    @classmethod
    def _has_several_days(cls, window: Window | None, info: ValidationInfo) -> Window | None:
        raw = info.data.get("raw")
        if window is not None and raw is not None and raw.fixed_day is not None:
            raise ValueError(f"raw.fixed_day {raw.fixed_day} is the only day; remove window")
        return window

    @field_validator("distance")
    @classmethod
    def _fits_the_features(cls, distance: Distance | None, info: ValidationInfo) -> Distance | None:
        features = info.data.get("features")
        if distance is None:
            return None
        if features is not None and distance.metric not in metrics_of(features.kind):
            raise ValueError(
                f"distance.metric {distance.metric} does not fit features.{features.kind}; "
                f"use {' or '.join(metrics_of(features.kind))}"
            )
        if features is not None:
            largest = metric_of(features.kind, distance.metric).largest
            if distance.threshold > largest:
                raise ValueError(
                    f"a {distance.metric} distance is between 0 and {largest:g}, not {distance.threshold:g}"
                )
        return distance

    @field_validator("algorithm", mode="before", json_schema_input_type=Algorithm | SklearnByName)
    @classmethod
    def _sklearn_by_its_name(cls, algorithm: Any) -> Any:
        """`sklearn: {class: …}` is short for `type: sklearn, class: …`."""
        if (
            isinstance(algorithm, dict)
            and set(algorithm) == {"sklearn"}
            and isinstance(algorithm["sklearn"], dict)
        ):
            return {"type": "sklearn", **algorithm["sklearn"]}
        return algorithm

    @field_validator("algorithm")
    @classmethod
    def _works_on_the_features(cls, algorithm: Algorithm, info: ValidationInfo) -> Algorithm:
        features = info.data.get("features")
        if features is not None and "distance" in info.data:
            check_fits(algorithm, features.kind, info.data["distance"])
        return algorithm

    @field_validator("blocking")
    @classmethod
    def _can_be_done(cls, blocking: Blocking, info: ValidationInfo) -> Blocking:
        features, distance, algorithm = (
            info.data.get(name) for name in ("features", "distance", "algorithm")
        )
        if features is None or distance is None or algorithm is None:
            return blocking
        possible = blockings_of(features, distance, algorithm)
        if blocking.type != "auto" and blocking.type not in possible:
            raise ValueError(
                f"blocking.type {blocking.type} does not support {distance.metric} of a {features.kind} for "
                f"{algorithm.type}; use auto, {', '.join(possible)}"
            )
        return blocking

    @field_validator("arrivals")
    @classmethod
    def _has_a_marker(cls, arrivals: Arrivals | None, info: ValidationInfo) -> Arrivals | None:
        raw = info.data.get("raw")
        if arrivals is None or arrivals.marker is not None or raw is None:
            return arrivals
        if marker_in_folder(raw.files, raw.layout) is None:
            raise ValueError(
                "no folder of raw.files is named after the day; write arrivals.marker, such as "
                "data/{day}/_SUCCESS"
            )
        return arrivals

    @field_validator("checks")
    @classmethod
    def _can_suggest(cls, checks: Checks, info: ValidationInfo) -> Checks:
        algorithm = info.data.get("algorithm")
        if checks.suggestion is not None and algorithm is not None and not can_explore(algorithm):
            raise ValueError(
                f"suggestion explores thresholds of dbscan, connected_components and single_linkage, not of "
                f"{algorithm.type}; remove it"
            )
        return checks

    @property
    def first_day(self) -> Day:
        """The first daily partition."""
        return parse_day(self.start_date)

    @property
    def last_day(self) -> Day | None:
        """The last daily partition; None if there is no end."""
        last = self.end_date or self.raw.fixed_day
        return parse_day(last) if last else None

    @property
    def window_days(self) -> int:
        """Number of days whose rows a day clusters; 1 without a window."""
        return 1 if self.window is None else self.window.days

    def window_of(self, day: Day) -> tuple[Day, ...]:
        """Return the partitions whose rows a day clusters, ascending; the last one is the day itself.

        The first days of a pipeline have fewer.
        """
        return tuple(one for one in days_until(day, self.window_days) if one == day or one >= self.first_day)

    @property
    def near(self) -> Distance:
        """The distance of a pipeline whose algorithm works on pairs.

        Raises:
            TypeError: The pipeline has no distance.
        """
        if self.distance is None:
            raise TypeError(f"{self.name} has no distance: {self.algorithm.type} works on points only")
        return self.distance

    def part(self, *names: str) -> dict[str, Any]:
        """Return the named attributes as plain JSON, for the digest of a stage's inputs."""
        return self.model_dump(mode="json", include=set(names))
