"""The earliest day in a source, for a pipeline that is about to be defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.ports import Statement
from cluster_assets.backends.statements import bind, column
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SourceMissingError, SourceSchemaError
from cluster_assets.stages.points.kinds.moments import moment_of
from cluster_assets.stages.raw.days import day_of_file
from cluster_assets.stages.raw.source import locate_source, source_schema
from cluster_assets.stages.raw.time_readings import check_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.times.layouts import Layout
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.raw.source import DaySource


def find_first_day(spec: PipelineSpec, backend: Backend) -> Day:
    """Check every file of the source and return the day of the earliest row.

    Raises:
        SourceMissingError: The source has no rows.
        SourceSchemaError: A column is missing or its type cannot hold a day, or a text is not a time.
    """
    source = locate_source(spec, backend, day=None)
    schema = source_schema(spec, backend, source)
    if spec.raw.fixed_day is not None:
        return parse_day(spec.raw.fixed_day)
    first = (
        _first_of_partitions(spec.raw.layout, backend, source)
        if spec.raw.layout is not None
        else _first_of_rows(spec, backend, source, schema)
    )
    if first is None:
        raise SourceMissingError(
            "the source has no rows, so its first day is unknown",
            where=spec.raw.files or spec.raw.table,
            remedy="give --start-date, or files that have rows",
        )
    return first


def _first_of_rows(
    spec: PipelineSpec, backend: Backend, source: DaySource, schema: Mapping[str, str]
) -> Day | None:
    check_times(spec, backend, source)
    moment = moment_of(spec.raw, schema)
    statement = bind("raw/first_day.sql", expressions={"moment": moment.least()})
    first = backend.engine.fetch(statement, {"raw": source.relation}).rows[0]["first_time"]
    return None if first is None else moment.day_of(str(first))


def _first_of_partitions(layout: Layout, backend: Backend, source: DaySource) -> Day | None:
    if source.files and layout.column is None:
        found = {day_of_file(layout, file.uri) for file in source.files}
    else:
        # The texts of days need not sort in the order of the days.
        names = [exp.cast(column(name), exp.DType.VARCHAR).as_(name, quoted=True) for name in layout.columns]
        distinct = Statement("partitions", exp.select(*names).from_("raw").distinct())
        rows = backend.engine.fetch(distinct, {"raw": source.relation}).rows
        found = {layout.day_of_values(row) for row in rows}
        if rows and found == {None}:
            raise SourceSchemaError(
                f"no partition is a day in the format {layout.text}; the first one is "
                + "/".join(f"{name}={rows[0][name]}" for name in layout.columns),
                where=source.files[0].uri if source.files else source.state,
                remedy="write the format under raw.partition, such as dt=%Y%m%d; for the time of "
                "each row use raw.time_column",
            )
    return min((day for day in found if day is not None), default=None)
