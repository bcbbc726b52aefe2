"""Unusual input works, or the error names a remedy, and the remedy works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    SourceMissingError,
    SourceSchemaError,
    SourceUnreadableError,
)
from cluster_assets.opening import open_backend
from cluster_assets.operations.exports import export_table
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from tests.flow.conftest import Runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster_assets.backends.ports import Invoker
    from cluster_assets.spec.pipeline import Limits

DAY = "2026-01-02"
ROWS = "SELECT 'e' || range AS id, range // 3 * 10 + 0.5e0 AS v FROM range(9)"
VECTOR: dict[str, Any] = {
    "features": {"vector": ["max(v)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
}


def write(query: str, path: Path) -> Path:
    """The rows of a query, of the day of these tests."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        relation = connection.sql(f"SELECT TIMESTAMP '{DAY} 01:02:03' AS at, * FROM ({query})")
        (relation.write_csv if path.suffix == ".csv" else relation.write_parquet)(str(path))
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("folder", ["a[1]", "b?x*", "[it's] {1,2}"])
def test_any_folder_holds_a_lake_and_a_home(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warm_workers: Callable[[Limits], Invoker],
    folder: str,
    ending: str,
) -> None:
    place = tmp_path / folder
    write(ROWS, place / "lake" / f"x[1].{ending}")
    for decoy in ("a1", "bxxx", "i {1,2}"):
        write("SELECT 'decoy' AS id, 0 AS v", tmp_path / decoy / "lake" / f"x1.{ending}")
        (tmp_path / decoy / "home").mkdir()
    monkeypatch.setenv("CLUSTER_HOME", str(place / "home"))
    spec = PipelineSpec.model_validate(
        {
            "name": "demo",
            "start_date": "2026-01-01",
            "raw": {"files": f"{place}/lake/*.{ending}", "time_column": "at"},
            "entity": "id",
            # In bins, which are partitions of a table that SQL writes.
            "algorithm": {"type": "agglomerative"},
            **VECTOR,
        }
    )
    with open_backend(load_settings()) as backend:
        # After the clusters, nothing depends on the format of the source.
        until = "report" if ending == "parquet" else "clusters"
        run = Runner(replace(backend, invoker_for=warm_workers), spec, until)
        done = run.run(DAY)
        assert done["clusters"].manifest.metrics["clusters"] == 3
        assert done["points"].manifest.metrics["entities"] == 9
        assert export_table(run.ledger, "clusters", parse_day(DAY), place / "out.csv") == 9


def told(run: Runner, error: type[ClusterAssetsError], *texts: str) -> None:
    """The day is refused, and the message says all of `texts`."""
    with pytest.raises(error) as caught:
        run.run(DAY)
    for text in texts:
        assert text in str(caught.value)


