"""DuckDB's errors in the project's words: which file, which line, what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    SourceMissingError,
    SourceSchemaError,
    SourceUnreadableError,
)
from cluster_assets.engines.duckdb_files import whole_scan
from cluster_assets.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from cluster_assets.ports import Relation

_CSV_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CSV_COLUMN = re.compile(r'converting column "([^"]*)"\. (.*)')
# Found before a file's data is read; anything else, named or not, a broken file may have raised.
_OF_STATEMENTS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.PermissionException,
)


_OF_VALUES = (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)


def translate(
    error: duckdb.Error,
    name: str,
    relations: Collection[Relation],
    cursor: duckdb.DuckDBPyConnection,
    alone: Callable[[FileRelation, str], None],
) -> ClusterAssetsError:
    """The error to raise instead of DuckDB's.

    Args:
        error: What DuckDB raised.
        name: The statement, for the message.
        relations: What it read; each file is tried by itself to find the broken one.
        cursor: A connection that may read the files.
        alone: Runs the statement with one file of a relation only.
    """
    if isinstance(error, duckdb.OutOfMemoryException):
        return EngineError(
            f"DuckDB ran out of memory: {_first_line(error)}",
            where=name,
            remedy="give it more (CLUSTER_SQL_MEMORY_MB), or more room for temporary files",
        )
    if not isinstance(error, _OF_STATEMENTS):
        for relation in relations:
            if isinstance(relation, FileRelation) and (found := _broken_file(relation, cursor)):
                return found
    texts = [
        one for one in relations if isinstance(one, FileRelation) and one.uris and one.format != "parquet"
    ]
    if isinstance(error, _OF_VALUES) and (found := _refused_value(texts, name, alone)):
        return found
    if isinstance(error, duckdb.BinderException) and texts:
        return SourceSchemaError(
            f"DuckDB refused the statement: {_first_line(error)}",
            where=f"{name}, reading {', '.join(one.uris[0] for one in texts)}"
            + (", …" if any(len(one.uris) > 1 for one in texts) else ""),
            remedy="check the expressions; a CSV or JSON column with a value that is no number is "
            "text: declare it under raw.columns, such as {v: double}, to have that value named",
        )
    return EngineError(
        f"DuckDB refused the statement: {_first_line(error)}",
        where=name,
        remedy="check the expressions of the pipeline against the columns of the source",
    )


def file_error(error: duckdb.Error, relation: FileRelation, uri: str) -> ClusterAssetsError:
    """What is wrong with one file."""
    text = str(error)
    if not Path(uri).exists():
        return SourceMissingError(
            f"{uri} is gone", where=uri, remedy="put the file back, then run the day again"
        )
    if relation.format == "csv" and (line := _CSV_LINE.search(text)):
        return _csv_error(text, f"{uri}, line {line[1]}")
    return SourceUnreadableError(
        f"a file is not readable as {relation.format}: {_first_line(error)}",
        where=uri,
        remedy="replace the file: it is truncated, corrupt or of another format",
    )


def _csv_error(text: str, place: str) -> SourceUnreadableError:
    """DuckDB says on line 1 where, on line 2 the original, on line 3 what is wrong."""
    if column := _CSV_COLUMN.search(text):
        return SourceUnreadableError(
            f"a value of a CSV file cannot be read: {column[2]}",
            where=f"{place}, column {column[1]}",
            remedy=f"declare its type, for example raw.columns: {{{column[1]}: varchar}}, or mend the line",
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    what = next((line for line in lines[2:] if not line.startswith("*")), lines[0])
    return SourceUnreadableError(
        f"a line of a CSV file cannot be read: {what}",
        where=place,
        remedy="mend the line: its quotes or its number of fields",
    )


def _broken_file(relation: FileRelation, cursor: duckdb.DuckDBPyConnection) -> ClusterAssetsError | None:
    for uri in relation.uris:
        try:
            cursor.execute(whole_scan(relation, uri)).fetchall()
        except duckdb.Error as error:
            return file_error(error, relation, uri)
    return None


def _refused_value(
    relations: Iterable[FileRelation], name: str, alone: Callable[[FileRelation, str], None]
) -> ClusterAssetsError | None:
    for relation in relations:
        for uri in relation.uris:
            try:
                alone(relation, uri)
            except duckdb.Error as error:
                if line := _CSV_LINE.search(str(error)):
                    return _csv_error(str(error), f"{uri}, line {line[1]}")
                return SourceUnreadableError(
                    f"a value of the file is not what {name} takes it for: {_first_line(error)}",
                    where=uri,
                    remedy="mend the value, declare the column's type under raw.columns, "
                    "or leave the row out with raw.where",
                )
    return None


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]
