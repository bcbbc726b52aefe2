"""The SQL session of one stage and day; a meter adds up what its statements read and cost."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.batches import batched
from cluster_assets.backends.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cluster_assets.backends.batches import Query
    from cluster_assets.backends.ports import Relation, SqlEngine, Statement, Statistics, WrittenFile
    from cluster_assets.domain.costs import CostMeter
    from cluster_assets.domain.tables import TableContract

    Fill = Callable[[Statement, Mapping[str, Relation], TableContract], Relation]


_URIS = 300  # files of one batch: their names fill about half of the longest statement of Athena


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """The files of a table that a statement filled; none if the table is empty.

    Attributes:
        bytes_scanned: Bytes the engine read to fill it; 0 if an earlier run filled it.
    """

    files: tuple[WrittenFile, ...]
    contract: TableContract
    bytes_scanned: int = 0

    @property
    def rows(self) -> int:
        """Total number of rows."""
        return sum(file.rows for file in self.files)

    @property
    def relation(self) -> FileRelation:
        """The table as a relation for statements."""
        return FileRelation(tuple(file.uri for file in self.files), columns=self.contract.columns)


@dataclass(frozen=True, slots=True)
class SqlSession:
    """Runs statements on an engine and adds up what they cost.

    Every method raises the same errors as the method of the same name in `ports.SqlEngine`.

    Attributes:
        engine: Runs the statements.
        meter: Adds up the usage of one stage and day.
    """

    engine: SqlEngine
    meter: CostMeter

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> tuple[Mapping[str, Any], ...]:
        """Run a statement with a small result and return its rows."""
        found = self.engine.fetch(statement, relations)
        self._note(found.statistics)
        return found.rows

    def fetch_all(self, queries: Sequence[Query]) -> tuple[tuple[Mapping[str, Any], ...], ...]:
        """Run several statements with small results as one, and return the rows of each.

        Queries over very many files run one by one, because a statement names every file.
        """
        read = [one for query in queries for one in query.relations.values()]
        if sum(len(one.uris) for one in read if isinstance(one, FileRelation)) > _URIS:
            return tuple(self.fetch(query.statement, query.relations) for query in queries)
        batch = batched(queries)
        return batch.split(self.fetch(batch.statement, batch.relations))

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> WrittenTable:
        """Fill a table below an empty prefix."""
        written = self.engine.unload(statement, relations, table, prefix_uri)
        self._note(written.statistics)
        return WrittenTable(written.files, table, written.statistics.bytes_scanned)

    @contextmanager
    def scratch(self, prefix_uri: str) -> Iterator[Fill]:
        """Yield a function that fills scratch tables; they are dropped when the context ends."""
        with self.engine.scratch(prefix_uri) as scratch:

            def fill(
                statement: Statement, relations: Mapping[str, Relation], table: TableContract
            ) -> Relation:
                filled = scratch(statement, relations, table)
                self._note(filled.statistics)
                return filled.relation

            yield fill

    def _note(self, statistics: Statistics) -> None:
        if not statistics.queries:
            return
        self.meter.add_query(
            statistics.billed_bytes,
            bytes_scanned=statistics.bytes_scanned,
            queue_seconds=statistics.queue_seconds,
            engine_seconds=statistics.engine_seconds,
        )
