"""The earliest day a source holds rows of, for a pipeline that is about to be defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.errors import SourceMissingError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.features.days import moment_of_text
from cluster_assets.sql_files import bind
from cluster_assets.stages.source import locate_source, source_schema

if TYPE_CHECKING:
    from cluster_assets.backend import Backend
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec


def find_first_day(spec: PipelineSpec, backend: Backend) -> Day:
    """The day of the earliest row, after checking every file of the source.

    Raises:
        SourceMissingError: The source has no rows.
        SourceSchemaError: A column is missing or of a type that holds no day.
    """
    source = locate_source(spec, backend, day=None)
    schema = source_schema(spec, backend, source)
    name = spec.raw.time_column or spec.raw.partition_column or ""
    moment: exp.Expr = exp.column(name, quoted=True)
    if schema[name] == "timestamp with time zone":
        moment = exp.AtTimeZone(this=moment, zone=exp.Literal.string("UTC"))
    elif schema[name] == "varchar" and spec.raw.time_column:
        moment = exp.AtTimeZone(this=moment_of_text(moment), zone=exp.Literal.string("UTC"))
    statement = bind("raw/first_day.sql", expressions={"moment": moment})
    first = backend.engine.fetch(statement, {"raw": source.relation}).rows[0]["first_day"]
    if first is None:
        raise SourceMissingError(
            "the source has no rows, so the first day cannot be told",
            where=spec.raw.files or spec.raw.table,
            remedy="give --start-date, or files that hold rows",
        )
    return parse_day(str(first))
