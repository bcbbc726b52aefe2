"""Scratch tables as files, for engines without tables of their own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation, ScratchTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.backends.ports import Relation, Scratch, SqlEngine, Statement
    from cluster_assets.domain.tables import TableContract


@contextmanager
def file_scratch(engine: SqlEngine, prefix_uri: str) -> Iterator[Scratch]:
    """Yield a `ports.Scratch` of files that an engine unloads; the files belong to the caller.

    Args:
        engine: Writes and reads the files.
        prefix_uri: An empty prefix.
    """

    def fill(statement: Statement, relations: Mapping[str, Relation], table: TableContract) -> ScratchTable:
        # Unsorted: sorting would force a cluster to use one writer, for a table that is read a few times.
        unsorted = replace(table, sort_by=())
        written = engine.unload(statement, relations, unsorted, f"{prefix_uri}/{table.name}")
        files = FileRelation(tuple(file.uri for file in written.files), columns=table.columns)
        return ScratchTable(files, written.statistics)

    yield fill
