"""What the YAML may say of the arrival of a day's data."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from cluster_assets.spec_types import Part

DAY = "{day}"
SUCCESS = "_SUCCESS"


def _check_marker(text: str) -> str:
    if DAY not in text:
        raise ValueError(
            f"{text!r} names no day; write {DAY} where the day stands, as in data/{DAY}/_SUCCESS"
        )
    if re.search(r"[*?\[\]]", text):
        raise ValueError(f"{text!r} is a pattern; a marker is one object a day, {DAY} its only variable part")
    return text


class Arrivals(Part):
    """Which object says that a day's data is complete."""

    marker: Annotated[str, AfterValidator(_check_marker)] | None = Field(
        None,
        description="Path or s3:// address of the object, {day} for the day; ${NAME} as in raw.files. Left "
        "out, it is _SUCCESS in the day's folder of raw.files",
    )
    queue_url: str | None = Field(
        None,
        pattern=r"https?://.+",
        description="SQS queue of the S3 events, for this pipeline alone; unset takes the settings'",
    )
    interval_s: int = Field(30, ge=1, le=86_400, description="Seconds from one look to the next")
    lease_minutes: float = Field(
        15,
        gt=0,
        le=1440,
        description="How long another daemon's request of a day is trusted; longer than a day takes to run",
    )


def marker_in_folder(files: str | None, partition_column: str | None) -> str | None:
    """The marker in the day's folder of `raw.files`, None where no folder is named after the day.

    >>> marker_in_folder("data/day=*/*.parquet", "day")
    'data/day={day}/_SUCCESS'
    """
    if files is None or partition_column is None:
        return None
    folders = files.split("/")[:-1]
    named = [place for place, folder in enumerate(folders) if folder == f"{partition_column}=*"]
    if not named or any(re.search(r"[*?\[]", folder) for folder in folders[: named[0]]):
        return None
    return "/".join([*folders[: named[0]], f"{partition_column}={DAY}", SUCCESS])