def clusters_of(run: Runner) -> int:
    return int(run.run(DAY)["clusters"].manifest.metrics["clusters"])


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A database with a table and views of all kinds."""
    write(ROWS, tmp_path / "lake" / "x.parquet")
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE logs AS FROM '{tmp_path}/lake/x.parquet'")
        connection.execute("CREATE VIEW of_table AS FROM logs")
        connection.execute(f"CREATE VIEW of_files AS FROM read_parquet('{tmp_path}/lake/*.parquet')")
        connection.execute("CREATE VIEW of_view AS FROM of_files")
        connection.execute(
            "CREATE TABLE old AS FROM logs; CREATE VIEW of_nothing AS FROM old; DROP TABLE old"
        )
        connection.execute("CREATE SCHEMA lake; CREATE TABLE lake.events AS FROM logs")
    monkeypatch.setenv("CLUSTER_DUCKDB_DATABASE", str(path))
    return path


def test_a_view_over_files_names_them_and_both_ways_out_work(
    database: Path, runner: Callable[..., Runner]
) -> None:
    def of(**raw: str) -> Runner:
        return runner(raw={"time_column": "at", **raw}, **VECTOR)

    assert clusters_of(of(table="of_table")) == 3
    for view in ("of_files", "of_view"):
        told(
            of(table=view),
            SourceUnreadableError,
            f"the view {view} reads {database.parent}/lake/*.parquet",
            "raw.files",
            f"CREATE TABLE {view}_rows AS FROM {view}",
        )
    by_files = of(files=f"{database.parent}/lake/*.parquet")
    assert clusters_of(by_files) == 3
    by_files.backend.engine.close()  # type: ignore[attr-defined]  # a process opens a database once
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE of_view_rows AS FROM of_view")
    assert clusters_of(of(table="of_view_rows")) == 3
    told(of(table="of_nothing"), SourceUnreadableError, "the view of_nothing cannot be read", "old")
    told(of(table="log"), SourceMissingError, "did you mean logs?", "lake.events")


OWN = "an expression of the pipeline converts its own text 'none'"
HOLDS = "a value of the source cannot be converted"


@dataclass(frozen=True)
class Conversion:
    """An expression that is refused, what is said of it, and the one that the remedy makes of it."""

    wrong: str
    texts: tuple[str, ...]
    right: str


CONVERSIONS = [
    Conversion("max(coalesce(v, 'none'))", (OWN, "of the type"), "max(coalesce(v, 0))"),
    Conversion(
        "sum(if(v != 'none', 1, 0))",
        (OWN, "cast(v AS varchar)"),
        "sum(if(cast(v AS varchar) != 'none', 1, 0))",
    ),
    Conversion(
        "max(cast(w AS bigint))",
        (HOLDS, "column w of"),
        "max(try_cast(w AS bigint))",
    ),
    Conversion(
        "max(cast(coalesce(w, 'nothing') AS bigint))",
        (HOLDS, "'nothing2'", "column w of"),
        "max(try_cast(coalesce(w, '0') AS bigint))",
    ),
    Conversion(
        "max(day_of_week(cast('2026-13-01' AS date)))",
        ("own text '2026-13-01'",),
        "max(day_of_week(cast('2026-12-01' AS date)))",
    ),
]


@pytest.mark.parametrize("is_table", [False, True], ids=["files", "table"])
@pytest.mark.parametrize("case", CONVERSIONS, ids=lambda case: case.wrong)
def test_a_text_that_is_not_a_number_is_reported_with_its_expression_or_column(
    database: Path, runner: Callable[..., Runner], is_table: bool, case: Conversion
) -> None:
    lake = database.parent / "more"
    numbered = "SELECT id, v::BIGINT AS v, if(v > 15, 'nothing2', '7') AS w"
    write(f"{numbered} FROM ({ROWS}) WHERE v < 15", lake / "0.parquet")
    write(f"{numbered} FROM ({ROWS}) WHERE v > 15 UNION ALL SELECT 'e0', NULL, '7'", lake / "1.parquet")
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"CREATE TABLE texts AS FROM '{lake}/*.parquet'")
    place = {"table": "texts"} if is_table else {"files": f"{lake}/*.parquet"}

    def of(expression: str) -> Runner:
        features = {"vector": [expression, "max(v)"]}
        return runner(
            raw={"time_column": "at", **place}, on_invalid="exclude", **VECTOR | {"features": features}
        )

    blamed = "column w of texts" if is_table else f"column w of {lake}/1.parquet"
    told(of(case.wrong), EngineError, *(blamed if text == "column w of" else text for text in case.texts))
    assert of(case.right).run(DAY)["points"].manifest.metrics["entities"] > 0


@dataclass(frozen=True)
class Drift:
    """A column of another type in the second file: the error, and whether its remedy works."""

    first: str
    second: str
    texts: tuple[str, ...]
    declared: str
    expression: str = "max(v)"


LARGE = 2**53 + 1
DRIFTS = {
    "int and double": Drift(
        "v::BIGINT", "v", ("v is double, not bigint", "raw.columns: {v: double}"), "double"
    ),
    "double and int": Drift("v", "v::INTEGER", ("v is integer, not double", "{v: double}"), "double"),
    "whole doubles as int": Drift("v::BIGINT", "floor(v)::DOUBLE", ("{v: double}",), "bigint"),
    "decimal and double": Drift(
        "v::DECIMAL(9,2)", "v", ("v is double, not decimal(9,2)", "{v: double}"), "double"
    ),
    "number and text": Drift(
        "v::BIGINT", "(v::BIGINT)::VARCHAR", ("{v: varchar}",), "varchar", "max(cast(v AS double))"
    ),
    "text read as a number": Drift("v::BIGINT", "v::VARCHAR", ("{v: varchar}",), "double"),
    "date and timestamp": Drift(
        "DATE '2026-01-01'", "TIMESTAMP '2026-01-02 12:00:00'", ("{v: timestamp}",), "timestamp",
        "max(date_diff('hour', timestamp '2026-01-01 00:00:00', v))",
    ),
}  # fmt: skip


def drifting(lake: Path, first: str, second: str) -> None:
    write(f"SELECT id, {first} AS v FROM ({ROWS}) WHERE v < 15", lake / "0.parquet")
    write(f"SELECT id, {second} AS v FROM ({ROWS}) WHERE v > 15", lake / "1.parquet")


@pytest.mark.parametrize("name", DRIFTS)
def test_a_type_that_drifts_can_be_declared_as_the_error_says(
    tmp_path: Path, runner: Callable[..., Runner], name: str
) -> None:
    case = DRIFTS[name]
    drifting(tmp_path, case.first, case.second)

    def of(**columns: str) -> Runner:
        raw = {"files": f"{tmp_path}/*.parquet", "time_column": "at", "columns": columns}
        return runner(raw=raw, **VECTOR | {"features": {"vector": [case.expression]}})

    told(of(), SourceSchemaError, "1.parquet", *case.texts)
    run = of(v=case.declared)
    run.run(DAY)
    found = dict(
        run.table("members", DAY).merge(run.table("points", DAY))[["entity", "x0"]].to_numpy().tolist()
    )
    if case.declared == "timestamp":
        assert set(found.values()) == {0.0, 36.0}
        return
    for number in range(9):
        value = number // 3 * 10 + 0.5
        stored = case.first if value < 15 else case.second
        ((expected,),) = duckdb.sql(f"SELECT ({stored})::DOUBLE FROM (SELECT {value}e0 AS v)").fetchall()
        assert found[f"e{number}"] == expected


@pytest.mark.parametrize(
    ("first", "second", "declared", "texts"),
    [
        (f"{LARGE}::BIGINT", "0.5e0", "double", ("0.parquet", str(LARGE), "changes 6 values")),
        ("1::BIGINT", "0.5e0", "bigint", ("1.parquet", "0.5", "{v: double}")),
        ("1::BIGINT", "'NaN'::DOUBLE", "bigint", ("1.parquet", "nan", "{v: double}")),
        ("1::BIGINT", "'1.5'", "bigint", ("1.parquet", "1.5", "{v: varchar}", "try_cast")),
        ("1::BIGINT", "'none'", "double", ("1.parquet", "none", "{v: varchar}", "try_cast")),
        ("9223372036854775807", "-9.5e0", "double", ("0.parquet", "9223372036854775807")),
        ("40000::INTEGER", "1::SMALLINT", "smallint", ("0.parquet", "40000")),
    ],
)
def test_a_value_that_another_type_cannot_hold_is_refused_with_its_file(
    tmp_path: Path,
    runner: Callable[..., Runner],
    first: str,
    second: str,
    declared: str,
    texts: tuple[str, ...],
) -> None:
    drifting(tmp_path, first, second)
    raw = {"files": f"{tmp_path}/*.parquet", "time_column": "at", "columns": {"v": declared}}
    told(runner(raw=raw, **VECTOR), SourceSchemaError, *texts)


def test_large_whole_numbers_beside_whole_doubles_are_kept(
    tmp_path: Path, runner: Callable[..., Runner]
) -> None:
    drifting(tmp_path, f"{LARGE}::BIGINT", "7e0")
    raw = {"files": f"{tmp_path}/*.parquet", "time_column": "at", "columns": {"v": "bigint"}}
    run = runner(raw=raw, **VECTOR | {"entity": "cast(v AS varchar)", "features": {"vector": ["count(*)"]}})
    run.run(DAY)
    assert set(run.table("members", DAY)["entity"]) == {str(LARGE), "7"}
