"""The marker objects of days, and their settings in the YAML."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster_assets.arrivals.announcements import Cursor, Marker, marker_of, read_cursor
from cluster_assets.arrivals.queue import created_object
from cluster_assets.domain.days import Day, parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.times.layouts import read_layout
from cluster_assets.domain.times.marked_days import check_template
from cluster_assets.spec.arrivals import marker_in_folder
from cluster_assets.spec.pipeline import PipelineSpec

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


@pytest.mark.parametrize(
    ("template", "address", "others"),
    [
        ("/lake/dt={day:%Y%m%d}/_SUCCESS", "/lake/dt=20260302/_SUCCESS", ["/lake/dt=20260230/_SUCCESS"]),
        (
            "/lake/y={day:%Y}/m={day:%m}/d={day:%d}/{day}.done",
            "/lake/y=2026/m=03/d=02/2026-03-02.done",
            ["/lake/y=2026/m=03/d=02/2026-03-03.done", "/lake/y=2026/m=3/d=2/2026-03-02.done"],
        ),
    ],
)
def test_other_spellings_of_the_day(template: str, address: str, others: list[str]) -> None:
    marker, day = Marker(check_template(template)), parse_day("2026-03-02")
    assert marker.address(day) == address
    assert marker.day_of(address) == day
    assert [marker.day_of(other) for other in others] == [None] * len(others)


@pytest.mark.parametrize("template", ["data/{day:%Y}/x", "data/{day:%q}/x", "data/x"])
def test_a_template_that_tells_no_day(template: str) -> None:
    with pytest.raises(ValueError, match=r"has no month|is not known|contains no day"):
        check_template(template)


def test_every_place_of_the_day_must_be_the_same_day() -> None:
    marker = Marker("/lake/day={day}/visits_{day}.done")
    assert marker.day_of("/lake/day=2026-01-05/visits_2026-01-05.done") == parse_day("2026-01-05")
    assert marker.day_of("/lake/day=2026-01-05/visits_2026-01-06.done") is None
    assert marker.day_of("/lake/day=2026-02-30/visits_2026-02-30.done") is None
    assert marker.day_of("/lake/day=٢٠٢٦-01-05/visits_٢٠٢٦-01-05.done") is None


@pytest.mark.parametrize(
    ("files", "layout", "marker"),
    [
        ("lake/dt=*/*.csv", "dt=%Y%m%d", "lake/dt={day:%Y%m%d}/_SUCCESS"),
        ("lake/y=*/m=*/d=*/*.csv", "y=%Y/m=%m/d=%d", "lake/y={day:%Y}/m={day:%m}/d={day:%d}/_SUCCESS"),
        ("lake/y=*/*.csv", "y=%Y/m=%m/d=%d", None),
        ("lake/sales_*.csv", "sales_%Y%m%d", None),
        ("data/day=*/*.parquet", "day=%Y-%m-%d", "data/day={day}/_SUCCESS"),
        ("s3://lake/day=*/hour=*/part.parquet", "day=%Y-%m-%d", "s3://lake/day={day}/_SUCCESS"),
        ("data/source=*/day=*/*.parquet", "day=%Y-%m-%d", None),
        ("data/*.parquet", "day=%Y-%m-%d", None),
        ("data/day=*/*.parquet", None, None),
        (None, "day=%Y-%m-%d", None),
    ],
)
def test_the_marker_of_a_folder_a_day(files: str | None, layout: str | None, marker: str | None) -> None:
    assert marker_in_folder(files, read_layout(layout) if layout else None) == marker


def test_a_pipeline_without_a_folder_a_day_must_name_its_marker() -> None:
    with pytest.raises(ValidationError, match=r"write arrivals\.marker"):
        PipelineSpec.model_validate(BASE | {"arrivals": {}})
    with pytest.raises(ValidationError, match="contains no day"):
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
