"""Scratch tables that outlive an attempt, named by the digest of their input so that reruns find them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import MOST_PARTITIONS, WrittenFile
from cluster_assets.backends.statements import bind
from cluster_assets.domain.digests import digest_of
from cluster_assets.spec.expressions import DIALECT
from cluster_assets.stages.day.sql import WrittenTable
from cluster_assets.stages.ledger.layout import StageDay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation, Statement
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt


@dataclass(frozen=True, slots=True)
class BinStatement:
    """A statement over the bins from `:first` to `:last`.

    Attributes:
        path: Its file.
        structure: Its Jinja variables.
        values: Its other parameters.
    """

    path: str
    structure: Mapping[str, object]
    values: Mapping[str, int] = field(default_factory=dict)


class KeptTables:
    """A cache of one stage's tables for a day, keyed by statement and input files."""

    def __init__(self, job: DayJob, stage: str, attempt: Attempt, salt: str = "") -> None:
        """Choose the folder for the tables, without writing to it.

        Args:
            job: The day.
            stage: Name of the stage that owns the tables.
            attempt: Provides empty prefixes to write to.
            salt: Part of the names; a new salt forces the tables to be rewritten.
        """
        self._job = job
        self._attempt = attempt
        self._salt = salt
        self._folder = StageDay(job.spec.name, stage, job.day).shards

    def write(
        self, statement: Statement, relations: Mapping[str, FileRelation], table: TableContract
    ) -> WrittenTable:
        """Return a table, filling it unless an earlier run did.

        Args:
            statement: The query that fills the table.
            relations: The files it reads. They are immutable, so their names identify their content.
            table: The contract of the table.
        """
        store = self._job.backend.store
        name = digest_of(
            {
                "statement": statement.tree.sql(dialect=DIALECT),
                "files": {name: list(relation.uris) for name, relation in relations.items()},
                "columns": [[column.name, column.type] for column in table.columns],
                "salt": self._salt,
            }
        )
        record = f"{self._folder}/{name}.json"
        if (known := self._known(record)) is not None:
            return WrittenTable(known, table)
        store.delete([record])  # it may exist although one of its files is missing
        prefix = store.uri(f"{self._folder}/{name}-{self._attempt.id}")
        written = self._job.sql.unload(statement, relations, table, prefix)
        body = json.dumps([asdict(file) for file in written.files], sort_keys=True).encode()
        store.put_if_absent(record, body)
        return WrittenTable(_read_record(store.read(record)), table)  # another run may have written it first

    def write_bins(
        self,
        bound: BinStatement,
        relations: Mapping[str, FileRelation],
        table: TableContract,
        bins: int,
    ) -> Mapping[int, tuple[str, ...]]:
        """Return the files of each bin; none for a bin without rows.

        Args:
            bound: The statement.
            relations: The files it reads.
            table: The contract of the table, which is partitioned by the bin.
            bins: Number of bins.
        """
        found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
        for first in range(0, bins, MOST_PARTITIONS):
            last = min(first + MOST_PARTITIONS, bins) - 1
            values = {**bound.values, "first": first, "last": last}
            statement = bind(bound.path, structure=bound.structure, values=values)
            for file in self.write(statement, relations, table).files:
                found[int(file.partition or 0)] += (file.uri,)
        return found

    def _known(self, record: str) -> tuple[WrittenFile, ...] | None:
        """Return the files of an earlier run if all of them exist."""
        store = self._job.backend.store
        try:
            files = _read_record(store.read(record))
        except FileNotFoundError:
            return None
        folder = record.removesuffix(".json")
        sizes = {store.uri(found.key): found.bytes for found in store.list(f"{folder}-")}
        return files if all(sizes.get(file.uri) == file.bytes for file in files) else None


def _read_record(body: bytes) -> tuple[WrittenFile, ...]:
    return tuple(WrittenFile(**file) for file in json.loads(body))
