"""A pipeline whose every statement runs on DuckDB and Trino, on the same files, and must give the same."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot.expressions as exp

from cluster_assets.backends.batches import SEPARATOR
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.backends.file_scratch import file_scratch
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.trino.engine import TrinoConfig, TrinoEngine
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.tables import CANDIDATES, CORES, points_contract
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.raw.first_day import find_first_day
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from cluster_assets.backends.ports import (
        QueryResult,
        Relation,
        Scratch,
        SqlEngine,
        Statement,
        UnloadResult,
    )
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.domain.times.layouts import TableDay
    from cluster_assets.stages.candidates.metrics import CandidatePlan
    from cluster_assets.stages.day.job import DayResult
    from cluster_assets.stages.day.stage import Stage

# Sines and cosines differ between the two in the last bit, and so does what is computed from them.
LAST_BITS = (exp.Sin, exp.Cos, exp.Asin)
RELATIVE = 1e-12


class BothEngines:
    """Implements `ports.SqlEngine` with DuckDB's answers, having compared them with Trino's.

    Attributes:
        compared: Names of the statements whose rows were equal.
        keeps_order: Whether the other engine sorts files and adds doubles in the order of the rows.
    """

    name = "duckdb and trino"
    keeps_order = True

    def __init__(self, engines: tuple[SqlEngine, SqlEngine], folder: Path, compared: set[str]) -> None:
        self.duckdb, self.trino = engines
        self.compared = compared
        self._folder = folder
        self._numbers = itertools.count()

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        return self.duckdb.describe(relation)

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        found: Mapping[str, tuple[Column, ...]] = self.duckdb.describe_files(relation)  # type: ignore[attr-defined]
        return found

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        one, other = (engine.scan_bytes(relation, columns) for engine in (self.duckdb, self.trino))
        assert one == other
        return one

    def stored_rows(self, relation: FileRelation) -> int:
        return self.duckdb.stored_rows(relation)

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        return self.duckdb.table_state(name, part)

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        one, other = (engine.fetch(statement, relations) for engine in (self.duckdb, self.trino))
        assert [list(row) for row in one.rows] == [list(row) for row in other.rows], statement.name
        self._compare(statement, *([tuple(row.values()) for row in answer.rows] for answer in (one, other)))
        return one

    def unload(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract, prefix_uri: str
    ) -> UnloadResult:
        written = self.duckdb.unload(statement, relations, table, prefix_uri)
        prefix = str(self._folder / str(next(self._numbers)))
        again = self.trino.unload(statement, relations, table, prefix)
        one, other = ([file.uri for file in result.files] for result in (written, again))
        assert sum(file.rows for file in written.files) == sum(file.rows for file in again.files)
        if one:
            assert _schema(one) == _schema(other), statement.name
            ordered = bool(table.sort_by) and table.partitioned_by is None and self.keeps_order
            if ordered:
                assert len(other) == 1
            for left, right in zip(_by_partition(written), _by_partition(again), strict=True):
                assert left[0] == right[0]
                self._compare(statement, *(_rows(uris, ordered=ordered) for uris in (left[1], right[1])))
        self.compared.update(statement.name.split(SEPARATOR))
        return written

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        return file_scratch(self, prefix_uri)

    def _compare(self, statement: Statement, one: Sequence[Any], other: Sequence[Any]) -> None:
        loosely = statement.tree.find(*LAST_BITS) is not None
        loosely |= statement.order_sensitive and not self.keeps_order
        assert len(one) == len(other), statement.name
        for left, right in zip(one, other, strict=True):
            assert same(left, right, loosely=loosely), (statement.name, left, right)
        self.compared.update(statement.name.split(SEPARATOR))


def same(one: Any, other: Any, *, loosely: bool) -> bool:
    """Whether two values are equal, doubles bit for bit unless taken loosely."""
    if isinstance(one, float) and isinstance(other, float):
        if loosely:
            return math.isclose(one, other, rel_tol=RELATIVE)
        return one.hex() == other.hex()
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same(a, b, loosely=loosely) for a, b in pairs)
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return _doubles(one) is not None and same(_doubles(one), _doubles(other), loosely=loosely)
    return type(one) is type(other) and bool(one == other)


def _doubles(text: str) -> list[float] | None:
    """Doubles written one after the other; the text of one is not the same everywhere (docs/engines.md)."""
    try:
        return [float(part) for part in text.split(" ")]
    except ValueError:
        return None


def _by_partition(result: UnloadResult) -> list[tuple[str | None, list[str]]]:
    groups = itertools.groupby(result.files, key=lambda file: file.partition)
    return [(partition, [file.uri for file in files]) for partition, files in groups]


def _schema(uris: list[str]) -> list[Any]:
    query = f"DESCRIBE SELECT * FROM read_parquet({uris}, hive_partitioning = false)"
    return [row[:2] for row in duckdb.sql(query).fetchall()]


def _rows(uris: list[str], *, ordered: bool) -> list[Any]:
    order = "" if ordered else "ORDER BY ALL"
    return duckdb.sql(f"SELECT * FROM read_parquet({uris}, hive_partitioning = false) {order}").fetchall()


class Runner:
    """Runs days of a spec and reads their tables."""

    def __init__(self, backend: Any, spec: PipelineSpec) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)

    def run(self, day: str, stages: Sequence[Stage] = STAGES) -> dict[str, DayResult]:
        job = DayJob(self.spec, self.backend, self.ledger, parse_day(day))
        return {stage.name: run_day(stage, job) for stage in stages}

    def first_day(self) -> str:
        return find_first_day(self.spec, self.backend).key

    def table(self, name: str, day: str) -> tuple[list[Any], list[Any]]:
        """Column types and rows of a table, in the order of the file."""
        stage = {"members": "points", "files": "raw"}.get(name, name)
        manifest = self.ledger.require(stage, parse_day(day))
        uris = list(self.ledger.uris(manifest, name))
        return (_schema(uris), _rows(uris, ordered=True)) if uris else ([], [])


@pytest.fixture(scope="session")
def trino_variables(trino_server: tuple[str, int], trino_schema: str) -> dict[str, str]:
    """The settings that lead to the server."""
    host, port = trino_server
    return {
        "CLUSTER_TRINO_HOST": host,
        "CLUSTER_TRINO_PORT": str(port),
        "CLUSTER_TRINO_SCRATCH_SCHEMA": trino_schema,
    }


@pytest.fixture
def trino_engine(trino_server: tuple[str, int], trino_schema: str, home: Path) -> Iterator[TrinoEngine]:
    with open_backend(load_settings()) as backend:
        config = TrinoConfig(*trino_server, scratch_schema=trino_schema)
        yield TrinoEngine(config, backend.engine)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def compared() -> set[str]:
    """Names of the statements whose rows were equal, in all tests so far."""
    return set()


@pytest.fixture
def both(
    trino_engine: TrinoEngine, home: Path, tmp_path: Path, compared: set[str]
) -> Iterator[tuple[Any, BothEngines]]:
    """A backend over both engines."""
    with open_backend(load_settings()) as backend:
        engines = BothEngines((backend.engine, trino_engine), tmp_path / "again", compared)
        yield dataclasses.replace(backend, engine=engines), engines


class UnorderedEngines(BothEngines):
    """The same for an engine that keeps no order."""

    name = "duckdb and athena"
    keeps_order = False


@pytest.fixture
def unordered_engines() -> type[BothEngines]:
    """Compares DuckDB with an engine that keeps no order."""
    return UnorderedEngines


@pytest.fixture
def make_runner() -> Callable[..., Runner]:
    """Makes a runner over a backend."""

    def make(backend: Any, **attributes: Any) -> Runner:
        base: dict[str, Any] = {
            "name": "demo",
            "start_date": "2026-01-01",
            "entity": "id",
            "algorithm": {"type": "dbscan", "min_samples": 3},
        }
        return Runner(backend, PipelineSpec.model_validate(base | attributes))

    return make


@pytest.fixture
def run_spec() -> Callable[..., Runner]:
    """A runner of a whole spec over a backend."""
    return Runner


@pytest.fixture
def same_values() -> Callable[..., bool]:
    """Compares values of both engines."""
    return same


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a candidate plan gave on one engine.

    Attributes:
        pairs: Ids of each pair in the order of the file, shape (pairs, 2).
        distances: Shape (pairs,).
        cores: Ids of a certificate's core points, else empty.
        comparisons: Distance tests that the plan said it would make.
    """

    pairs: NDArray[np.int64]
    distances: NDArray[np.float64]
    cores: NDArray[np.int64]
    comparisons: int


