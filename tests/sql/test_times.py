"""Every way a source may spell its times, on the engine: the rows of a day, and the first day there is."""

from __future__ import annotations

from typing import Any

import pytest
import sqlglot

from cluster_assets.backends.statements import bind
from cluster_assets.domain.days import parse_day
from cluster_assets.spec.expressions import DIALECT
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.kinds.moments import moment_of

TYPES = {"VARCHAR": "varchar", "BIGINT": "bigint", "DOUBLE": "double", "TIMESTAMP": "timestamp",
         "TIMESTAMPTZ": "timestamp with time zone", "DATE": "date"}  # fmt: skip


def spec(**raw: str) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": "2026-03-01",
            "raw": {"files": "x.parquet", "time_column": "at", **raw},
            "entity": "id",
            "features": {"vector": ["count(*)"]},
            "distance": {"metric": "euclidean", "threshold": 1},
            "algorithm": {"type": "dbscan"},
        }
    )


def texts(*values: str) -> list[str]:
    return [f"'{value}'" for value in values]


# The first row is of the day before, the next two are of 2026-03-02, the last one is of the day after.
SPELLINGS: list[tuple[str, str, list[str], dict[str, str]]] = [
    (
        "day first",
        "VARCHAR",
        texts("01/03/2026 23:59", "02/03/2026 00:00", "2/3/2026 23:59", "03/03/2026 00:00"),
        {"time_format": "%d/%m/%Y %H:%M"},
    ),
    (
        "month first",
        "VARCHAR",
        texts("03/01/2026 11:59 PM", "03/02/2026 12:00 AM", "3/2/2026 11:59 pm", "03/03/2026 12:00 AM"),
        {"time_format": "%m/%d/%Y %I:%M %p"},
    ),
    (
        "two digits of a year",
        "VARCHAR",
        texts("01.03.26", "02.03.26", "2.3.26", "03.03.26"),
        {"time_format": "%d.%m.%y"},
    ),
    (
        "compact text",
        "VARCHAR",
        texts("20260301", "20260302", "20260302", "20260303"),
        {"time_format": "%Y%m%d"},
    ),
    (
        "compact number",
        "BIGINT",
        ["20260301", "20260302", "20260302", "20260303"],
        {"time_format": "%Y%m%d"},
    ),
    (
        "name of a month first",
        "VARCHAR",
        texts("Mar 1 2026", "Mar 2 2026", "MAR 02 2026", "Mar 3 2026"),
        {"time_format": "%b %d %Y"},
    ),
    (
        "name of a month within",
        "VARCHAR",
        texts("01-Mar-2026", "02-Mar-2026", "02-mar-2026", "03-Mar-2026"),
        {"time_format": "%d-%b-%Y"},
    ),
    (
        "Apache's",
        "VARCHAR",
        texts(
            "[01/Mar/2026:16:59:59 -0700]",
            "[01/Mar/2026:17:00:00 -0700]",
            "[03/Mar/2026:01:29:59 +01:30]",
            "[02/Mar/2026:17:00:00 -0700]",
        ),
        {"time_format": "[%d/%b/%Y:%H:%M:%S %z]"},
    ),
    (
        "fractions",
        "VARCHAR",
        texts(
            "01/03/2026 23:59:59.999999",
            "02/03/2026 00:00:00.0",
            "02/03/2026 23:59:59.9",
            "03/03/2026 00:00:00.0",
        ),
        {"time_format": "%d/%m/%Y %H:%M:%S.%f"},
    ),
    (
        "seconds",
        "BIGINT",
        ["1772409599", "1772409600", "1772495999", "1772496000"],
        {"time_format": "epoch_seconds"},
    ),
    (
        "seconds with fractions",
        "DOUBLE",
        ["1772409599.9", "1772409600", "1772495999.9", "1772496000"],
        {"time_format": "epoch_seconds"},
    ),
    (
        "milliseconds",
        "BIGINT",
        ["1772409599999", "1772409600000", "1772495999999", "1772496000000"],
        {"time_format": "epoch_millis"},
    ),
    (
        "milliseconds as text",
        "VARCHAR",
        texts("1772409599999", "1772409600000", "1772495999999.5", "1772496000000"),
        {"time_format": "epoch_millis"},
    ),
    (
        "microseconds",
        "BIGINT",
        ["1772409599999999", "1772409600000000", "1772495999999999", "1772496000000000"],
        {"time_format": "epoch_micros"},
    ),
    (
        "nanoseconds",
        "BIGINT",
        ["1772409599999999999", "1772409600000000000", "1772495999999999999", "1772496000000000000"],
        {"time_format": "epoch_nanos"},
    ),
    (
        "local times of a text",
        "VARCHAR",
        texts("2026-03-02 00:59:59", "2026-03-02 01:00:00", "2026-03-03T00:59:59", "2026-03-03T01:00:00"),
        {"time_zone": "Europe/Paris"},
    ),
    (
        "local times beside moments",
        "VARCHAR",
        texts(
            "2026-03-02 00:59:59", "2026-03-02T00:00:00Z", "2026-03-03T05:29:59+05:30", "2026-03-03 01:00:00"
        ),
        {"time_zone": "Europe/Paris"},
    ),
    (
        "local times of a format",
        "VARCHAR",
        texts("01/03/2026 18:59", "01/03/2026 19:00", "02/03/2026 18:59", "02/03/2026 19:00"),
        {"time_format": "%d/%m/%Y %H:%M", "time_zone": "America/New_York"},
    ),
    (
        "local timestamps",
        "TIMESTAMP",
        texts("2026-03-02 00:59:59", "2026-03-02 01:00:00", "2026-03-03 00:59:59", "2026-03-03 01:00:00"),
        {"time_zone": "Europe/Paris"},
    ),
    (
        "an expression of epochs",
        "BIGINT",
        ["1772409599", "1772409600", "1772495999", "1772496000"],
        {"time_column": "from_unixtime(at)"},
    ),
    (
        "an expression with a format",
        "VARCHAR",
        texts("on 01/03/2026", "on 02/03/2026", "on 02/03/2026", "on 03/03/2026"),
        {"time_column": "replace(at, 'on ', '')", "time_format": "%d/%m/%Y"},
    ),
    (
        "date_parse",
        "VARCHAR",
        texts("01/03/2026", "02/03/2026", "02/03/2026", "03/03/2026"),
        {"time_column": "date_parse(at, '%d/%m/%Y')"},
    ),
    (
        "parse_datetime",
        "VARCHAR",
        texts("02/Mar/2026 00 +0100", "02/Mar/2026 01 +0100", "02/Mar/2026 00 +0000", "03/Mar/2026 00 +0000"),
        {"time_column": "parse_datetime(at, 'dd/MMM/yyyy HH Z')"},
    ),
    (
        "days of a zone",
        "TIMESTAMPTZ",
        texts("2026-03-02 04:59:59Z", "2026-03-02 05:00:00Z", "2026-03-03 04:59:59Z", "2026-03-03 05:00:00Z"),
        {"time_column": "cast(at_timezone(at, 'America/New_York') AS date)"},
    ),
]


