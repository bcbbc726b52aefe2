"""A statement over source rows opens its own files and its own folder, whatever its text became."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation, Statement
from cluster_assets.domain.errors import EngineError
from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.spec.expressions import check_aggregate, check_predicate

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = Statement("count", sqlglot.parse_one("SELECT count(*) AS n FROM raw", read="athena"))
TABLE = TableContract("counted", (Column("n", "bigint"),), sort_by=())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDbEngine]:
    """An engine that knows the whole folder, as the warehouse of a target is known."""
    with DuckDbEngine(DuckDbConfig(1, 512, tmp_path / "tmp", allowed_dirs=(tmp_path,))) as opened:
        yield opened


@pytest.fixture
def sales(tmp_path: Path) -> FileRelation:
    return rows(tmp_path / "sales" / "day.parquet", "SELECT TIMESTAMP '2026-01-05' AS ts, 1 AS x")


@pytest.fixture
def salaries(tmp_path: Path) -> Path:
    """A file of another pipeline."""
    return Path(rows(tmp_path / "hr" / "part-00000.parquet", "SELECT 28855.0 AS salary").uris[0])


def rows(path: Path, query: str) -> FileRelation:
    path.parent.mkdir(parents=True)
    plain = path.parent.parent / "plain.parquet"
    duckdb.sql(f"COPY ({query}) TO '{plain}' (FORMAT parquet)")
    plain.rename(path)
    return FileRelation((str(path),))


def over_raw(text: str) -> Statement:
    """A statement over the source rows with an expression that no check of a pipeline has seen."""
    value = exp.alias_(sqlglot.parse_one(text, read="athena"), "value")
    return Statement("a test", exp.select(value).from_("raw"))


def reading(path: Path) -> str:
    other = str(path).replace("'", "''''")
    return f"max(date_add('day) + (select max(salary) from read_parquet(''{other}'')) + interval (1', 1, ts))"


def test_another_pipelines_file_is_not_read(
    engine: DuckDbEngine, sales: FileRelation, salaries: Path
) -> None:
    text = reading(salaries)
    with pytest.raises(ValueError, match="unknown time unit"):
        check_aggregate(text)
    with pytest.raises(EngineError, match="a test was not run"):
        engine.fetch(over_raw(text), {"raw": sales})


def test_no_file_is_written_into_another_pipelines_folder(
    engine: DuckDbEngine, sales: FileRelation, salaries: Path
) -> None:
    target = str(salaries.parent / "pwned.csv").upper()
    text = f"""extract("day from ts) >= 0)) as z) to (lower('{target}')) --" from ts) >= 0"""
    with pytest.raises(ValueError, match="unknown time unit"):
        check_predicate(text)
    with pytest.raises(EngineError, match="a test was not run"):
        engine.unload(over_raw(text), {"raw": sales}, TABLE, str(salaries.parent.parent / "out"))
    assert [path.name for path in salaries.parent.iterdir()] == [salaries.name]


def test_the_instance_opens_nothing_but_the_files_of_the_statement(
    engine: DuckDbEngine, sales: FileRelation, salaries: Path, tmp_path: Path
) -> None:
    cursor = engine._cursor(COUNT, {"raw": sales}, writes=tmp_path / "out")
    assert cursor.execute(f"SELECT x FROM read_parquet('{sales.uris[0]}')").fetchall() == [(1,)]
    neighbour = Path(sales.uris[0]).with_name("next.parquet")
    neighbour.write_bytes(salaries.read_bytes())
    for query in (
        f"SELECT * FROM read_parquet('{salaries}')",
        f"SELECT * FROM read_text('{neighbour}')",
        f"SELECT * FROM glob('{tmp_path}/**')",
        f"COPY (SELECT 1) TO '{salaries.parent}/pwned.csv'",
        f"COPY (SELECT 1) TO '{neighbour.parent}/pwned.csv'",
        f"ATTACH '{salaries.parent}/pwned.db'",
        "SET GLOBAL allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(query).fetchall()
    cursor.close()
    assert {path.name for path in tmp_path.rglob("pwned*")} == set()


def test_a_confined_statement_reads_and_writes(engine: DuckDbEngine, tmp_path: Path, salaries: Path) -> None:
    files = [rows(tmp_path / f"day={n}[x]*'" / "a?.parquet", f"SELECT {n} AS x").uris[0] for n in range(3)]
    for number in range(6):  # more than the instances that are kept
        chosen = FileRelation(tuple(sorted(files[: number % 3 + 1])))
        written = engine.unload(COUNT, {"raw": chosen}, TABLE, str(tmp_path / f"out{number}"))
        [file] = written.files
        assert duckdb.sql(f"SELECT n FROM '{file.uri}'").fetchall() == [(number % 3 + 1,)]
        assert engine.fetch(COUNT, {"raw": chosen}).rows == ({"n": number % 3 + 1},)
