"""Times of the YAML's format in all files of a source; without one, an error that shows the readings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pytest

from cluster_assets.backends.duckdb.files import from_item
from cluster_assets.backends.duckdb.sql import duckdb_text
from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ClusterAssetsError, SourceSchemaError
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points.kinds import plan
from cluster_assets.stages.raw.first_day import find_first_day

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

EXCEL = "date_add('day', cast(floor(cast(at AS double)) AS bigint), date '1899-12-30')"
VECTOR = {"features": {"vector": ["max(x)"]}, "distance": {"metric": "euclidean", "threshold": 1}}


def parquet(path: Path, kind: str, values: list[str]) -> Path:
    """Entities 0, 1, … at these times."""
    rows = ", ".join(f"('{number}', {float(number)}, {value})" for number, value in enumerate(values))
    select = f'SELECT id, x::DOUBLE AS x, CAST(w AS {kind}) AS "at" FROM (VALUES {rows}) AS t(id, x, w)'
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"SET TimeZone = 'UTC'; COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def texts(*values: str) -> list[str]:
    return [f"'{value}'" for value in values]


def entities(run: Runner, day: str) -> list[str]:
    run.run(day, until="points")
    return [str(entity) for entity in run.table("members", day)["entity"]]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_all_files_of_a_source_are_read_in_the_declared_format(
    runner: Make, tmp_path: Path, ending: str
) -> None:
    """One file has days up to 12 only, the other one a 13th: guessed file by file, they would differ."""
    for name, days in {"a": ["02/03/2026", "05/03/2026"], "b": ["13/03/2026", "02/03/2026"]}.items():
        rows = [{"id": f"{name}{number}", "x": number, "at": day} for number, day in enumerate(days)]
        lines = [json.dumps(row) for row in rows]
        if ending == "csv":
            lines = ["id,x,at", *(f"{row['id']},{row['x']},{row['at']}" for row in rows)]
        (tmp_path / f"{name}.{ending}").write_text("\n".join(lines) + "\n")
    raw = {"files": f"{tmp_path}/*.{ending}", "time_column": "at", "time_format": "%d/%m/%Y"}
    run = runner(raw=raw, **VECTOR)
    assert entities(run, "2026-03-02") == ["a0", "b1"]
    run = runner(raw=raw | {"time_format": "%m/%d/%Y"}, **VECTOR)
    with pytest.raises(
        SourceSchemaError, match=r"'13/03/2026', which is not %m/%d/%Y; all 4 values"
    ) as caught:
        run.run("2026-02-03")
    assert "b." + ending in str(caught.value.where)


REFUSED: list[tuple[str, list[str], tuple[str, ...]]] = [
    (
        "VARCHAR",
        texts("02/03/2026", "05/03/2026"),
        (
            "'02/03/2026' reads as 2 March 2026 (%d/%m/%Y) or 3 February 2026 (%m/%d/%Y)",
            "all 2 values",
            "set raw.time_format to one of %d/%m/%Y, %m/%d/%Y",
            "a.parquet, column at",
        ),
    ),
    ("VARCHAR", texts("02/03/2026", "13/03/2026"), ('set raw.time_format: "%d/%m/%Y"', "2 March 2026")),
    ("VARCHAR", texts("Jan 1 2026", "Jan 2 2026"), ('set raw.time_format: "%b %d %Y"',)),
    (
        "VARCHAR",
        texts("[10/Oct/2000:13:55:36 -0700]"),
        ('"[%d/%b/%Y:%H:%M:%S %z]"', "10 October 2000 13:55:36 -0700"),
    ),
    ("VARCHAR", texts("20260301", "20260302"), ('set raw.time_format: "%Y%m%d"',)),
    ("VARCHAR", texts("1772409600", "1772409601"), ('set raw.time_format: "epoch_seconds"', "2 March 2026")),
    (
        "BIGINT",
        ["1772409600", "1772409601"],
        ('set raw.time_format: "epoch_seconds"', "2 March 2026 00:00:00"),
    ),
    ("BIGINT", ["1772409600000", "1772409600001"], ('set raw.time_format: "epoch_millis"',)),
    ("BIGINT", ["20260301", "20260302"], ('set raw.time_format: "%Y%m%d"',)),
    ("DOUBLE", ["1772409600.5", "1772409601"], ('set raw.time_format: "epoch_seconds"',)),
    (
        "VARCHAR",
        texts("2026-03-02", "n/a", "2026-03-03"),
        ("1 value of 3", "'n/a', is not ISO 8601", "raw.where"),
    ),
    ("VARCHAR", texts("02/03/26"), ("the only value of at", "2 March 2026 (%d/%m/%y)", "%y/%m/%d")),
    ("VARCHAR", texts("2025-02-28", "2025-02-29"), ("1 value of 2", "'2025-02-29', is not ISO 8601")),
    ("VARCHAR", texts("2016-12-31 23:59:60"), ("'2016-12-31 23:59:60', which no known format reads",)),
    ("VARCHAR", texts("epoch"), ("'epoch', which no known format reads",)),
    ("VARCHAR", texts("yesterday", "today"), ("which no known format reads", "raw.time_format")),
    ("BIGINT", ["1", "2"], ("which no known format reads", "raw.time_format")),
]


@pytest.mark.parametrize(("kind", "values", "told"), REFUSED)
def test_what_is_not_declared_is_refused_with_its_readings(
    runner: Make, tmp_path: Path, kind: str, values: list[str], told: tuple[str, ...]
) -> None:
    parquet(tmp_path / "lake" / "a.parquet", kind, values)
    run = runner(raw={"files": f"{tmp_path}/lake/*.parquet", "time_column": "at"}, **VECTOR)
    with pytest.raises(SourceSchemaError) as caught:
        run.run("2026-03-02")
    for text in told:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("form", "values", "told"),
    [
        (
            "%d/%m/%Y",
            ["28/02/2026", "30/02/2026"],
            "1 value of 2 of at, such as '30/02/2026', is not %d/%m/%Y",
        ),
        (
            "%d/%m/%Y",
            ["30/02/2026"],
            "'30/02/2026', which is not %d/%m/%Y, and no other known format reads it",
        ),
        ("epoch_seconds", ["-1", "x"], "1 value of 2 of at, such as 'x', is not epoch_seconds"),
    ],
)
def test_what_is_not_of_the_declared_format_is_refused_with_its_line(
    runner: Make, tmp_path: Path, form: str, values: list[str], told: str
) -> None:
    """Although the texts look like the format: no calendar has the day."""
    rows = "".join(f"e{number},1,{value}\n" for number, value in enumerate(values))
    (tmp_path / "a.csv").write_text("id,x,At\n" + rows)
    raw = {"files": f"{tmp_path}/a.csv", "time_column": "at", "time_format": form}
    with pytest.raises(SourceSchemaError) as caught:
        runner(raw=raw, **VECTOR).run("2026-02-28")
    assert told in caught.value.what
    assert f"a.csv, line {len(values) + 1}, column at" in str(caught.value.where)


# The second value is of 2026-03-02, whatever the first one is.
HINTED: list[tuple[str, list[str], str, str | None]] = [
    (
        "VARCHAR",
        texts("Mon Mar 12 10:00:00 2026", "Mon Mar  2 10:00:00 2026"),
        "regexp_replace(trim(at), ' +', ' ')",
        "%a %b %d %H:%M:%S %Y",
    ),
    ("VARCHAR", texts(" 2026-03-03", "2026-03-02  10:00"), "regexp_replace(trim(at), ' +', ' ')", None),
    ("VARCHAR", texts("2026-03-03 10:00:00 utc", "2026-03-02T10:00:00z"), "upper(at)", None),
    ("VARCHAR", texts("2026-03-03 10:00 GMT", "2026-03-02 10:00 GMT"), "replace(at, ' GMT', 'Z')", None),
    ("VARCHAR", texts("2026-03-01 24:00", "2026-03-02 24:00:00"), "replace(at, ' 24:', ' 23:')", None),
    ("VARCHAR", texts("2026-03-03T00:00Z", "2026-03-02T24:00:00Z"), "replace(at, 'T24:', 'T23:')", None),
    ("BIGINT", ["46084", "46083"], EXCEL, None),
    ("DOUBLE", ["46084.0", "46083.999"], EXCEL, None),
    ("VARCHAR", texts("46084", "46083.25"), EXCEL, None),
]


@pytest.mark.parametrize(("kind", "values", "expression", "form"), HINTED)
def test_an_expression_reads_what_no_format_reads(
    runner: Make, tmp_path: Path, kind: str, values: list[str], expression: str, form: str | None
) -> None:
    raw = {"files": str(parquet(tmp_path / "a.parquet", kind, values)), "time_column": "at"}
    with pytest.raises(SourceSchemaError) as caught:
        runner(raw=raw, **VECTOR).run("2026-03-02")
    hint = f"set raw.time_column: {expression}" + (f' and raw.time_format: "{form}"' if form else ";")
    assert hint in str(caught.value.remedy)
    followed = raw | {"time_column": expression} | ({"time_format": form} if form else {})
    assert entities(runner(raw=followed, **VECTOR), "2026-03-02") == ["1"]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_24_oclock_of_a_text_file_is_refused_with_its_line(runner: Make, tmp_path: Path, ending: str) -> None:
    """DuckDB's cast would move it to the next day."""
    days = ["2026-03-02 10:00:00", "2026-03-02 24:00:00"]
    lines = ["id,x,at", *(f"{at[-8]},1,{at}" for at in days)]
    if ending == "json":
        lines = ["", *(json.dumps({"id": at[-8], "x": 1, "at": at}) for at in days)]
    (tmp_path / f"a.{ending}").write_text("\n".join(lines) + "\n")
    raw = {"files": f"{tmp_path}/a.{ending}", "time_column": "at"}
    with pytest.raises(SourceSchemaError, match=r"1 value of 2 of at, such as '2026-03-02 24") as caught:
        runner(raw=raw, **VECTOR).run("2026-03-02")
    assert f"a.{ending}, line 3, column at" in str(caught.value.where)
    with pytest.raises(ClusterAssetsError, match="24:00:00"):
        runner(raw=raw | {"columns": {"at": "timestamp"}}, **VECTOR).run("2026-03-02")


