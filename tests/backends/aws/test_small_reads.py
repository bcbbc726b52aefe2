"""Statements over small tables run in this process, with the results of Athena; all others reach Athena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import PAIR, statement

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.backends.athena.engine import AthenaEngine
    from cluster_assets.backends.ports import Relation

OF_CLUSTERS = TableContract("pair", PAIR.columns, sort_by=("k",), is_of_clusters=True)
SUM = "SELECT CAST(count(*) AS BIGINT) AS n, CAST(sum(v) AS DOUBLE) AS v FROM t WHERE k >= 5"
SWAPPED = "SELECT CAST(99 - k AS BIGINT) AS k, CAST(v AS DOUBLE) AS v FROM t"


@pytest.fixture
def near(athena_lake: Lake) -> Iterator[AthenaEngine]:
    with athena_lake.engine(small_read_bytes=20_000) as engine:
        yield engine


@pytest.fixture
def table(athena_lake: Lake, tmp_path: Path) -> FileRelation:
    """Two files of a table with a contract."""
    uris: list[str] = []
    for first in (0, 60):
        rows = f"SELECT i::BIGINT AS k, i * 0.5::DOUBLE AS v FROM range({first}, {first + 40}) AS t(i)"
        uris += athena_lake.parquet(rows, tmp_path).uris
    return FileRelation(tuple(sorted(uris)), columns=PAIR.columns)


def started(lake: Lake) -> int:
    return int(lake.wire.calls["StartQueryExecution"])


def test_a_question_about_small_tables_takes_no_query(
    athena_lake: Lake, near: AthenaEngine, engine: AthenaEngine, table: FileRelation
) -> None:
    before = started(athena_lake)
    answer = near.fetch(statement(SUM), {"t": table})
    assert answer.rows == ({"n": 75, "v": sum(k / 2 for k in (*range(5, 40), *range(60, 100)))},)
    assert (answer.statistics.queries, answer.statistics.billed_bytes) == (0, 0)
    assert started(athena_lake) == before
    asked = engine.fetch(statement(SUM), {"t": table})
    assert started(athena_lake) == before + 1
    assert (asked.rows, asked.columns) == (answer.rows, answer.columns)
    empty = FileRelation((), columns=PAIR.columns)
    joined = "SELECT CAST(count(*) AS BIGINT) AS n FROM t LEFT JOIN u ON u.k = t.k"
    assert near.fetch(statement(joined), {"t": table, "u": empty}).rows == ({"n": 80},)
    assert started(athena_lake) == before + 1


def test_a_table_of_clusters_is_written_as_one_sorted_file(
    athena_lake: Lake, near: AthenaEngine, engine: AthenaEngine, table: FileRelation, tmp_path: Path
) -> None:
    before, prefix = started(athena_lake), athena_lake.fresh()
    done = near.unload(statement(SWAPPED), {"t": table}, OF_CLUSTERS, prefix)
    assert started(athena_lake) == before
    (file,) = done.files
    assert athena_lake.list(prefix) == [file.uri]
    assert (file.rows, file.bytes) == (80, len(athena_lake.get(file.uri)))
    rows = athena_lake.rows([file.uri], tmp_path)
    asked = engine.unload(statement(SWAPPED), {"t": table}, OF_CLUSTERS, athena_lake.fresh())
    assert rows == sorted(athena_lake.rows([one.uri for one in asked.files], tmp_path))
    nothing = near.unload(statement(f"{SWAPPED} WHERE k < 0"), {"t": table}, OF_CLUSTERS, athena_lake.fresh())
    assert nothing.files == ()
    # Other tables may take a search, whose work the size of its input does not bound.
    near.unload(statement(SWAPPED), {"t": table}, PAIR, athena_lake.fresh())
    assert started(athena_lake) == before + 2


@pytest.mark.parametrize("case", ["large", "source", "path", "no contract"])
def test_what_is_large_or_of_the_source_reaches_athena(
    case: str, athena_lake: Lake, near: AthenaEngine, table: FileRelation, tmp_path: Path
) -> None:
    asked, relations = SUM, dict[str, "Relation"](t=table)
    if case == "large":
        rows = "SELECT i::BIGINT AS k, random() AS v FROM range(5000) AS t(i)"
        relations = {"t": FileRelation(athena_lake.parquet(rows, tmp_path).uris, columns=PAIR.columns)}
    elif case == "source":
        asked, relations = SUM.replace("FROM t", "FROM raw"), {"raw": table}
    elif case == "path":
        asked = 'SELECT CAST(count(DISTINCT "$path") AS BIGINT) AS n FROM t'
    else:
        relations = {"t": FileRelation(table.uris)}
    before = started(athena_lake)
    found = near.fetch(statement(asked), relations)
    assert started(athena_lake) == before + 1
    assert found.statistics.queries == 1


def test_faults_are_those_of_athena(athena_lake: Lake, near: AthenaEngine, table: FileRelation) -> None:
    uri = f"{athena_lake.fresh()}/broken.parquet"
    gone: Mapping[str, Any] = {"t": FileRelation((uri,), columns=PAIR.columns)}
    with pytest.raises(SourceMissingError) as missing:
        near.fetch(statement(SUM), gone)
    assert missing.value.where == uri
    athena_lake.put(uri, b"PAR1 is not enough")
    with pytest.raises((SourceUnreadableError, EngineError)) as broken:
        near.fetch(statement(SUM), gone)
    assert "small-reads" not in str(broken.value)
    other = "SELECT CAST(k AS DOUBLE) AS k, CAST(v AS DOUBLE) AS v FROM t"
    with pytest.raises(EngineError, match="returns k double, v double; expected k bigint"):
        near.unload(statement(other), {"t": table}, OF_CLUSTERS, athena_lake.fresh())


def test_columns_that_are_cast_are_known_without_a_query(
    athena_lake: Lake, engine: AthenaEngine, table: FileRelation
) -> None:
    def write(text: str, contract: TableContract) -> int:
        before = started(athena_lake)
        assert engine.unload(statement(text), {"t": table}, contract, athena_lake.fresh()).files == ()
        return started(athena_lake) - before

    nested = TableContract("pair", (Column("k", "bigint"), Column("v", "array(double)")), sort_by=("k",))
    cast = "SELECT CAST(k AS BIGINT) AS k, CAST(ARRAY[v] AS ARRAY(DOUBLE)) AS v FROM t WHERE k < 0"
    assert write(cast, nested) == 1
    assert write("SELECT k, CAST(v AS DOUBLE) AS v FROM t WHERE k < 0", PAIR) == 2
    with pytest.raises(
        EngineError, match=r"returns k bigint, v array\(double\); expected k bigint, v double"
    ):
        write(cast, PAIR)