class Searcher:
    """Runs candidate plans on DuckDB and on Trino, each on its own scratch tables."""

    def __init__(self, engines: tuple[SqlEngine, SqlEngine], folder: Path) -> None:
        self._engines = engines
        self._folder = folder
        self._numbers = itertools.count()

    def search(self, plan: CandidatePlan, columns: Sequence[Column], rows: Mapping[str, Any]) -> Found:
        """What both found, having compared it; distances by trigonometry to 1e-12, others bit for bit.

        Args:
            plan: Scratch tables and candidates.
            columns: Feature columns of the points.
            rows: The values of each column of the table `points`.
        """
        folder = self._folder / str(next(self._numbers))
        folder.mkdir(parents=True)
        contract = points_contract(tuple(columns))
        typed = ", ".join(
            f'CAST("{column.name}" AS {duckdb_type(column.type).sql("duckdb")}) AS "{column.name}"'
            for column in contract.columns
        )
        with duckdb.connect() as connection:
            connection.register("given", pd.DataFrame(rows))
            connection.execute(
                f"COPY (SELECT {typed} FROM given) TO '{folder}/points.parquet' (FORMAT parquet)"
            )
        points = FileRelation((f"{folder}/points.parquet",), columns=contract.columns)
        one, other = (_found(engine, plan, points, folder / engine.name) for engine in self._engines)
        assert np.array_equal(one.pairs, other.pairs)
        assert np.array_equal(one.cores, other.cores)
        assert one.comparisons == other.comparisons >= len(one.pairs)
        trees = [plan.candidates.tree, *(step.statement.tree for step in plan.scratch)]
        if any(tree.find(*LAST_BITS) for tree in trees):
            np.testing.assert_allclose(one.distances, other.distances, rtol=RELATIVE, atol=0)
        else:
            assert np.array_equal(one.distances.view(np.int64), other.distances.view(np.int64))
        return one


