"""YAML model of the arrival of a day's data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from cluster_assets.domain.times.marked_days import check_template
from cluster_assets.spec.base import Part

if TYPE_CHECKING:
    from cluster_assets.domain.times.layouts import Layout

DAY = "{day}"
SUCCESS = "_SUCCESS"


def _check_marker(text: str) -> str:
    check_template(text)
    if re.search(r"[*?\[\]]", text):
        raise ValueError(
            f"{text!r} is a pattern; a marker is one object per day, with {DAY} as its only variable part"
        )
    return text


class Arrivals(Part):
    """The object that marks a day's data as complete."""

    marker: Annotated[str, AfterValidator(_check_marker)] | None = Field(
        None,
        description="Path or s3:// URI of the object, with {day} for the day, or {day:%Y%m%d} for another "
        "format; ${NAME} as in raw.files. Default: _SUCCESS in the day's folder of raw.files",
    )
    queue_url: str | None = Field(
        None,
        pattern=r"https?://.+",
        description="SQS queue of the S3 events, for this pipeline only; default: the queue of the settings",
    )
    interval_s: int = Field(30, ge=1, le=86_400, description="Seconds between polls")
    lease_minutes: float = Field(
        15,
        gt=0,
        le=1440,
        description="How long another daemon's request for a day is respected; must exceed the time of a run",
    )


def marker_in_folder(files: str | None, layout: Layout | None) -> str | None:
    """Return the marker in the day's folder of `raw.files`; None if no folder is named after the day.

    >>> from cluster_assets.domain.times.layouts import day_column, read_layout
    >>> marker_in_folder("data/day=*/*.parquet", day_column("day"))
    'data/day={day}/_SUCCESS'
    >>> marker_in_folder("lake/y=*/m=*/d=*/*.csv", read_layout("y=%Y/m=%m/d=%d"))
    'lake/y={day:%Y}/m={day:%m}/d={day:%d}/_SUCCESS'
    """
    if files is None or layout is None or not layout.columns:
        return None
    folders = files.split("/")[:-1]
    wanted = [f"{name}=*" for name in layout.columns]
    for place in range(len(folders)):
        if folders[place : place + len(wanted)] == wanted:
            break
        if re.search(r"[*?\[]", folders[place]):
            return None
    else:
        return None
    spelled = [f"{name}={_place(form.text)}" for name, form in layout.columns.items()]
    return "/".join([*folders[:place], *spelled, SUCCESS])


def _place(form: str) -> str:
    return DAY if form == "%Y-%m-%d" else f"{{day:{form}}}"
