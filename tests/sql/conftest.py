"""A small lake for statements: tables from Python rows, answers as Python rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import count_of
from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cluster_assets.backends.ports import Relation, Statement
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.pipeline import Distance

    Row = tuple[Any, ...]
    Pair = tuple[int, int, float]


KIND_OF_COLUMN: dict[str, Any] = {
    "tokens": "set", "latitude": "geo", "text": "text", "embedding": "embedding"
}  # fmt: skip


def comparison(distance: Distance, columns: Sequence[Column]) -> metrics.Comparison:
    """The comparison of points with these columns."""
    kind = KIND_OF_COLUMN.get(columns[0].name, "vector")
    return metrics.Comparison(kind, distance.metric, distance.threshold, tuple(columns))


class Lake:
    """Files in a folder, and an engine over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = DuckDbEngine(DuckDbConfig(2, 1024, folder / "tmp", allowed_dirs=(folder,)))
        self._writer = duckdb.connect()
        self._numbers = itertools.count()

    def close(self) -> None:
        self.engine.close()
        self._writer.close()

    def fresh(self) -> Path:
        """A folder nothing was written to yet."""
        return self.folder / str(next(self._numbers))

    def write(self, columns: Sequence[Column], rows: Sequence[Row]) -> FileRelation:
        """A Parquet file of these rows."""
        folder = self.fresh()
        folder.mkdir()
        names = ", ".join(f'"{column.name}" {duckdb_type(column.type).sql("duckdb")}' for column in columns)
        self._writer.execute(f"CREATE OR REPLACE TABLE staged ({names})")
        if rows:
            places = ", ".join("(" + ", ".join("?" * len(columns)) + ")" for _ in rows)
            self._writer.execute(
                f"INSERT INTO staged VALUES {places}", [value for row in rows for value in row]
            )
        self._writer.execute(f"COPY staged TO '{folder}/part.parquet' (FORMAT parquet)")
        return FileRelation((f"{folder}/part.parquet",))

    def copy(self, query: str) -> FileRelation:
        """A Parquet file of a DuckDB query."""
        folder = self.fresh()
        folder.mkdir()
        self._writer.execute(f"COPY ({query}) TO '{folder}/part.parquet' (FORMAT parquet)")
        return FileRelation((f"{folder}/part.parquet",))

    def fill(
        self, statement: Statement, relations: dict[str, Relation], table: TableContract
    ) -> FileRelation:
        """The table a statement fills."""
        written = self.engine.unload(statement, relations, table, str(self.fresh()))
        return FileRelation(tuple(file.uri for file in written.files), columns=table.columns)

    def rows(self, relation: FileRelation) -> list[Row]:
        """All rows, in the order of the files."""
        if not relation.uris:
            return []
        return self._writer.execute(f"SELECT * FROM read_parquet({list(relation.uris)})").fetchall()

    def candidates(
        self, distance: Distance, columns: Sequence[Column], features: Sequence[Row]
    ) -> list[Pair]:
        """Candidate pairs of points numbered in the order given; checks the counts on the way."""
        contract = points_contract(tuple(columns))
        rows = [(number, 1, *row) for number, row in enumerate(features)]
        relations: dict[str, Relation] = {"points": self.write(contract.columns, rows)}
        return self.join(distance, tuple(columns), relations)

    def prepare(self, plan: metrics.CandidatePlan, relations: Mapping[str, Relation]) -> dict[str, Relation]:
        """The relations with the scratch tables of a plan, as files."""
        known = dict(relations)
        for step in plan.scratch:
            known[step.table.name] = self.fill(step.statement, known, step.table)
        return known

    def join(
        self, distance: Distance, columns: tuple[Column, ...], relations: dict[str, Relation]
    ) -> list[Pair]:
        """Candidate pairs of the relation `points`."""
        plan = metrics.plan(comparison(distance, columns))
        known = self.prepare(plan, relations)
        pairs = self.rows(self.fill(plan.candidates, known, CANDIDATES))
        counted = self.engine.fetch(count_of(plan.candidates), known).rows[0]["rows"]
        compared = self.engine.fetch(plan.comparisons, known).rows[0]["comparisons"]
        assert counted == len(pairs)
        assert compared >= len(pairs)
        return pairs


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("lake"))
    yield made
    made.close()
