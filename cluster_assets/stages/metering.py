"""An engine that writes down what its statements are billed for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster_assets.sources import DescribesFiles

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cluster_assets.domain.costs import CostMeter
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.ports import (
        FileRelation,
        QueryResult,
        Relation,
        Scratch,
        ScratchTable,
        SqlEngine,
        Statement,
        Statistics,
        UnloadResult,
    )


def metered(engine: SqlEngine, meter: CostMeter) -> SqlEngine:
    """The engine, with a meter; what it can do beyond the port, it still can."""
    if isinstance(engine, DescribesFiles):
        return _MeteredDescriber(engine, engine, meter)
    return MeteredEngine(engine, meter)


class MeteredEngine:
    """Implements `ports.SqlEngine` by another engine, and adds up the bytes that cost something.

    Args:
        engine: Does the work.
        meter: Of one stage of one day.
    """

    def __init__(self, engine: SqlEngine, meter: CostMeter) -> None:
        self.name = engine.name
        self._engine = engine
        self._meter = meter

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """As the engine."""
        return self._engine.describe(relation)

    def table_state(self, name: str) -> str:
        """As the engine."""
        return self._engine.table_state(name)

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """As the engine."""
        return self._engine.scan_bytes(relation, columns)

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """As the engine."""
        found = self._engine.fetch(statement, relations)
        _note(self._meter, found.statistics)
        return found

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """As the engine."""
        written = self._engine.unload(statement, relations, table, prefix_uri)
        _note(self._meter, written.statistics)
        return written

    @contextmanager
    def scratch(self, prefix_uri: str) -> Iterator[Scratch]:
        """As the engine."""
        with self._engine.scratch(prefix_uri) as scratch:
            yield _MeteredScratch(scratch, self._meter)


class _MeteredDescriber(MeteredEngine):
    """An engine that tells the columns of each file, too."""

    def __init__(self, engine: SqlEngine, describer: DescribesFiles, meter: CostMeter) -> None:
        super().__init__(engine, meter)
        self._describer = describer

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """As the engine."""
        return self._describer.describe_files(relation)


class _MeteredScratch:
    """Scratch tables whose filling is billed too."""

    def __init__(self, scratch: Scratch, meter: CostMeter) -> None:
        self._scratch = scratch
        self._meter = meter

    def fill(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """As the scratch."""
        filled = self._scratch.fill(statement, relations, table)
        _note(self._meter, filled.statistics)
        return filled


def _note(meter: CostMeter, statistics: Statistics) -> None:
    meter.add_query(
        statistics.billed_bytes,
        queue_seconds=statistics.queue_seconds,
        engine_seconds=statistics.engine_seconds,
    )
