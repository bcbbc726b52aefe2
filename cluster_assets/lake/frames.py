"""A table of one or more published days, converted on demand to the library of the reader's choice."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import duckdb

from cluster_assets.backends.duckdb.sessions import interruptibly
from cluster_assets.backends.packages import require
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import EngineError
from cluster_assets.lake.queries import columns_of, ordered_rows
from cluster_assets.stages.snapshots import is_remote, local_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.tables import Column
    from cluster_assets.stages.snapshots import TableSnapshot

_Frame = TypeVar("_Frame")


@dataclass(frozen=True, slots=True, repr=False)
class LakeTable:
    """One table of one day or of a range of days; nothing is read before one of the `to_…` methods.

    Rows are in order of the day and of the table's key. Types are those of the table: 64-bit integers,
    doubles, texts and lists; `day` is a date.

    Attributes:
        pipeline: Name of the pipeline.
        table: Name of the table.
    """

    pipeline: str
    table: str
    _snapshots: Mapping[Day, TableSnapshot]
    _with_day: bool
    _store: ObjectStore
    _connection: duckdb.DuckDBPyConnection

    def __repr__(self) -> str:
        return (
            f"<{self.pipeline}.{self.table}: {counted(self.rows, 'row')}, {counted(len(self.days), 'day')}>"
        )

    @property
    def days(self) -> tuple[str, ...]:
        """Its days, `YYYY-MM-DD`, ascending."""
        return tuple(day.key for day in self._snapshots)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and Athena types of the columns."""
        if self._with_day:
            return columns_of(self._snapshots)
        (snapshot,) = self._snapshots.values()
        return snapshot.data.columns

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(snapshot.data.rows for snapshot in self._snapshots.values())

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame of pandas.

        Integers are `int64`, or pandas' nullable `Int64` in a column that has nulls; `day` is a `datetime64`.
        """
        frame: pd.DataFrame = self._convert(duckdb.DuckDBPyRelation.df)
        return frame

    def to_arrow(self) -> pa.Table:
        """Return the rows as a table of pyarrow.

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        require("pyarrow", extra="arrow")
        table: pa.Table = self._convert(duckdb.DuckDBPyRelation.to_arrow_table)
        return table

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a data frame of polars.

        Raises:
            MissingPackageError: polars is not installed.
        """
        frame: pl.DataFrame = self._convert(require("polars", extra="polars").DataFrame)
        return frame

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """Return the rows as a relation of DuckDB.

        The relation reads the files of this machine whenever it is used. Rows from an object store are
        copied into a temporary table of the connection first.

        Args:
            connection: Where the relation belongs. By default, all relations of a lake share a connection,
                so that they can be joined.
        """
        target = self._connection if connection is None else connection
        with self._query() as query:
            if not is_remote(self._uris):
                return target.sql(query)
            name = f"lake_{uuid.uuid4().hex}"
            interruptibly(target, lambda: target.execute(f"CREATE TEMP TABLE {name} AS {query}"))
            return target.table(name)

    @property
    def _uris(self) -> list[str]:
        return [uri for snapshot in self._snapshots.values() for uri in snapshot.uris]

    def _convert(self, convert: Callable[[duckdb.DuckDBPyRelation], _Frame]) -> _Frame:
        with self._query() as query, self._connection.cursor() as cursor:
            return interruptibly(cursor, lambda: convert(cursor.sql(query)))

    @contextmanager
    def _query(self) -> Iterator[str]:
        """Yield the query for the rows while its files are on this machine."""
        (snapshot, *_) = self._snapshots.values()
        try:
            with local_files(self._uris, self._store) as paths:
                if self._with_day:
                    yield ordered_rows(self._snapshots, paths)
                else:
                    yield snapshot.query(paths).sql("duckdb")
        except (duckdb.Error, FileNotFoundError) as error:
            raise EngineError(
                f"the files cannot be read: {error}",
                where=f"{self.pipeline}.{self.table}",
                remedy="open the lake again: gc may have removed an old version of a day",
            ) from error
