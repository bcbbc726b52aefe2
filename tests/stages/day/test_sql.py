"""The bytes that a stage reads and is billed for are counted, for the engine and its scratch tables."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.ports import (
    QueryResult,
    ScratchTable,
    Statistics,
    TableRelation,
    UnloadResult,
    WrittenFile,
)
from cluster_assets.domain.costs import AthenaPrice, CostMeter
from cluster_assets.domain.tables import MEMBERS
from cluster_assets.stages.day.sql import SqlSession, WrittenTable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

BILLED = Statistics(1.0, 5, queue_seconds=0.25, engine_seconds=0.5, billed_bytes=10_000_000)
FILES = (WrittenFile("/w/a.parquet", 3, 100), WrittenFile("/w/b.parquet", 4, 100))


class Charging:
    """An engine that answers nothing and charges for everything."""

    name = "charging"

    def fetch(self, *_: Any) -> QueryResult:
        return QueryResult(({"rows": 1},), BILLED, ("rows",))

    def unload(self, *_: Any) -> UnloadResult:
        return UnloadResult(FILES, BILLED)

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Any]:
        return nullcontext(self.fill)

    def fill(self, *_: Any) -> ScratchTable:
        return ScratchTable(TableRelation("t"), BILLED)


def test_every_statement_counts() -> None:
    meter = CostMeter()
    sql: Any = SqlSession(Charging(), meter)  # type: ignore[arg-type]
    assert sql.fetch(None, {}) == ({"rows": 1},)
    assert sql.unload(None, {}, MEMBERS, "/p").bytes_scanned == BILLED.bytes_scanned
    with sql.scratch("/p") as fill:
        assert fill(None, {}, None) == TableRelation("t")
    assert (meter.queries, meter.bytes_scanned, meter.billed_bytes) == (3, 15, 30_000_000)
    assert (meter.queue_seconds, meter.engine_seconds) == (0.75, 1.5)
    assert meter.cost.athena_usd == pytest.approx(AthenaPrice().dollars(30_000_000))


@pytest.mark.parametrize(("files", "rows"), [(FILES, 7), ((), 0)])
def test_a_table_is_read_as_it_was_written(files: tuple[WrittenFile, ...], rows: int) -> None:
    table = WrittenTable(files, MEMBERS)
    assert table.rows == rows
    assert table.relation.uris == tuple(file.uri for file in files)
    assert table.relation.columns == MEMBERS.columns