def test_a_csv_file_is_not_guessed_beside_its_neighbour(runner: Make, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x,at\na,1,02/03/2026\n")
    (tmp_path / "b.csv").write_text("id,x,at\nb,1,13/03/2026\n")
    run = runner(raw={"files": f"{tmp_path}/*.csv", "time_column": "at"}, **VECTOR)
    with pytest.raises(SourceSchemaError, match=r"all 2 values read as 2 March 2026 \(%d/%m/%Y\)"):
        run.run("2026-03-02")
    run = runner(raw={"files": f"{tmp_path}/a.csv", "time_column": "at"}, **VECTOR)
    with pytest.raises(SourceSchemaError, match=r"2 March 2026 .* or 3 February 2026"):
        run.run("2026-03-02")


SECOND, MILLIS = 1772409600, 1772409600000  # 2 March 2026


def numbers(folder: Path, ending: str, values: list[int]) -> str:
    """Write a file of entities 0, 1, … at these times; return its pattern."""
    path = folder / f"a.{ending}"
    if ending == "parquet":
        parquet(path, "BIGINT", [str(value) for value in values])
    elif ending == "csv":
        path.write_text("id,x,at\n" + "".join(f"{n},{n}.5,{value}\n" for n, value in enumerate(values)))
    else:
        path.write_text(
            "".join(json.dumps({"id": str(n), "x": n, "at": value}) + "\n" for n, value in enumerate(values))
        )
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("declared", "values", "told"),
    [
        ("epoch_seconds", [MILLIS, MILLIS + 1], "all 2 values read as 2 March 2026 00:00:00 (epoch_millis)"),
        ("epoch_seconds", [SECOND, MILLIS], f"1 value of 2 of at, such as '{MILLIS}', is not epoch_seconds"),
        ("epoch_millis", [SECOND, SECOND], "all 2 values read as 2 March 2026 00:00:00 (epoch_seconds)"),
        ("epoch_millis", [SECOND, MILLIS], f"1 value of 2 of at, such as '{SECOND}', is not epoch_millis"),
        ("epoch_micros", [MILLIS], "it reads as 2 March 2026 00:00:00 (epoch_millis)"),
        ("epoch_nanos", [MILLIS * 1000], "it reads as 2 March 2026 00:00:00 (epoch_micros)"),
        ("epoch_micros", [MILLIS * 10**6], "it reads as 2 March 2026 00:00:00 (epoch_nanos)"),
        (None, [MILLIS, SECOND], f"1 value of 2 of from_unixtime(at), such as '{MILLIS}'"),
    ],
)
def test_a_number_in_another_unit_than_declared_is_refused(
    runner: Make, tmp_path: Path, ending: str, declared: str | None, values: list[int], told: str
) -> None:
    """It would be on another day, of 1970 or of a year beyond 5138."""
    raw = {"files": numbers(tmp_path, ending, values), "time_column": "from_unixtime(at)"}
    if declared:
        raw |= {"time_column": "at", "time_format": declared}
    with pytest.raises(SourceSchemaError) as caught:
        runner(raw=raw, **VECTOR).run("2026-03-02", until="points")
    assert told in caught.value.what
    assert str(caught.value.where).startswith(f"{tmp_path}/a.{ending}")
    assert (", line " in str(caught.value.where)) == (ending != "parquet")


