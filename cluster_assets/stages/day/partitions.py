"""The days that are partitions of a pipeline: from `start_date` to `end_date`, once they have ended."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cluster_assets.domain.days import last_ended, not_ended
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec


def check_partitions(spec: PipelineSpec, days: Sequence[Day]) -> None:
    """Refuse days that are not partitions.

    Raises:
        SpecError: A day is not a partition; the message names the first such day and the valid days.
    """
    ended = last_ended(dt.datetime.now(dt.UTC))
    last = min(spec.last_day or ended, ended)
    outside = next((day for day in days if not spec.first_day <= day <= last), None)
    if outside is None:
        return
    there = f"days from {spec.first_day} to {last}"
    if spec.first_day > ended:
        there = f"start_date {spec.first_day}: there is no partition yet"
    if outside > ended and (spec.last_day is None or outside <= spec.last_day):
        raise SpecError(
            f"{spec.name}: {not_ended(outside)}",
            where=there,
            remedy="run it then; if rows have future dates, use the column with the time at which they were "
            "recorded",
        )
    raise SpecError(
        f"{outside} is not a partition of {spec.name}",
        where=there,
        remedy="choose a day in that range, or change start_date or end_date in the YAML",
    )
