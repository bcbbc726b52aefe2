"""Base model and value types of the YAML."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationInfo

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.expressions import check_aggregate, check_row_expression, time_tree


def _day_text(value: object) -> object:
    """Convert a date to text, because YAML reads an unquoted 2026-01-31 as a date."""
    return value.isoformat() if isinstance(value, dt.date) else value


def _check_day(text: str) -> str:
    try:
        return parse_day(text).key
    except SpecError as error:
        raise ValueError(f"{error.what}; {error.remedy}") from error


def _check_time_column(text: str) -> str:
    time_tree(text)
    return text


DayText = Annotated[str, BeforeValidator(_day_text), AfterValidator(_check_day)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\"`]+$")]
AssetName = Annotated[str, StringConstraints(max_length=255, pattern=r"^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$")]
TimeColumn = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8_192, pattern=r"^[^\x00-\x1f`]+$"),
    AfterValidator(_check_time_column),
]
RowExpression = Annotated[str, AfterValidator(check_row_expression)]
Aggregate = Annotated[str, AfterValidator(check_aggregate)]


def at_most_days(min_days: int, info: ValidationInfo) -> int:
    """Refuse a `min_days` above the field `days` before it; a validator of a field."""
    days = info.data.get("days")
    if days is not None and min_days > days:
        raise ValueError(f"min_days {min_days} is more than days {days}")
    return min_days


class Part(BaseModel):
    """Base of all YAML models: frozen, and unknown keys are refused."""

    # Dumped with the keys of the YAML, so that what is dumped can be read again.
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
