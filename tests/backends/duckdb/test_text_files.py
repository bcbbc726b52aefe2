"""CSV and JSON files whose guessed types differ, that are empty, or that hold a value of another kind."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation, TableRelation
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    SourceSchemaError,
    SourceUnreadableError,
)
from cluster_assets.stages.raw.files import check_columns

if TYPE_CHECKING:
    from pathlib import Path

CSV = {
    "whole": "v,at\n1,2026-03-01\n",
    "decimal": "v,at\n1.5,2026-03-01 10:00:00\n",
    "hollow": "v,at\n,\n,\n",
    "header": "v,at\n",
    "nothing": "",
}
JSON = {
    "whole": '{"v": 1, "at": "2026-03-01"}\n',
    "decimal": '{"v": 1.5, "at": "2026-03-01 10:00:00"}\n',
    "hollow": '{"v": null, "at": null}\n{"v": null, "at": null}\n',
    "nothing": "",
}
SUMS = "SELECT avg(t.v) AS v, count(*) AS n, max(CAST(t.at AS TIMESTAMP)) AS at FROM t"


def relation(bench: Any, kind: str, texts: dict[str, str], **types: str) -> FileRelation:
    bench.folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (bench.folder / f"{name}.{kind}").write_text(text, encoding="utf-8")
    return FileRelation(tuple(str(bench.folder / f"{name}.{kind}") for name in texts), kind, types)


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(("kind", "texts"), [("csv", CSV), ("json", JSON)])
def test_harmless_differences_of_guessed_types_are_read_as_one(
    bench: Any, kind: str, texts: dict[str, str], step: int
) -> None:
    """In whatever order the files are: every seventh order begins with each file, the long test has all."""
    orders = list(itertools.permutations(texts))[::step]
    assert {names[0] for names in orders} == set(texts)
    for names in orders:
        files = relation(bench, kind, {name: texts[name] for name in names})
        schema = check_columns(bench.engine, files, ("v", "at"), {})
        assert schema["v"] == "double"
        assert schema["at"] == "timestamp"
        row = bench.engine.fetch(bench.statement(SUMS), {"t": files}).rows[0]
        assert (row["v"], row["n"], str(row["at"])) == (1.25, 4, "2026-03-01 10:00:00")


@pytest.mark.parametrize(
    ("kind", "text", "rows"),
    [("csv", "", 0), ("csv", "v,at\n", 0), ("csv", "v,at\n,\n", 1), ("json", "", 0), ("json", "\n\n", 0)],
)
@pytest.mark.parametrize("types", [{}, {"v": "double"}])
def test_a_source_without_values_is_an_empty_table(
    bench: Any, kind: str, text: str, rows: int, types: dict[str, str]
) -> None:
    files = relation(bench, kind, {"a": text}, **types)
    assert set(check_columns(bench.engine, files, ("v", "at"), types)) == {"v", "at"}
    row = bench.engine.fetch(bench.statement(SUMS), {"t": files}).rows[0]
    assert tuple(row.values()) == (None, rows, None)


def test_a_header_without_a_needed_column_is_still_an_error(bench: Any) -> None:
    files = relation(bench, "csv", {"a": "v,at\n1,2026-03-01\n", "b": "v\n"})
    with pytest.raises(SourceSchemaError, match=r"(?s)at is missing.*b\.csv"):
        check_columns(bench.engine, files, ("v", "at"), {})


def test_a_real_difference_names_raw_columns(bench: Any) -> None:
    files = relation(bench, "csv", {"a": "v\n1\n", "b": "v\nabc\n"})
    with pytest.raises(SourceSchemaError, match=r"(?s)v is varchar.*b\.csv.*raw\.columns"):
        check_columns(bench.engine, files, ("v",), {})


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_declared_name_may_differ_in_case(bench: Any, kind: str) -> None:
    files = relation(bench, kind, {"a": "V\n007\n" if kind == "csv" else '{"V": 7}\n'}, v="varchar")
    assert check_columns(bench.engine, files, ("v",), {"v": "varchar"})["v"] == "varchar"
    assert bench.one("SELECT max(t.v) AS v FROM t", t=files) == ("007" if kind == "csv" else "7")


def test_json_keys_of_two_spellings_are_refused(bench: Any) -> None:
    files = relation(bench, "json", {"a": '{"v": 7}\n', "b": '{"V": 7}\n'})
    with pytest.raises(SourceSchemaError, match=r"(?s)V is spelled v.*b\.json"):
        check_columns(bench.engine, files, ("v",), {})


@pytest.mark.parametrize(
    ("kind", "query", "texts", "types"),
    [
        ("csv", "SELECT avg(t.v) AS v FROM t", {"a": "v\n1\n", "b": "v\nabc\n"}, {"v": "double"}),
        ("json", "SELECT avg(t.v) AS v FROM t", {"a": '{"v": 1}\n', "b": '{"v": "abc"}\n'}, {"v": "double"}),
        ("csv", "SELECT max(CAST(t.v AS TIMESTAMP)) AS v FROM t", {"a": "v\n2026-03-01\n", "b": "v\nabc\n"},
         {"v": "varchar"}),
    ],
)  # fmt: skip
def test_a_value_that_does_not_cast_names_its_file(
    bench: Any, kind: str, query: str, texts: dict[str, str], types: dict[str, str]
) -> None:
    files = relation(bench, kind, texts, **types)
    with pytest.raises(SourceUnreadableError, match="abc") as caught:
        bench.one(query, t=files)
    assert f"b.{kind}" in str(caught.value.where)
    assert "raw.columns" in str(caught.value.remedy) or kind == "json"


def test_text_in_a_column_of_numbers_says_which_file_and_to_declare_it(bench: Any) -> None:
    files = relation(bench, "csv", {"a": "v\n1\nabc\n"})
    with pytest.raises(SourceSchemaError, match=r"(?s)a\.csv.*raw\.columns"):
        bench.one("SELECT avg(t.v) AS v FROM t", t=files)


def test_a_binary_file_says_what_is_wrong(bench: Any) -> None:
    files = relation(bench, "csv", {"a": ""})
    (bench.folder / "a.csv").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(ClusterAssetsError) as caught:
        check_columns(bench.engine, files, ("v",), {})
    assert len(caught.value.what.rpartition(": ")[2].strip()) > 5
    assert "a.csv" in str(caught.value.where)


def test_a_bad_database_does_not_break_files(bench: Any, tmp_path: Path) -> None:
    files = relation(bench, "csv", {"a": "v\n1\n"})
    with DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=tmp_path / "no" / "no.db")) as engine:
        assert engine.fetch(bench.statement("SELECT t.v AS v FROM t"), {"t": files}).rows == ({"v": 1},)


def test_a_locked_database_says_so(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    script = f"import duckdb; c = duckdb.connect({str(database)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with (
            DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=database)) as engine,
            pytest.raises(EngineError, match=r"(?s)locked.*close the program"),
        ):
            engine.describe(TableRelation("t"))
        writer.communicate(b"\n")
