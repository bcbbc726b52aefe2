"""What a pipeline's YAML may say: the public contract, as pydantic models.

A new metric or algorithm is an addition in `distance_spec`, a new feature kind one in `feature_spec`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cluster_assets.algorithm_spec import Algorithm, check_fits
from cluster_assets.arrivals_spec import Arrivals, marker_in_folder
from cluster_assets.checks_spec import Checks
from cluster_assets.distance_spec import (
    LARGEST,
    METRICS_OF,
    AutoBlocking,
    Blocking,
    BlocksBlocking,
    Distance,
    LshBlocking,
    Metric,
    blockings_of,
)
from cluster_assets.domain.limits import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.domain.partitions import Day, parse_day
from cluster_assets.expressions import check_predicate, check_table_name, check_type
from cluster_assets.feature_spec import Features, Geo, Kind, MixedFeature, MixedKind, Scale, TokenLimits
from cluster_assets.lineage_spec import Lineage
from cluster_assets.profiles_spec import Profiles
from cluster_assets.spec_types import ColumnName, DayText, Part, RowExpression

__all__ = [
    "METRICS_OF",
    "Algorithm",
    "Arrivals",
    "Blocking",
    "BlocksBlocking",
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
]

# As Dagster accepts them; else it would refuse all pipelines together.
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def _check_owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError(f"{text!r} is no owner; write team:name or an e-mail address")
    return text


class Raw(Part):
    """Where the source rows are, and which of them belong to a day."""

    files: str | None = Field(
        None,
        min_length=1,
        description="Path or glob of Parquet, CSV or JSON-lines files, also gzipped; "
        "${NAME} and ${NAME:-default} stand for environment variables",
    )
    table: Annotated[str, AfterValidator(check_table_name)] | None = Field(
        None, description="A table the engine knows, as schema.table"
    )
    time_column: ColumnName | None = Field(
        None, description="The day of a row is the UTC date of this column"
    )
    partition_column: ColumnName | None = Field(
        None, description="A column or Hive partition that holds the day as YYYY-MM-DD"
    )
    columns: dict[ColumnName, Annotated[str, AfterValidator(check_type)]] = Field(
        default_factory=dict, description="Columns that must be there, with their types"
    )
    where: Annotated[str, AfterValidator(check_predicate)] | None = Field(
        None, description="SQL predicate that rows must meet"
    )

    @model_validator(mode="after")
    def _one_source_one_day(self) -> Raw:
        if (self.files is None) == (self.table is None):
            raise ValueError("give exactly one of files and table")
        if (self.time_column is None) == (self.partition_column is None):
            raise ValueError("give exactly one of time_column and partition_column")
        return self


class Schedule(Part):
    """When the day before is materialized, UTC."""

    hour_of_day: int = Field(ge=0, le=23)
    minute_of_hour: int = Field(0, ge=0, le=59)


class Freshness(Part):
    """When a day is late."""

    within_hours: float = Field(
        gt=0, le=168, description="Hours after the end of a day, UTC, by which its clusters must be there"
    )


class Limits(Part):
    """What one day may use before it is stopped with a clear error."""

    memory_mb: int = Field(1769, ge=LAMBDA_MEMORY_MB[0], le=LAMBDA_MEMORY_MB[1], description="Of one worker")
    timeout_s: int = Field(900, ge=1, le=LAMBDA_MAX_TIMEOUT_S, description="Of one worker invocation")
    max_concurrency: int = Field(100, ge=1, le=10_000, description="Worker invocations at a time")
    max_pairs: int = Field(2_000_000_000, ge=1, description="Candidate pairs of a day")
    max_scan_bytes: int = Field(1_000_000_000_000, ge=10_000_000, description="Source bytes of a day")


class PipelineSpec(Part):
    """One pipeline: the `attributes` of its YAML."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    description: str = ""
    owners: list[Annotated[str, AfterValidator(_check_owner)]] = Field(
        default_factory=list, description="team:name or an e-mail address"
    )
    start_date: DayText = Field(description="First daily partition")
    end_date: DayText | None = Field(None, description="Last daily partition; open when left out")
    raw: Raw
    entity: RowExpression = Field(description="One entity is one distinct non-null value a day")
    features: Features
    on_invalid: Literal["fail", "exclude"] = Field(
        "fail", description="What to do with entities no distance is defined for; excluded ones are counted"
    )
    distance: Distance | None = Field(
        None, validate_default=True, description="Left out only for algorithms that need no pairs"
    )
    algorithm: Algorithm
    blocking: Blocking = Field(default_factory=AutoBlocking)
    schedule: Schedule | None = None
    arrivals: Arrivals | None = None
    freshness: Freshness | None = Field(
        None, description="Left out, a day with a schedule must be there six hours after it"
    )
    limits: Limits = Field(default_factory=Limits)
    lineage: Lineage = Field(default_factory=Lineage)
    profiles: Profiles = Field(default_factory=Profiles)
    checks: Checks = Field(default_factory=Checks)

    # Validators of fields, not of the model, so that an error stands at the line of its key. A part that
    # was refused itself is not in `info.data`.
    @field_validator("end_date")
    @classmethod
    def _ends_after_its_start(cls, end: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end < start:
            raise ValueError(f"end_date {end} comes before start_date {start}")
        return end

    @field_validator("distance")
    @classmethod
    def _fits_the_features(cls, distance: Distance | None, info: ValidationInfo) -> Distance | None:
        features = info.data.get("features")
        if distance is None:
            return None
        if features is not None and distance.metric not in METRICS_OF[features.kind]:
            raise ValueError(
                f"distance.metric {distance.metric} does not fit features.{features.kind}; "
                f"use {' or '.join(METRICS_OF[features.kind])}"
            )
        if features is not None:
            largest = LARGEST.get((features.kind, distance.metric), math.inf)
            if distance.threshold > largest:
                raise ValueError(
                    f"a {distance.metric} distance lies between 0 and {largest:g}, not {distance.threshold:g}"
                )
        return distance

    @field_validator("algorithm", mode="before")
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
                f"blocking.type {blocking.type} cannot do {distance.metric} of a {features.kind} for "
                f"{algorithm.type}; use auto, {', '.join(possible)}"
            )
        return blocking

    @field_validator("arrivals")
    @classmethod
    def _has_a_marker(cls, arrivals: Arrivals | None, info: ValidationInfo) -> Arrivals | None:
        raw = info.data.get("raw")
        if arrivals is None or arrivals.marker is not None or raw is None:
            return arrivals
        if marker_in_folder(raw.files, raw.partition_column) is None:
            raise ValueError(
                "no folder of raw.files is named after the day; write arrivals.marker, such as "
                "data/{day}/_SUCCESS"
            )
        return arrivals

    @property
    def first_day(self) -> Day:
        """First daily partition."""
        return parse_day(self.start_date)

    @property
    def last_day(self) -> Day | None:
        """Last daily partition, None when open."""
        return parse_day(self.end_date) if self.end_date else None

    @property
    def near(self) -> Distance:
        """The distance of a pipeline whose algorithm works on pairs.

        Raises:
            TypeError: It has none.
        """
        if self.distance is None:
            raise TypeError(f"{self.name} has no distance: {self.algorithm.type} works on points alone")
        return self.distance

    def part(self, *names: str) -> dict[str, Any]:
        """The named attributes as plain JSON: what a stage's result depends on."""
        return self.model_dump(mode="json", include=set(names))
