"""The Athena engine for tests with local paths, which uploads and downloads the files of a statement."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from athena_lake import BUCKET

from cluster_assets.backends.file_scratch import file_scratch
from cluster_assets.backends.ports import FileRelation, UnloadResult
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from athena_lake import Lake

    from cluster_assets.backends.athena.engine import AthenaEngine
    from cluster_assets.backends.ports import QueryResult, Relation, Scratch, Statement
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.domain.times.layouts import TableDay

_URI = Column("uri", "varchar")
_ROOT = f"s3://{BUCKET}/paths"


class AthenaOnPaths:
    """A `ports.SqlEngine` over paths of this machine, whose work Athena does on S3."""

    name = "athena"

    def __init__(self, engine: AthenaEngine, lake: Lake) -> None:
        self._engine = engine
        self._lake = lake

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        with _in_paths():
            return self._engine.describe(self._up(relation))

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        with _in_paths():
            found = self._engine.describe_files(self._up(relation))
        return {_path(uri): columns for uri, columns in found.items()}

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        return self._engine.table_state(name, part)

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        with _in_paths():
            return self._engine.scan_bytes(self._up(relation), columns)

    def stored_rows(self, relation: FileRelation) -> int:
        with _in_paths():
            up = self._up(relation)
            assert isinstance(up, FileRelation)
            return self._engine.stored_rows(up)

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        with _in_paths():
            found = self._engine.fetch(statement, self._all_up(relations))
        rows = tuple({name: _said(value) for name, value in row.items()} for row in found.rows)
        return replace(found, rows=rows)

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        try:
            with _in_paths():
                result = self._engine.unload(statement, self._all_up(relations), table, _uri(prefix_uri))
        finally:
            Path(prefix_uri).mkdir(parents=True, exist_ok=True)
            for uri in self._lake.list(_uri(prefix_uri)):
                path = Path(_down(uri))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._lake.get(uri))
                if any(column == _URI for column in table.columns):
                    _say_paths(path)
        files = ((file, Path(_down(file.uri))) for file in result.files)
        written = (replace(file, uri=str(path), bytes=path.stat().st_size) for file, path in files)
        return UnloadResult(tuple(written), result.statistics)

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        return file_scratch(self, prefix_uri)

    def _all_up(self, relations: Mapping[str, Relation]) -> dict[str, Relation]:
        return {name: self._up(relation) for name, relation in relations.items()}

    def _up(self, relation: Relation) -> Relation:
        if not isinstance(relation, FileRelation):
            return relation
        for path in map(Path, relation.uris):
            if path.exists():
                self._lake.put(_uri(str(path)), path.read_bytes())
        return replace(relation, uris=tuple(_uri(uri) for uri in relation.uris))


@contextmanager
def _in_paths() -> Iterator[None]:
    """Say paths where the engine says addresses."""
    try:
        yield
    except ClusterAssetsError as error:
        where = error.where and _path(error.where)
        raise type(error)(_path(error.what), where=where, remedy=error.remedy) from error


def _say_paths(file: Path) -> None:
    """Say paths in a Parquet file of addresses."""
    other = file.with_suffix(".said")
    values = {"root": _ROOT, "file": str(file), "other": str(other)}
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT * REPLACE (replace(uri, $root, '') AS uri) "
            "FROM read_parquet($file, hive_partitioning = false)) TO $other (FORMAT parquet)",
            values,
        )
    other.replace(file)


def _said(value: object) -> object:
    return _path(value) if isinstance(value, str) else value


def _uri(path: str) -> str:
    return f"{_ROOT}{path}"


def _down(uri: str) -> str:
    """Athena's files have no ending, by which readers of paths know a format."""
    return f"{_path(uri)}.parquet"


def _path(text: str) -> str:
    return text.replace(_ROOT, "")
