"""What a stage is billed for is counted, and an engine with a meter can do all it could without."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.domain.costs import CostMeter
from cluster_assets.domain.prices import AthenaPrice
from cluster_assets.engines.duckdb import DuckDbConfig, DuckDbEngine
from cluster_assets.ports import QueryResult, ScratchTable, Statistics, TableRelation, UnloadResult
from cluster_assets.sources import DescribesFiles
from cluster_assets.stages.metering import metered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

BILLED = Statistics(1.0, 5, billed_bytes=10_000_000)


class Charging:
    """An engine that answers nothing and charges for everything."""

    name = "charging"

    def fetch(self, *_: Any) -> QueryResult:
        return QueryResult((), BILLED)

    def unload(self, *_: Any) -> UnloadResult:
        return UnloadResult((), BILLED)

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Any]:
        return nullcontext(self)

    def fill(self, *_: Any) -> ScratchTable:
        return ScratchTable(TableRelation("t"), BILLED)


def test_every_statement_counts() -> None:
    meter = CostMeter()
    engine: Any = metered(Charging(), meter)  # type: ignore[arg-type]
    engine.fetch(None, {})
    engine.unload(None, {}, None, "/p")
    with engine.scratch("/p") as scratch:
        scratch.fill(None, {}, None)
    assert meter.billed_bytes == 30_000_000
    assert meter.cost.athena_usd == pytest.approx(AthenaPrice().dollars(30_000_000))


@pytest.fixture
def duckdb(tmp_path: Path) -> Iterator[DuckDbEngine]:
    with DuckDbEngine(DuckDbConfig(threads=1, memory_limit_mb=256, temp_dir=tmp_path)) as engine:
        yield engine


def test_nothing_of_an_engine_gets_lost(duckdb: DuckDbEngine) -> None:
    engine = metered(duckdb, CostMeter())
    assert isinstance(duckdb, DescribesFiles)
    assert isinstance(engine, DescribesFiles)
    public = {name for name in dir(duckdb) if not name.startswith("_")} - {"close"}
    assert public <= set(dir(engine))
    assert not isinstance(metered(Charging(), CostMeter()), DescribesFiles)  # type: ignore[arg-type]
