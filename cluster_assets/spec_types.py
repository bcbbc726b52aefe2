"""Values of the YAML that are more than a text or a number, checked where they are read."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.expressions import check_aggregate, check_row_expression


def _day_text(value: object) -> object:
    """YAML reads an unquoted 2026-01-31 as a date; take it as its text."""
    return value.isoformat() if isinstance(value, dt.date) else value


def _check_day(text: str) -> str:
    try:
        return parse_day(text).key
    except SpecError as error:
        raise ValueError(f"{error.what}; {error.remedy}") from error


DayText = Annotated[str, BeforeValidator(_day_text), AfterValidator(_check_day)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\"`]+$")]
RowExpression = Annotated[str, AfterValidator(check_row_expression)]
Aggregate = Annotated[str, AfterValidator(check_aggregate)]


class Part(BaseModel):
    """Base of all parts of the YAML: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
