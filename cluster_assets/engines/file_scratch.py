"""Scratch tables as files, for engines that keep no tables of their own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster_assets.ports import FileRelation, ScratchTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import Relation, SqlEngine, Statement


class FileScratch:
    """Implements `ports.Scratch` by what an engine unloads.

    Args:
        engine: Writes and reads the files.
        prefix_uri: A fresh prefix.
    """

    def __init__(self, engine: SqlEngine, prefix_uri: str) -> None:
        self._engine = engine
        self._prefix_uri = prefix_uri

    def fill(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """Write a table; see `ports.Scratch`."""
        prefix = f"{self._prefix_uri}/{table.name}"
        # An order would make one writer of many on a cluster, for a table that is read a few times.
        written = self._engine.unload(statement, relations, replace(table, sort_by=()), prefix)
        files = FileRelation(tuple(file.uri for file in written.files), columns=table.columns)
        return ScratchTable(files, written.statistics)


@contextmanager
def file_scratch(engine: SqlEngine, prefix_uri: str) -> Iterator[FileScratch]:
    """A scratch whose files its caller owns."""
    yield FileScratch(engine, prefix_uri)
