"""Which object is the marker of which day, and what the YAML may say of it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster_assets.arrivals.announcements import Cursor, read_cursor
from cluster_assets.arrivals.markers import Marker, marker_of
from cluster_assets.arrivals.queue import created_object
from cluster_assets.arrivals_spec import marker_in_folder
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import Day, parse_day
from cluster_assets.pipeline_spec import PipelineSpec

BASE: dict[str, Any] = {
    "name": "visits",
    "start_date": "2026-01-01",
    "raw": {"files": "data/*.parquet", "time_column": "at"},
    "entity": "id",
    "features": {"vector": ["max(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
}
days = st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1)).map(Day)


@given(
    days,
    st.text(st.characters(exclude_characters="{}"), max_size=12),
    st.text(st.characters(exclude_characters="{}"), max_size=12),
)
def test_the_address_of_a_day_tells_the_day(day: Day, before: str, after: str) -> None:
    marker = Marker(f"s3://lake/{before}/day={{day}}/{after}.done")
    assert marker.day_of(marker.address(day)) == day
    assert marker.day_of(marker.address(day) + "x") is None


def test_every_place_of_the_day_must_be_the_same_day() -> None:
    marker = Marker("/lake/day={day}/visits_{day}.done")
    assert marker.day_of("/lake/day=2026-01-05/visits_2026-01-05.done") == parse_day("2026-01-05")
    assert marker.day_of("/lake/day=2026-01-05/visits_2026-01-06.done") is None
    assert marker.day_of("/lake/day=2026-02-30/visits_2026-02-30.done") is None
    assert marker.day_of("/lake/day=٢٠٢٦-01-05/visits_٢٠٢٦-01-05.done") is None


@pytest.mark.parametrize(
    ("files", "column", "marker"),
    [
        ("data/day=*/*.parquet", "day", "data/day={day}/_SUCCESS"),
        ("s3://lake/day=*/hour=*/part.parquet", "day", "s3://lake/day={day}/_SUCCESS"),
        ("data/source=*/day=*/*.parquet", "day", None),
        ("data/*.parquet", "day", None),
        ("data/day=*/*.parquet", None, None),
        (None, "day", None),
    ],
)
def test_the_marker_of_a_folder_a_day(files: str | None, column: str | None, marker: str | None) -> None:
    assert marker_in_folder(files, column) == marker


def test_a_pipeline_without_a_folder_a_day_must_name_its_marker() -> None:
    with pytest.raises(ValidationError, match=r"write arrivals\.marker"):
        PipelineSpec.model_validate(BASE | {"arrivals": {}})
    with pytest.raises(ValidationError, match="names no day"):
        PipelineSpec.model_validate(BASE | {"arrivals": {"marker": "data/_SUCCESS"}})
    with pytest.raises(ValidationError, match="is a pattern"):
        PipelineSpec.model_validate(BASE | {"arrivals": {"marker": "data/*/{day}.done"}})
    spec = PipelineSpec.model_validate(BASE | {"arrivals": {"marker": "${LAKE:-data}/{day}.done"}})
    assert marker_of(spec, {}, Path("/project")) == Marker("/project/data/{day}.done")
    assert marker_of(spec, {"LAKE": "/lake"}, Path("/project")) == Marker("/lake/{day}.done")
    assert marker_of(spec, {"LAKE": "s3://lake"}, Path("/project")) == Marker("s3://lake/{day}.done")
    with pytest.raises(SpecError, match=r"write arrivals\.marker"):
        marker_of(PipelineSpec.model_validate(BASE), {}, Path("/project"))


@given(
    st.lists(days, unique=True, max_size=5).map(tuple),
    st.dictionaries(days.map(lambda day: day.key), st.text(max_size=5), max_size=5),
    st.lists(st.text(max_size=9), max_size=5).map(tuple),
)
def test_a_cursor_is_read_back_as_it_was(
    waiting: tuple[Day, ...], seen: dict[str, str], receipts: tuple[str, ...]
) -> None:
    cursor = Cursor(waiting, seen, receipts)
    assert read_cursor(cursor.to_json()) == cursor


@pytest.mark.parametrize(
    "text", [None, "", "nonsense", "[]", '{"waiting": ["2026-02-30"]}', '{"seen": [1]}', "3"]
)
def test_another_cursor_counts_as_none(text: str | None) -> None:
    assert read_cursor(text) == Cursor()


def event(**change: Any) -> str:
    detail = {"bucket": {"name": "lake"}, "object": {"key": "day=2026-01-05/a b+c/_SUCCESS", "size": 0}}
    return json.dumps({"detail-type": "Object Created", "source": "aws.s3", "detail": detail} | change)


def test_events_of_s3() -> None:
    assert created_object(event()) == "s3://lake/day=2026-01-05/a b+c/_SUCCESS"
    assert created_object(event(**{"detail-type": "Object Deleted"})) is None
    for body in ("nonsense", "[]", "3", event(source="aws.ec2"), event(detail={}), event(detail=None)):
        with pytest.raises(ValueError, match=r"."):
            created_object(body)