def test_a_missing_time_and_rows_that_raw_where_leaves_out_are_not_refused(
    runner: Make, tmp_path: Path
) -> None:
    raw = {"time_column": "at", "time_format": "epoch_seconds"}
    files = numbers(tmp_path, "csv", [SECOND, 0, -1, 5_000_000_000, MILLIS])
    with pytest.raises(SourceSchemaError, match=f"'{MILLIS}', is not epoch_seconds"):
        runner(raw=raw | {"files": files}, **VECTOR).run("2026-03-02", until="points")
    run = runner(raw=raw | {"files": files, "where": "at < 100000000000"}, **VECTOR)
    assert entities(run, "2026-03-02") == ["0"]
    assert entities(run, "2026-03-03") == []


def test_the_refusal_reads_no_row_group_that_it_need_not(tmp_path: Path) -> None:
    """Statistics of row groups rule out both the day and every other unit."""
    path = tmp_path / "a.parquet"
    seconds = f"SELECT {SECOND} + i * 10 AS at, 'e' AS id, 1.0 AS x FROM range(500000) AS r(i)"
    duckdb.execute(f"COPY ({seconds}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 20480)")
    made = PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": "2026-03-01",
            "raw": {"files": str(path), "time_column": "at", "time_format": "epoch_seconds"},
            "entity": "id",
            "algorithm": {"type": "dbscan"},
            **VECTOR,
        }
    )
    counts = plan(made, parse_day("2026-03-02"), {"at": "bigint", "id": "varchar", "x": "double"}).counts
    text = duckdb_text(counts, {"raw": from_item(FileRelation((str(path),)))})
    profile = json.loads(duckdb.execute(f"EXPLAIN (ANALYZE, FORMAT json) {text}").fetchall()[0][1])["query"]
    assert (profile["total_row_groups_scanned"], profile["total_row_groups_to_scan"]) == (1, 25)


