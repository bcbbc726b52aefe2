"""The source: which files, which format, and whether every file has the agreed columns."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster_assets.backends.ports import FileRelation, TableRelation
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SourceMissingError, SourceSchemaError, SpecError
from cluster_assets.domain.tables import Column
from cluster_assets.domain.text_files import NO_USE, Use
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.raw.column_uses import column_uses
from cluster_assets.stages.raw.days import files_of
from cluster_assets.stages.raw.files import (
    check_columns,
    detect_format,
    expand,
    list_source_files,
    source_relation,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def listed(root: Path, pattern: str, **environment: str) -> list[str]:
    files = list_source_files(pattern, root=root, environment=environment)
    return [str(Path(file.uri).relative_to(root)) for file in files]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for name in (
        "b.parquet",
        "a.parquet",
        "day=1/c.parquet",
        "day=2/deep/d.parquet",
        "_SUCCESS",
        ".hidden.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path


def test_globs_are_sorted_files_without_hidden_ones(lake: Path) -> None:
    assert listed(lake, "*.parquet") == ["a.parquet", "b.parquet"]
    assert listed(lake, "**/*.parquet") == [
        "a.parquet",
        "b.parquet",
        "day=1/c.parquet",
        "day=2/deep/d.parquet",
    ]
    assert listed(lake, str(lake / "a.*")) == ["a.parquet"]
    (file,) = list_source_files("a.parquet", root=lake, environment={})
    assert (file.bytes, file.modified_ns) == (5, (lake / "a.parquet").stat().st_mtime_ns)


def test_a_name_with_pattern_characters_is_a_name_first(lake: Path) -> None:
    (lake / "x[1].csv").write_bytes(b"x")
    assert listed(lake, "x[1].csv") == ["x[1].csv"]


@pytest.mark.parametrize("folder", ["a[1]", "b?x", "c*y", "[z]", "i[!a]", "d{1,2}", "e'f"])
def test_a_folder_with_pattern_characters_is_a_folder_first(lake: Path, folder: str) -> None:
    for name in (folder, "a1", "bxx", "cxy", "z", "ib"):
        (lake / name).mkdir()
        (lake / name / "x.parquet").write_bytes(b"x")
    for pattern in ("x.parquet", "*.parquet", "**/x.*"):
        assert listed(lake, f"{folder}/{pattern}") == [f"{folder}/x.parquet"]
    assert f"{folder}/x.parquet" in listed(lake, "*/x.parquet")
    (lake / "*").mkdir()
    (lake / "*" / "y.parquet").write_bytes(b"x")
    assert "a1/x.parquet" in listed(lake, "*/x.parquet"), "a star is any name, even where one is called so"


def test_a_pattern_that_matches_nothing_tells_of_its_brackets(lake: Path) -> None:
    with pytest.raises(SourceMissingError) as caught:
        listed(lake, "*/year[2026]/*.parquet")
    assert "[[] is the bracket itself" in str(caught.value.remedy)
    (lake / "day=1" / "year[2026]").mkdir()
    (lake / "day=1" / "year[2026]" / "x.parquet").write_bytes(b"x")
    assert listed(lake, "*/year[[]2026]/*.parquet") == ["day=1/year[2026]/x.parquet"]


@pytest.mark.parametrize("pattern", ["*.csv", "nothing/*.parquet", "day=1", "."])
def test_no_match_names_the_pattern(lake: Path, pattern: str) -> None:
    with pytest.raises(SourceMissingError, match="no file matches") as caught:
        listed(lake, pattern)
    assert pattern in str(caught.value.where)
    assert caught.value.remedy


def test_other_addresses_need_a_table(lake: Path) -> None:
    with pytest.raises(SpecError, match=r"raw\.table"):
        listed(lake, "s3://bucket/*.parquet")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain/*.csv", "plain/*.csv"),
        ("${A}/x", "one/x"),
        ("${EMPTY:-d}/x", "d/x"),
        ("${NO:-d}/x", "d/x"),
        ("${NO:-}/x", "/x"),
        ("${NO:-${A}/lake}/x", "one/lake/x"),
        ("${A:-${NO}}", "one"),
        ("${NO:-${ALSO_NO:-${A}}}${A}", "oneone"),
        ("${ODD}", "${A}"),
        ("$A/{x}", "$A/{x}"),
    ],
)
def test_variables_expand(text: str, value: str) -> None:
    assert expand(text, {"A": "one", "EMPTY": "", "ODD": "${A}"}) == value


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(SpecError, match="variable NO is not set"):
        expand("${NO}/x", {})
    with pytest.raises(SpecError, match="no closing brace"):
        expand("x/${NO", {})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.parquet", "parquet"),
        ("A.CSV", "csv"),
        ("a.tsv.gz", "csv"),
        ("a.jsonl.gz", "json"),
        ("a.b.ndjson", "json"),
    ],
)
def test_formats_by_ending(name: str, kind: str) -> None:
    assert detect_format([f"/x/{name}", f"/y/{name}"]) == kind


@pytest.mark.parametrize("names", [["a.txt"], ["a"], ["a.parquet.gz"], ["a.csv", "b.json"]])
def test_unknown_and_mixed_formats_are_refused(names: list[str]) -> None:
    with pytest.raises(SpecError):
        detect_format([f"/x/{name}" for name in names])


def test_files_of_a_day_are_told_by_their_folder(lake: Path) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        (lake / f"dt={day}").mkdir()
        (lake / f"dt={day}" / "x.parquet").write_bytes(b"x")
    files = list_source_files("**/*.parquet", root=lake, environment={})
    kept = files_of(spec(raw={"files": "x", "partition_column": "dt"}).raw, files, parse_day("2026-03-02"))
    assert [Path(file.uri).name for file in kept] == [
        "a.parquet",
        "b.parquet",
        "c.parquet",
        "d.parquet",
        "x.parquet",
    ]
    assert "dt=2026-03-02" in kept[-1].uri


def spec(**changes: Any) -> PipelineSpec:
    base: dict[str, Any] = {
        "name": "p",
        "start_date": "2026-03-01",
        "raw": {"files": "*.csv", "time_column": "at", "columns": {"v": "bigint"}},
        "entity": "id",
        "features": {"set": "kind || '/' || cast(port AS varchar)"},
        "distance": {"metric": "jaccard", "threshold": 0.5},
        "algorithm": {"type": "dbscan"},
    }
    return PipelineSpec.model_validate(base | changes)


def test_columns_are_read_as_the_expressions_use_them() -> None:
    assert column_uses(spec()) == {"id": Use.TEXT, "kind": Use.TEXT, "port": Use.TEXT, "at": NO_USE}
    numbers = spec(features={"set": "cast(port / 2 AS varchar)"}, entity="lower(id)")
    assert column_uses(numbers) == {"id": Use.TEXT, "port": Use.NUMBER, "at": NO_USE}
    vectors = spec(
        features={"vector": ["avg(port)", "max(id)", "count(n)", "max(cast(c AS double))"]},
        distance={"metric": "euclidean", "threshold": 1},
        raw={
            "files": "x",
            "time_column": "at",
            "where": "zip = '02134' AND v > -5 AND flag AND w IS NOT NULL",
        },
    )
    assert column_uses(vectors) == {
        "id": Use.TEXT | Use.NUMBER,
        "port": Use.NUMBER,
        "n": NO_USE,
        "c": NO_USE,
        "zip": Use.TEXT,
        "v": Use.NUMBER,
        "flag": Use.VALUE,
        "w": NO_USE,
        "at": NO_USE,
    }
    mixed = {
        "colour": {"category": "max(colour)"},
        "name": {"text": "coalesce(min(name), any_value(other))"},
        "size": {"number": "max(size)"},
    }
    made = spec(features={"mixed": mixed}, distance={"metric": "gower", "threshold": 0.5})
    assert column_uses(made) == {
        "id": Use.TEXT,
        "colour": Use.TEXT | Use.ORDERED,
        "name": Use.TEXT | Use.ORDERED,
        "other": Use.TEXT | Use.ORDERED,
        "size": Use.NUMBER,
        "at": NO_USE,
    }


def test_the_relation_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n")
    files = list_source_files("a.csv", root=tmp_path, environment={})
    made = spec()
    relation = source_relation(made.raw, made, files)
    uses = column_uses(made) | {"v": NO_USE}
    assert relation == FileRelation((files[0].uri,), "csv", {"v": "bigint"}, uses=uses)
    table = spec(raw={"table": "lake.events", "time_column": "at"})
    assert source_relation(table.raw, table, ()) == TableRelation("lake.events")


def test_hive_folders_make_a_column_only_where_all_files_have_one(tmp_path: Path) -> None:
    made = spec(raw={"files": "x", "partition_column": "dt"})
    for name in ("dt=2026-03-01/a.parquet", "b.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    files = list_source_files("**/*.parquet", root=tmp_path, environment={})
    both = source_relation(made.raw, made, files)
    one = source_relation(made.raw, made, files[1:])
    assert isinstance(both, FileRelation)
    assert isinstance(one, FileRelation)
    assert (both.partition_column, one.partition_column) == (None, "dt")


def test_columns_of_all_files_are_checked(bench: Any) -> None:
    a = bench.parquet("SELECT 'x' AS src_ip, 1::INTEGER AS port, 1e0 AS v", "a.parquet")
    b = bench.parquet("SELECT 2e0 AS v, 5::BIGINT AS port, 'y' AS SRC_IP, true AS more", "b.parquet")
    files = FileRelation((*a.uris, *b.uris))
    schema = check_columns(bench.engine, files, ("src_ip", "port"), {"v": "double"})
    assert schema["src_ip"] == "varchar"
    assert schema["port"] == "bigint"
    assert schema["v"] == "double"


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ("SELECT 'y' AS source_ip, 1 AS port", "column src_ip.*missing.*b.parquet.*did you mean source_ip"),
        ("SELECT 'y' AS src_ip", "column port.*missing.*b.parquet"),
        ("SELECT 'y' AS src_ip, '1' AS port", "port is varchar, not integer as in.*b.parquet"),
        ("SELECT 5.5 AS src_ip, 1 AS port", r"src_ip is decimal\(2,1\), not varchar as raw.*says.*b.parquet"),
        ("SELECT 'y' AS src_ip, 1e0 AS port", "port is double, not integer"),
    ],
)
def test_a_missing_renamed_or_retyped_column_names_the_file(bench: Any, second: str, told: str) -> None:
    a = bench.parquet("SELECT 'x' AS src_ip, 1 AS port", "a.parquet")
    b = bench.parquet(second, "b.parquet")
    with pytest.raises(SourceSchemaError, match=f"(?s){told}"):
        check_columns(
            bench.engine, FileRelation((*a.uris, *b.uris)), ("src_ip", "port"), {"src_ip": "varchar"}
        )


def test_a_renamed_csv_column_is_told_before_it_is_read(bench: Any) -> None:
    bench.folder.mkdir()
    (bench.folder / "a.csv").write_text("src,port\nx,1\n")
    relation = FileRelation((str(bench.folder / "a.csv"),), "csv", {"src_ip": "varchar"})
    with pytest.raises(SourceSchemaError, match=r"src_ip.*missing"):
        check_columns(bench.engine, relation, ("src_ip",), {})


def test_columns_of_a_relation_without_files(bench: Any) -> None:
    empty = FileRelation((), columns=(Column("a", "varchar"),))
    assert check_columns(bench.engine, empty, ("a",), {}) == {"a": "varchar"}


@pytest.mark.parametrize(("second", "says"), [("x", "the column x twice"), ("X", "the columns x and X")])
def test_two_columns_of_one_name_in_parquet_are_refused_where_it_is_needed(
    bench: Any, tmp_path: Path, second: str, says: str
) -> None:
    """The engine would read the first one."""
    path = tmp_path / "a.parquet"
    columns = [pa.array(["a"]), pa.array([1.0]), pa.array([2.0])]
    pq.write_table(pa.Table.from_arrays(columns, names=["id", "x", second]), path)
    files = FileRelation((str(path),))
    assert check_columns(bench.engine, files, ("id",), {})["id"] == "varchar"
    with pytest.raises(SourceSchemaError, match=rf"(?s){says}.*a\.parquet.*another name"):
        check_columns(bench.engine, files, ("id", "x"), {})


@pytest.mark.parametrize(
    ("nested", "kind"),
    [
        (lambda value: value, "decimal(50,2)"),
        (pa.list_, "array(decimal(50,2))"),
        (lambda value: pa.struct([("x", value)]), "row(x decimal(50,2))"),
    ],
)
def test_decimals_that_the_engine_would_round_are_refused_where_they_are_needed(
    bench: Any, tmp_path: Path, nested: Callable[[pa.DataType], pa.DataType], kind: str
) -> None:
    """DuckDB reads more than 38 digits as a double."""
    path = tmp_path / "a.parquet"
    columns = [
        pa.array(["a"]),
        pa.array([None], nested(pa.decimal256(50, 2))),
        pa.array([Decimal("12345678901234567890.12345678")], pa.decimal256(38, 8)),
    ]
    pq.write_table(pa.Table.from_arrays(columns, names=["id", "wide", "v"]), path)
    files = FileRelation((str(path),))
    schema = check_columns(bench.engine, files, ("id", "v"), {})
    assert (schema["v"], schema["wide"]) == ("decimal(38,8)", kind)
    assert bench.one("SELECT cast(t.v AS varchar) FROM t", t=files) == "12345678901234567890.12345678"
    for declared in ({}, {"wide": "double"}):
        with pytest.raises(SourceSchemaError, match=rf"(?s)wide is {re.escape(kind)}.*38 digits.*a\.parquet"):
            check_columns(bench.engine, files, ("wide",), declared)
