"""Random tables, read through the product: what Python's csv and json modules read, or a refusal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from random_tables import (
    JSON_NUMBER,
    Dialect,
    Table,
    csv_files,
    has_a_type,
    is_same,
    json_content,
    json_rows,
    store,
    store_parquet,
    tables,
)

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import Statement
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points.kinds import needed_columns
from cluster_assets.stages.raw.files import check_columns, list_source_files, source_relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from random_tables import Cell

FEW, MANY = 2_100, 60_000  # rows before those that surprise


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbEngine]:
    with DuckDbEngine(DuckDbConfig(2, 512, tmp_path_factory.mktemp("engine"))) as opened:
        yield opened


def read(engine: DuckDbEngine, path: Path, table: Table, options: Mapping[str, Any]) -> list[list[Any]]:
    """All rows of a file, as the statements of a pipeline see its columns."""
    features = {
        name: {"set": name} if use == "text" else {"number": f"max({name})"}
        for name, use in zip(table.names[2:], table.uses, strict=True)
    }
    raw: dict[str, Any] = {"files": str(path), "time_column": "at"}
    spec = PipelineSpec.model_validate(
        {
            "name": "random",
            "start_date": "2026-01-01",
            "raw": raw | ({"csv": options} if options else {}),
            "entity": "n",
            "features": {"mixed": features},
            "distance": {"metric": "gower", "threshold": 0.5},
            "algorithm": {"type": "dbscan"},
        }
    )
    files = list_source_files(str(path), root=path.parent, environment={})
    relation = source_relation(spec.raw, spec, files)
    check_columns(engine, relation, needed_columns(spec), spec.raw.columns)
    query = f"SELECT {', '.join(f'raw.{name}' for name in table.names)} FROM raw"
    rows = engine.fetch(Statement("random", sqlglot.parse_one(query, read="athena")), {"raw": relation}).rows
    return [list(row.values()) for row in rows]


def attempt(
    engine: DuckDbEngine, path: Path, table: Table, options: Mapping[str, Any]
) -> tuple[str, list[list[Any]]]:
    """The text of the error, or the rows."""
    try:
        return "", read(engine, path, table, options)
    except ClusterAssetsError as error:
        return str(error), []


def compare(
    engine: DuckDbEngine, path: Path, table: Table, truth: list[list[Cell]], options: Mapping[str, Any]
) -> None:
    columns = [[row[2 + place] for row in truth] for place in range(len(table.uses))]
    numbers = [column for column, use in zip(columns, table.uses, strict=True) if use == "number"]
    can_be_read = all(map(has_a_type, numbers))
    if "json" in path.name:  # where a number is spelled as JSON has none, it is written as a text
        can_be_read = can_be_read and all(JSON_NUMBER.fullmatch(c) for column in numbers for c in column if c)
    refusal, found = attempt(engine, path, table, options)
    event("refused" if refusal else "read")
    if refusal:
        assert str(path) in refusal
        assert not can_be_read, refusal
        return
    found.sort(key=lambda row: int(row[0]))
    assert len(found) == len(truth)
    for row, cells in zip(found, truth, strict=True):
        for value, cell, use in zip(row[2:], cells[2:], table.uses, strict=True):
            assert is_same(value, cell, use), f"row {row[0]}: read {value!r}, written {cell!r} as {use}"


def check_csv(engine: DuckDbEngine, table: Table, dialect: Dialect, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = dialect.written(table)
        truth = dialect.read(content, table)
        store(Path(folder) / name, content)
        if dialect.begins_with_another_break(table):
            refusal, _ = attempt(engine, Path(folder) / name, table, dialect.options)
            if refusal.startswith("the first record ends with"):
                assert f"{name}, line " in refusal
                return
        compare(engine, Path(folder) / name, table, truth, dialect.options)


def check_json(engine: DuckDbEngine, table: Table, name: str, *, as_array: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = json_content(table, as_array=as_array)
        truth = json_rows(content, table.names, as_array=as_array)
        store(Path(folder) / name, content)
        compare(engine, Path(folder) / name, table, truth, {})


def check_parquet(engine: DuckDbEngine, table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        truth = store_parquet(path, table)
        compare(engine, path, table, truth, {})


NO_HEADER = {"names": ["n", "at", "c0"]}
BREAKS = Table(("text",), 0, (("a\nb",), ("c",)))


@settings(max_examples=25)
@example(made=(BREAKS, Dialect(NO_HEADER, ",", "\r\n", False, True, True)), name="a.csv")
@example(made=(BREAKS, Dialect(NO_HEADER, ",", "\n", False, True, True)), name="a.csv")
@given(made=csv_files(FEW), name=st.sampled_from(["a.csv", "a.tsv.gz"]))
def test_csv(engine: DuckDbEngine, made: tuple[Table, Dialect], name: str) -> None:
    check_csv(engine, *made, name)


@settings(max_examples=15)
@given(table=tables(FEW), name=st.sampled_from(["a.jsonl", "a.json.gz"]), as_array=st.booleans())
def test_json(engine: DuckDbEngine, table: Table, name: str, as_array: bool) -> None:
    check_json(engine, table, name, as_array=as_array)


@settings(max_examples=5)
@given(table=tables(FEW))
def test_parquet(engine: DuckDbEngine, table: Table) -> None:
    check_parquet(engine, table)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("n,at,c0\n0,2026-01-01,é\n1,2026-01-01,😀\n".encode("utf-16"), 3, "does not read '😀' in UTF-16"),
        (b"\xfe\xff" + "n,at,c0\n0,2026-01-01,a\n".encode("utf-16-be"), 1, "big-endian UTF-16"),
    ],
    ids=["four bytes", "big-endian"],
)
def test_utf_16_that_duckdb_does_not_read_is_refused(
    engine: DuckDbEngine, tmp_path: Path, content: bytes, line: int, words: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    refusal, _ = attempt(engine, tmp_path / "a.csv", Table(("text",), 0, ()), {"encoding": "utf-16"})
    assert words in refusal
    assert f"a.csv, line {line}" in refusal
    assert "save it as UTF-8" in refusal


@pytest.mark.long
@settings(max_examples=200)
@given(made=csv_files(MANY), name=st.sampled_from(["a.csv", "a.tsv.gz"]))
def test_many_csv_files(engine: DuckDbEngine, made: tuple[Table, Dialect], name: str) -> None:
    check_csv(engine, *made, name)


@pytest.mark.long
@settings(max_examples=250)
@given(table=tables(MANY), name=st.sampled_from(["a.jsonl", "a.json.gz"]), as_array=st.booleans())
def test_many_json_files(engine: DuckDbEngine, table: Table, name: str, as_array: bool) -> None:
    check_json(engine, table, name, as_array=as_array)
