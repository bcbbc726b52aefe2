"""YAML model of the source: its rows, and the day of each row."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cluster_assets.domain.times.formats import EPOCHS, check_time_format, read_format
from cluster_assets.domain.times.layouts import Layout, day_column, read_layout
from cluster_assets.domain.times.zones import check_zone
from cluster_assets.spec.base import AssetName, ColumnName, DayText, Part, TimeColumn
from cluster_assets.spec.expressions import check_predicate, check_table_name, check_type
from cluster_assets.spec.source.csv_files import Csv  # noqa: TC001  # pydantic reads it


def _check_layout(text: str) -> str:
    read_layout(text)
    return text


class Raw(Part):
    """The rows of the source, and the day of each row."""

    files: str | None = Field(
        None,
        min_length=1,
        description="Path or glob of Parquet, CSV or JSON files (lines, or one array), also gzipped; "
        "${NAME} and ${NAME:-default} are replaced with environment variables that a pipeline may read",
    )
    table: Annotated[str, AfterValidator(check_table_name)] | None = Field(
        None, description="A table of the SQL engine, e.g. schema.table"
    )
    time_column: TimeColumn | None = Field(
        None,
        description="Column whose UTC date is the day of a row, or an SQL expression such as "
        "from_unixtime(t) or d || ' ' || t",
    )
    time_format: Annotated[str, AfterValidator(check_time_format)] | None = Field(
        None,
        description="Format of time_column: a strptime format such as %d/%m/%Y %H:%M:%S, or "
        f"{', '.join(EPOCHS)}; default: a timestamp, a date, or an ISO 8601 text",
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] | None = Field(
        None,
        description="IANA name of the time zone of time_column, such as Europe/Paris; default: UTC",
    )
    partition_column: ColumnName | None = Field(
        None, description="A column or Hive partition with the day as YYYY-MM-DD"
    )
    partition: Annotated[str, AfterValidator(_check_layout)] | None = Field(
        None,
        description="Layout of the day in folders or partition columns, such as dt=%Y%m%d or "
        "year=%Y/month=%m/day=%d, or in a part of the file's path, such as sales_%Y-%m-%d",
    )
    fixed_day: DayText | None = Field(None, description="The day of a source without dates")
    columns: dict[ColumnName, Annotated[str, AfterValidator(check_type)]] = Field(
        default_factory=dict, description="Columns that must exist, with their types"
    )
    csv: Csv | None = Field(None, description="Format of CSV files")
    where: Annotated[str, AfterValidator(check_predicate)] | None = Field(
        None, description="SQL predicate that selects rows"
    )
    # No input of a day: it only draws an edge of the asset graph.
    deps: tuple[AssetName, ...] = Field(
        (),
        exclude=True,
        description="Assets of other code that write the source, such as lake/events; Dagster shows them "
        "upstream of raw",
    )

    @field_validator("time_format", "time_zone")
    @classmethod
    def _of_a_time_column(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("time_column", "") is None:
            raise ValueError(f"{info.field_name} needs time_column")
        return value

    @field_validator("time_zone")
    @classmethod
    def _of_local_times(cls, zone: str | None, info: ValidationInfo) -> str | None:
        form = info.data.get("time_format")
        if zone is None or form is None:
            return zone
        if form in EPOCHS or read_format(form).has_zone:
            raise ValueError(f"time_format {form} already determines the zone; remove time_zone")
        if not read_format(form).has_hour:
            raise ValueError(f"time_format {form} has no hour, so a zone has no effect; remove time_zone")
        return zone

    @model_validator(mode="after")
    def _one_source_one_day(self) -> Raw:
        if (self.files is None) == (self.table is None):
            raise ValueError("give exactly one of files and table")
        given = (self.time_column, self.partition_column, self.partition, self.fixed_day)
        if sum(one is not None for one in given) != 1:
            raise ValueError(
                "give exactly one of time_column, partition_column, partition and fixed_day; for rows "
                "without any date, partition: sales_%Y-%m-%d if file names contain it, or "
                "fixed_day: 2026-01-31"
            )
        if self.csv is not None and self.files is None:
            raise ValueError("csv is the format of raw.files; remove it for a table")
        if self.table is not None and self.layout is not None and not self.layout.columns:
            raise ValueError(
                f"partition {self.partition} is a part of a path, but a table has columns; write for "
                "example dt=%Y%m%d"
            )
        return self

    @property
    def layout(self) -> Layout | None:
        """The layout of the day in the source, or None."""
        if self.partition_column is not None:
            return day_column(self.partition_column)
        return read_layout(self.partition) if self.partition is not None else None