def _found(engine: SqlEngine, plan: CandidatePlan, points: FileRelation, folder: Path) -> Found:
    known: dict[str, Relation] = {"points": points}

    def fill(statement: Statement, table: TableContract) -> FileRelation:
        written = engine.unload(statement, known, table, str(folder / table.name))
        return FileRelation(tuple(file.uri for file in written.files), columns=table.columns)

    for step in plan.scratch:
        known[step.table.name] = fill(step.statement, step.table)
    rows = read_columns(fill(plan.candidates, CANDIDATES))
    cores = np.empty(0, np.int64)
    if plan.cores is not None:
        cores = read_columns(fill(plan.cores, CORES))["point_id"]
    pairs = np.column_stack([rows["point_a"], rows["point_b"]])
    comparisons = int(engine.fetch(plan.comparisons, known).rows[0]["comparisons"])
    return Found(pairs, rows["distance"], cores, comparisons)


def read_columns(relation: FileRelation) -> dict[str, Any]:
    """Columns of some files as arrays, in the order of their rows."""
    with duckdb.connect() as connection:
        return dict(connection.execute(f"SELECT * FROM read_parquet({list(relation.uris)})").fetchnumpy())


@pytest.fixture
def searcher(trino_engine: TrinoEngine, home: Path, tmp_path: Path) -> Iterator[Searcher]:
    with open_backend(load_settings()) as backend:
        yield Searcher((backend.engine, trino_engine), tmp_path / "searched")
