"""Target `snowflake` with `mode: copy`: a day is replaced in one transaction, with its receipt."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import PublicationError
from cluster_assets.publish.snowflake.columns import DAY, columns_of, missing_columns, quote
from cluster_assets.publish.snowflake.receipts import RECEIPTS, Receipts
from cluster_assets.publish.target import Receipt, decide, unwritten
from cluster_assets.stages.snapshots import write_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cluster_assets.publish.snowflake.columns import SnowflakeColumn
    from cluster_assets.publish.snowflake.session import Session, Snowflake
    from cluster_assets.publish.target import TableDay

FILES_OF_A_COPY = 1000
"""Snowflake's maximum of FILES in one COPY."""
_FILE = "rows.parquet"


class CopyTarget:
    """Publishes to a Snowflake table for each pipeline table, `<pipeline>_<table>`.

    Args:
        snowflake: The connection.
        stage: An external stage at the root of the warehouse; None uploads the rows to the table's own stage.
    """

    def __init__(self, snowflake: Snowflake, stage: str | None) -> None:
        self._snowflake = snowflake
        self._stage = stage

    def publish(self, table: TableDay) -> Receipt:
        """Replace the day and its receipt, unless the table has this version or a newer one.

        Raises:
            PublicationError: Snowflake refuses or fails, or a column has another type than before.
        """
        where = f"{self._snowflake.address}/{table_name(table)}"
        with self._snowflake.opened() as session:
            receipts = Receipts(session, table_name(table))
            receipts.create()
            shown = receipts.shown(table)
            outcome = decide(shown, table.mark, where)
            sent = 0
            if outcome == "written":
                columns = columns_of(table.snapshot.data)
                _prepare(session, table, columns, where)
                sent = 0 if self._stage or not table.rows else _upload(session, table)
                receipts.lock(table)
                # Another publisher may have committed before the lock.
                shown = receipts.shown(table)
                outcome = decide(shown, table.mark, where)
            if outcome == "written":
                self._replace(session, table, columns, where)
                receipts.write(table)
                return Receipt("written", where, sent)
            return unwritten(outcome, shown, where)

    def count(self, table: TableDay) -> int | None:
        """Return the rows of the day; None if the table shows another version.

        Raises:
            PublicationError: Snowflake refuses or fails.
        """
        name = table_name(table)
        with self._snowflake.opened() as session:
            if Receipts(session, name).shown(table) != table.mark:
                return None
            return count_rows(session, table)

    def _replace(
        self, session: Session, table: TableDay, columns: Sequence[SnowflakeColumn], where: str
    ) -> None:
        session.run(f"DELETE FROM {quote(table_name(table))} WHERE {quote(DAY.upper())} = %s", table.day.key)
        loaded = 0
        for source in self._sources(table):
            done = session.run(_copy(table, columns, source))
            loaded += sum(int(file[3]) for file in done)  # rows_loaded
        if loaded != table.rows:
            raise PublicationError(
                f"Snowflake loaded {counted(loaded, 'row')} of {table.rows:,}",
                where=where,
                remedy="check that the URL of the stage is the folder of the warehouse",
            )

    def _sources(self, table: TableDay) -> Iterator[str]:
        """Yield where the files are, as the end of a COPY: the source, then its options."""
        if self._stage is None:
            if table.rows:
                yield f"@%{table_name(table)}/{table.mark}/{_FILE}) PURGE = TRUE"
            return
        keys = sorted(file.key for file in table.snapshot.data.files)
        for folder, found in groupby(keys, lambda key: key.rpartition("/")[0]):
            names = [key.rpartition("/")[2] for key in found]
            for start in range(0, len(names), FILES_OF_A_COPY):
                listed = ", ".join(map(_text, names[start : start + FILES_OF_A_COPY]))
                yield f"@{self._stage}/{folder}/) FILES = ({listed})"


def table_name(table: TableDay) -> str:
    """Return the name of a table in Snowflake."""
    return f"{table.pipeline}_{table.name}".upper()


def count_rows(session: Session, table: TableDay) -> int | None:
    """Return the rows that readers see; None if they see another version by now."""
    count = f"SELECT count(*) FROM {quote(table_name(table))} WHERE {quote(DAY.upper())} = %s"
    mark = f"SELECT max(MARK) FROM {RECEIPTS} WHERE TABLE_NAME = %s AND DAY = %s"
    day = table.day.key
    ((rows, shown),) = session.run(f"SELECT ({count}), ({mark})", day, table_name(table), day)
    return int(rows) if shown == str(table.mark) else None


def _prepare(session: Session, table: TableDay, columns: Sequence[SnowflakeColumn], where: str) -> None:
    """Create the table, or add the columns that it lacks. Both commit by themselves."""
    name = table_name(table)
    listed = _listed([f"{quote(DAY.upper())} DATE", *(column.definition for column in columns)])
    session.run(f"CREATE TABLE IF NOT EXISTS {quote(name)} ({listed})")
    found = session.run(
        "SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_SCHEMA = CURRENT_SCHEMA() AND TABLE_NAME = %s",
        name,
    )
    types = {str(column): str(kind) for column, kind in found}
    for column in missing_columns(types, columns, where):
        session.run(f"ALTER TABLE {quote(name)} ADD COLUMN IF NOT EXISTS {column.definition}")


def _upload(session: Session, table: TableDay) -> int:
    """Put the rows as one file on the table's stage, in a folder of their version; return its bytes."""
    with TemporaryDirectory(prefix="cluster-assets-publish-") as folder:
        file = Path(folder, _FILE)
        write_snapshot(table.snapshot, "FORMAT parquet", file, table.store)
        stage = f"@%{table_name(table)}/{table.mark}"
        session.run(f"PUT {_text(file.as_uri())} {stage} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
        return file.stat().st_size


def _copy(table: TableDay, columns: Sequence[SnowflakeColumn], source: str) -> str:
    names = _listed([quote(DAY.upper()), *(column.quoted for column in columns)])
    values = _listed([f"{_text(table.day.key)}::DATE", *(column.selected for column in columns)])
    # FORCE: files that were loaded before, and whose rows are gone, are loaded again.
    return (
        f"COPY INTO {quote(table_name(table))} ({names}) FROM (SELECT {values} FROM {source} "
        "FILE_FORMAT = (TYPE = PARQUET) FORCE = TRUE"
    )


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(dialect="snowflake")