def zoned(path: Path, unit: str, entities: str, *times: str) -> None:
    read = pd.Series(pd.to_datetime(list(times), format="ISO8601", utc=True))
    at = read.astype(f"datetime64[{unit}, America/New_York]")
    pd.DataFrame({"id": list(entities), "x": 1.0, "at": at}).to_parquet(path)


def test_nanoseconds_with_a_zone(runner: Make, tmp_path: Path) -> None:
    """As pandas writes times with a zone: DuckDB compares this type with no other."""
    ends = ("2026-03-01T23:59:59.999999", "2026-03-02T00:00", "2026-03-02T23:59", "2026-03-03T00:00")
    zoned(tmp_path / "a.parquet", "ns", "abcd", *ends)
    raw = {"files": f"{tmp_path}/*.parquet", "time_column": "at"}
    run = runner(raw=raw, **VECTOR)
    assert entities(run, "2026-03-02") == ["b", "c"]
    assert find_first_day(run.spec, run.backend) == parse_day("2026-03-01")

    zoned(tmp_path / "b.parquet", "us", "e", "2026-03-02T12:00")
    declared = "timestamp with time zone"
    with pytest.raises(SourceSchemaError, match=rf"raw\.columns: {{at: {declared}}}"):
        entities(run, "2026-03-02")
    run = runner(raw=raw | {"columns": {"at": declared}}, **VECTOR)
    assert entities(run, "2026-03-02") == ["b", "c", "e"]


def test_an_offset_after_a_blank(runner: Make, tmp_path: Path) -> None:
    """As `git log --date=iso` prints it."""
    times = ("2026-03-02 00:30:00 +0100", "2026-03-02 00:30:00 +00", "2026-03-01 23:30:00 -01:00")
    rows = "".join(f"{name},1,{time}\n" for name, time in zip("abc", times, strict=True))
    (tmp_path / "a.csv").write_text(f"id,x,at\n{rows}")
    run = runner(raw={"files": f"{tmp_path}/*.csv", "time_column": "at"}, **VECTOR)
    assert entities(run, "2026-03-02") == ["b", "c"]