@pytest.mark.parametrize(
    ("kind", "values", "raw"), [case[1:] for case in SPELLINGS], ids=[case[0] for case in SPELLINGS]
)
def test_a_day_of_each_spelling(lake: Any, kind: str, values: list[str], raw: dict[str, str]) -> None:
    rows = ", ".join(f"('{number}', {value})" for number, value in enumerate(values))
    source = lake.copy(f'SELECT id, CAST(w AS {kind}) AS "at" FROM (VALUES {rows}) AS t(id, w)')
    made, schema = spec(**raw), {"id": "varchar", "at": TYPES[kind]}
    counted = {}
    for day in ("2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"):
        statement = features.plan(made, parse_day(day), schema).counts
        counted[day] = lake.engine.fetch(statement, {"raw": source}).rows[0]["rows"]
        for dialect in ("athena", "trino"):
            printed = statement.tree.sql(dialect)
            assert sqlglot.parse_one(printed, read=dialect).sql(dialect) == printed
    assert list(counted.values()) == [0, 1, 2, 1, 0]
    for days, expected in (
        (("2026-03-01", "2026-03-02", "2026-03-03"), 4),
        (("2026-03-01", "2026-03-03"), 2),
    ):
        statement = features.source_counts(made, [parse_day(day) for day in days], schema)
        assert lake.engine.fetch(statement, {"raw": source}).rows[0]["rows"] == expected
        printed = statement.tree.sql("athena")
        assert sqlglot.parse_one(printed, read="athena").sql("athena") == printed
    moment = moment_of(made.raw, schema)
    first = bind("raw/first_day.sql", expressions={"moment": moment.least()})
    found = lake.engine.fetch(first, {"raw": source}).rows[0]["first_time"]
    assert moment.day_of(str(found)) == parse_day("2026-03-01")


@pytest.mark.parametrize(
    ("kind", "raw", "printed"),
    [
        (
            "bigint",
            {"time_format": "epoch_millis"},
            '"at" >= 1772409600000 AND "at" < 1772496000000',
        ),
        (
            "timestamp",
            {"time_zone": "Europe/Paris"},
            '"at" >= CAST(\'2026-03-02 01:00:00\' AS TIMESTAMP) AND "at" < ',
        ),
        (
            "varchar",
            {"time_format": "%d/%m/%Y %H:%M"},
            "DATE_PARSE(\"at\", '%d/%m/%Y %H:%i') ELSE",
        ),
        (
            "varchar",
            {"time_format": "[%d/%b/%Y:%H:%M:%S %z]"},
            "PARSE_DATETIME(\"at\", '[dd/MMM/yyyy:HH:mm:ss Z]') ELSE",
        ),
    ],
)
def test_what_athena_is_asked(kind: str, raw: dict[str, str], printed: str) -> None:
    """Numbers and timestamps are compared as they lie, so that row groups can be left out."""
    moment = moment_of(spec(**raw).raw, {"at": kind})
    assert printed in moment.is_within(parse_day("2026-03-02"), parse_day("2026-03-02")).sql(DIALECT)
