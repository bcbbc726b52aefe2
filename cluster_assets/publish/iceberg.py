"""Target `iceberg`: an Iceberg table for each pipeline table, written by Athena, partitioned by day.

One MERGE deletes the day's rows and inserts the new ones, so that readers see the old day or the new one. Its
source has the new rows, and one row that names the day to delete; only that row matches rows of the table.
Each row carries the version in the column `publication`. The source is empty if the table has this version or
a newer one, and Iceberg refuses the second of two commits that touch a day.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.athena.errors import cause_of
from cluster_assets.backends.aws.faults import Cause
from cluster_assets.backends.aws.glue_tables import glue_type
from cluster_assets.backends.ports import FileRelation, Statement, TableRelation
from cluster_assets.domain.errors import (
    EngineError,
    PublicationError,
    SourceMissingError,
    TargetUnavailableError,
)
from cluster_assets.publish.target import TRIES, Mark, Receipt, decide, outdone, unwritten
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from cluster_assets.backends.athena.engine import AthenaEngine
    from cluster_assets.backends.ports import Relation
    from cluster_assets.domain.tables import Column
    from cluster_assets.publish.target import TableDay

DAY = "day"
PUBLICATION = "publication"
_REPLACED = "replaced_day"
_PERMISSIONS = (
    "athena:StartQueryExecution, GetQueryExecution and GetQueryResults, glue:GetTable, CreateTable and "
    "UpdateTable on the database, s3:ListBucket, GetObject, PutObject and DeleteObject at its location"
)


class IcebergTarget:
    """Publishes to Iceberg tables of a Glue database.

    Args:
        open_engine: Opens Athena.
        database: The Glue database.
        location: Folder of new tables, an `s3://` address.
    """

    def __init__(
        self, open_engine: Callable[[], AbstractContextManager[AthenaEngine]], database: str, location: str
    ) -> None:
        self._open_engine = open_engine
        self._database = database
        self._location = location

    def publish(self, table: TableDay) -> Receipt:
        """Replace the day in the Iceberg table, unless it has this version or a newer one.

        Raises:
            PublicationError: Athena refuses or fails, or a column has another type than before.
            ConflictError: Other publishers were faster each time.
        """
        where = self._where(table)
        with self._opened(where) as engine:
            self._prepare(engine, table, where)
            merged = False
            for _ in range(TRIES):
                shown, rows = self._shown(engine, table)
                outcome = decide(shown, table.mark, where)
                # A day without rows holds no version.
                is_empty = table.rows == rows == 0
                if outcome != "written" or is_empty:
                    if merged and outcome != "superseded":
                        return Receipt("written", where)
                    return unwritten("unchanged" if is_empty else outcome, shown, where)
                merged = self._merge(engine, table) or merged
        raise outdone("committed to the Iceberg table", where)

    def count(self, table: TableDay) -> int | None:
        """Return the rows of the day; None if the table shows another version.

        Raises:
            PublicationError: Athena refuses or fails.
        """
        with self._opened(self._where(table)) as engine:
            shown, rows = self._shown(engine, table)
        is_ours = shown == table.mark or table.rows == rows == 0
        return rows if is_ours else None

    def _where(self, table: TableDay) -> str:
        return f"{self._database}.{_name(table)}"

    def _prepare(self, engine: AthenaEngine, table: TableDay, where: str) -> None:
        """Create the table, or add the columns that it lacks."""
        columns = _columns(table, where)
        name = f"`{self._database}`.`{_name(table)}`"
        wanted = {column.name: glue_type(column.type) for column in columns}
        wanted |= {DAY: "string", PUBLICATION: "string"}
        try:
            described = engine.describe_table(TableRelation(where))
        except SourceMissingError:
            location = f"{self._location}/{_name(table)}/"
            engine.define(
                f"create {where}",
                f"CREATE TABLE IF NOT EXISTS {name} ({_defined(wanted)}) PARTITIONED BY (`{DAY}`) "
                f"LOCATION {_text(location)} TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet')",
            )
            return
        found = {column.name: glue_type(column.type) for column in described}
        for column, kind in wanted.items():
            if found.get(column.lower(), kind) != kind:
                raise PublicationError(
                    f"the column {column} is {found[column.lower()]} in the Iceberg table, {kind} in the day",
                    where=where,
                    remedy="publish to another database: an Iceberg table has one type for each column",
                )
        missing = {column: kind for column, kind in wanted.items() if column.lower() not in found}
        if missing:
            engine.define(f"extend {where}", f"ALTER TABLE {name} ADD COLUMNS ({_defined(missing)})")

    def _shown(self, engine: AthenaEngine, table: TableDay) -> tuple[Mark | None, int]:
        """Return the version of the day and its rows."""
        newest = exp.Max(this=exp.column(PUBLICATION, quoted=True))
        query = (
            exp.select(exp.alias_(newest, "newest"), exp.alias_(exp.Count(this=exp.Star()), "number"))
            .from_("published")
            .where(_of_day(table))
        )
        relations = {"published": TableRelation(self._where(table))}
        (found,) = engine.fetch(Statement(f"look at {self._where(table)}", query), relations).rows
        return Mark.parse(str(found["newest"])) if found["newest"] else None, int(found["number"])

    def _merge(self, engine: AthenaEngine, table: TableDay) -> bool:
        """Replace the day by one statement; False if another commit came first."""
        where = self._where(table)
        data = table.snapshot.data
        relations: dict[str, Relation] = {
            "data": FileRelation(table.snapshot.uris, columns=data.columns),
            "published": TableRelation(where),
        }
        query = merge_source(table, _columns(table, where))
        target = f'"{self._database}"."{_name(table)}"'
        try:
            engine.write(
                Statement(f"publish {where}", query),
                relations,
                lambda source: merge_text(target, source, table, _columns(table, where)),
            )
        except EngineError as error:
            if "ICEBERG_COMMIT_ERROR" in error.what:
                return False
            raise
        return True

    @contextmanager
    def _opened(self, where: str) -> Iterator[AthenaEngine]:
        """Yield Athena; its faults are those of a publication."""
        try:
            with self._open_engine() as engine:
                yield engine
        except (EngineError, SourceMissingError) as error:
            cause = None if error.__cause__ is None else cause_of(error.__cause__)
            if cause is not None and cause.passes:
                raise TargetUnavailableError(
                    f"Athena does not answer, or throttles: {error.what}",
                    where=where,
                    remedy="publish the day again later: cluster-assets run, or materialize the asset",
                ) from error
            remedy = error.remedy
            if cause is Cause.FORBIDDEN:
                remedy = f"check the credentials; their role needs {_PERMISSIONS}"
            raise PublicationError(error.what, where=error.where or where, remedy=remedy) from error


def merge_source(table: TableDay, columns: Sequence[Column]) -> exp.Query:
    """Return the query for the new rows and for the row that names the day to delete.

    It has no rows if the table `published` shows this version or a newer one.
    """
    newest = exp.select(exp.Max(this=exp.column(PUBLICATION, quoted=True)))
    shown = exp.Subquery(this=newest.from_("published").where(_of_day(table)))
    is_newer = exp.LT(
        this=exp.Coalesce(this=shown, expressions=[exp.Literal.string("")]),
        expression=exp.Literal.string(str(table.mark)),
    )
    names = [exp.column(column.name, quoted=True) for column in columns]
    new = exp.select(*names, _null("varchar", _REPLACED)).from_("data").where(is_newer)
    nulls = [_null(column.type, column.name) for column in columns]
    day = exp.alias_(exp.Literal.string(table.day.key), _REPLACED, quoted=True)
    return exp.union(new, exp.select(*nulls, day).where(is_newer.copy()), distinct=False)


def merge_text(target: str, source: str, table: TableDay, columns: Sequence[Column]) -> str:
    """Return the MERGE of a day from the text of `merge_source`."""
    names = [_quoted(column.name) for column in columns]
    day, mark = _text(table.day.key), _text(str(table.mark))
    return (
        f"MERGE INTO {target} AS t USING ({source}) AS s "
        f'ON t."{DAY}" = {day} AND t."{DAY}" = s."{_REPLACED}" '
        f'WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND s."{_REPLACED}" IS NULL THEN INSERT '
        f"({', '.join([*names, _quoted(DAY), _quoted(PUBLICATION)])}) "
        f"VALUES ({', '.join([*(f's.{name}' for name in names), day, mark])})"
    )


def _columns(table: TableDay, where: str) -> tuple[Column, ...]:
    """Return the columns of a table without its day."""
    columns = tuple(column for column in table.snapshot.data.columns if column.name != DAY)
    if reserved := [one.name for one in columns if one.name.lower() in (PUBLICATION, _REPLACED)]:
        raise PublicationError(
            f"the table has a column {reserved[0]}, which the publication uses",
            where=where,
            remedy="rename the feature, or publish another table",
        )
    return columns


def _name(table: TableDay) -> str:
    return f"{table.pipeline}_{table.name}"


def _of_day(table: TableDay) -> exp.Expr:
    return exp.EQ(this=exp.column(DAY, quoted=True), expression=exp.Literal.string(table.day.key))


def _null(kind: str, name: str) -> exp.Expr:
    return exp.alias_(sqlglot.parse_one(f"CAST(NULL AS {kind})", read=DIALECT), name, quoted=True)


def _defined(columns: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in columns.items())


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(DIALECT)


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(DIALECT)
