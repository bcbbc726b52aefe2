"""Scratch tables that outlive an attempt: named by what they are made from, so that a rerun finds them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.expressions import DIALECT
from cluster_assets.ports import FileRelation, WrittenFile
from cluster_assets.stages.layout import StageDay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import Statement
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


class KeptTables:
    """Tables of one stage of a day, written once for the same statement over the same files.

    Attributes:
        bytes_scanned: Bytes the engine read so far.
    """

    def __init__(self, job: DayJob, stage: str, attempt: Attempt, salt: str = "") -> None:
        """Nothing is written yet.

        Args:
            job: The day.
            stage: Whose tables these are.
            attempt: Gives fresh places to write to.
            salt: Part of the names; another one writes the tables again.
        """
        self.bytes_scanned = 0
        self._job = job
        self._attempt = attempt
        self._salt = salt
        self._folder = StageDay(job.spec.name, stage, job.day).shards

    def write(
        self, statement: Statement, relations: Mapping[str, FileRelation], table: TableContract
    ) -> tuple[WrittenFile, ...]:
        """The files of a table, of now or of an earlier run.

        Args:
            statement: Fills the table.
            relations: The files it reads; their names say what they hold, for they never change.
            table: Its contract.
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
            return known
        store.delete([record])  # it may stand although a file of it is gone
        prefix = store.uri(f"{self._folder}/{name}-{self._attempt.id}")
        written = self._job.backend.engine.unload(statement, dict(relations), table, prefix)
        self.bytes_scanned += written.statistics.bytes_scanned
        body = json.dumps([asdict(file) for file in written.files], sort_keys=True).encode()
        store.put_if_absent(record, body)
        return _read_record(store.read(record))  # another run may have been faster

    def _known(self, record: str) -> tuple[WrittenFile, ...] | None:
        """The files of an earlier run, when all of them stand."""
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
