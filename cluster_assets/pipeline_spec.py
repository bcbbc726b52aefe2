"""What a pipeline's YAML may say: the public contract, as pydantic models.

A new metric, feature kind or algorithm is an addition here: one more name in a `Literal`, one more
model in a union, one more row in `METRICS_OF`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.limits import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.domain.partitions import Day, parse_day
from cluster_assets.expressions import (
    check_aggregate,
    check_predicate,
    check_row_expression,
    check_table_name,
    check_type,
)

Kind = Literal["set", "vector", "geo"]
Metric = Literal["jaccard", "euclidean", "haversine"]
METRICS_OF: dict[Kind, tuple[Metric, ...]] = {
    "set": ("jaccard",),
    "vector": ("euclidean",),
    "geo": ("haversine",),
}


def _day_text(value: object) -> object:
    """YAML reads an unquoted 2026-01-31 as a date; take it as its text."""
    return value.isoformat() if isinstance(value, dt.date) else value


def _check_day(text: str) -> str:
    try:
        return parse_day(text).key
    except SpecError as error:
        raise ValueError(f"{error.what}; {error.remedy}") from error


# As Dagster accepts them; else it would refuse all pipelines together.
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def _check_owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError(f"{text!r} is no owner; write team:name or an e-mail address")
    return text


DayText = Annotated[str, BeforeValidator(_day_text), AfterValidator(_check_day)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\"`]+$")]
RowExpression = Annotated[str, AfterValidator(check_row_expression)]
Aggregate = Annotated[str, AfterValidator(check_aggregate)]


class Part(BaseModel):
    """Base of all parts of the YAML: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Geo(Part):
    """A place per entity, in degrees of WGS84."""

    latitude: Aggregate
    longitude: Aggregate


class Features(Part):
    """What is compared: exactly one kind."""

    set: RowExpression | None = Field(None, description="The set of values an entity shows that day")
    vector: list[Aggregate] | None = Field(
        None, min_length=1, max_length=500, description="One aggregate a dimension"
    )
    geo: Geo | None = Field(None, description="Latitude and longitude")
    scale: Literal["none", "standard", "minmax"] = Field(
        "none", description="How the day's values of each dimension are scaled (vectors only)"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Features:
        kinds = [name for name in METRICS_OF if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(METRICS_OF)}; found {', '.join(kinds) or 'none'}"
            )
        if self.scale != "none" and kinds != ["vector"]:
            raise ValueError(f"scale is for vectors; remove it or use vector instead of {kinds[0]}")
        return self

    @property
    def kind(self) -> Kind:
        """The one kind that is given."""
        return next(name for name in METRICS_OF if getattr(self, name) is not None)


class Distance(Part):
    """Which pairs are near."""

    metric: Metric
    threshold: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Pairs at most this far apart are candidates: 0..1 for jaccard, metres for haversine, "
        "units of the (scaled) vector for euclidean",
    )

    @model_validator(mode="after")
    def _unit(self) -> Distance:
        if self.metric == "jaccard" and self.threshold > 1:
            raise ValueError(
                f"a jaccard distance lies between 0 and 1, not {self.threshold:g}; 0.4 means 60 % alike"
            )
        if self.metric == "haversine" and self.threshold > 6_371_008.8 * math.pi:
            raise ValueError(
                f"haversine is in metres; {self.threshold:g} is more than half way round the Earth"
            )
        if self.metric == "euclidean" and self.threshold > 1e150:
            raise ValueError("a euclidean threshold beyond 1e150 overflows when squared")
        return self


class Dbscan(Part):
    """Density clustering; the labels equal scikit-learn's `DBSCAN` with eps = threshold."""

    type: Literal["dbscan"]
    min_samples: int = Field(
        5, ge=1, description="Entities within the threshold, itself included, that make a core"
    )


class ConnectedComponents(Part):
    """Everything linked by a chain of near pairs is one cluster."""

    type: Literal["connected_components"]


Algorithm = Annotated[Dbscan | ConnectedComponents, Field(discriminator="type")]


class Blocking(Part):
    """How candidate pairs are found. Every rule is exact."""

    type: Literal["auto", "join"] = Field(
        "auto", description="auto chooses; join is the SQL join on blocking keys"
    )


class Schedule(Part):
    """When the day before is materialized, UTC."""

    hour_of_day: int = Field(ge=0, le=23)
    minute_of_hour: int = Field(0, ge=0, le=59)


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
    distance: Distance
    algorithm: Algorithm
    blocking: Blocking = Field(default_factory=Blocking)
    schedule: Schedule | None = None
    limits: Limits = Field(default_factory=Limits)

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
    def _fits_the_features(cls, distance: Distance, info: ValidationInfo) -> Distance:
        features = info.data.get("features")
        if features is not None and distance.metric not in METRICS_OF[features.kind]:
            raise ValueError(
                f"distance.metric {distance.metric} does not fit features.{features.kind}; "
                f"use {' or '.join(METRICS_OF[features.kind])}"
            )
        return distance

    @property
    def first_day(self) -> Day:
        """First daily partition."""
        return parse_day(self.start_date)

    @property
    def last_day(self) -> Day | None:
        """Last daily partition, None when open."""
        return parse_day(self.end_date) if self.end_date else None

    def part(self, *names: str) -> dict[str, Any]:
        """The named attributes as plain JSON: what a stage's result depends on."""
        return self.model_dump(mode="json", include=set(names))
