"""Translation of DuckDB's errors into errors that name the file, the line and a remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.files import whole_scan
from cluster_assets.backends.duckdb.reading.values import own_text_error, unconverted, value_error
from cluster_assets.backends.ports import FileRelation, TableRelation
from cluster_assets.backends.sql_base import gone, unreadable
from cluster_assets.backends.text_files.faults import find_fault, line_of
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    SourceSchemaError,
    SourceUnreadableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from cluster_assets.backends.ports import Relation, Statement

_CSV_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CONVERTED = re.compile(r"^Error when converting column")
# Raised before a file's data is read. A broken file may cause any other error.
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
    statement: Statement,
    relations: Collection[Relation],
    cursor: duckdb.DuckDBPyConnection,
    alone: Callable[[FileRelation, str], None],
) -> ClusterAssetsError:
    """Return the project's error for an error of DuckDB.

    Args:
        error: DuckDB's error.
        statement: The failed statement.
        relations: Relations that it read; each file is tried separately to find the broken one.
        cursor: A connection that can read the files.
        alone: Runs the statement on a single file of a relation.
    """
    name = statement.name
    if isinstance(error, duckdb.OutOfMemoryException):
        return EngineError(
            f"DuckDB ran out of memory: {_first_line(error)}",
            where=name,
            remedy="raise CLUSTER_SQL_MEMORY_MB, or free disk space for temporary files",
        )
    if not isinstance(error, _OF_STATEMENTS):
        for relation in relations:
            if isinstance(relation, FileRelation) and (found := _broken_file(relation, cursor)):
                return found
    texts = [
        one for one in relations if isinstance(one, FileRelation) and one.uris and one.format != "parquet"
    ]
    if isinstance(error, duckdb.ConversionException) and not texts:
        sources = [one for one in relations if isinstance(one, TableRelation) or one.uris]
        if found := value_error(error, statement, sources, cursor):
            return found
    if isinstance(error, _OF_VALUES) and (found := _refused_value(texts, statement, alone)):
        return found
    if isinstance(error, duckdb.BinderException) and texts:
        return SourceSchemaError(
            f"DuckDB refused the statement: {_first_line(error)}",
            where=f"{name}, reading {', '.join(one.uris[0] for one in texts)}"
            + (", …" if any(len(one.uris) > 1 for one in texts) else ""),
            remedy="check the expressions; a CSV or JSON column is text if any value is not a "
            "number: declare it under raw.columns, such as {v: double}, to find that value",
        )
    return EngineError(
        f"DuckDB refused the statement: {_first_line(error)}",
        where=name,
        remedy="check the expressions of the pipeline against the columns of the source",
    )


def file_error(error: Exception, relation: FileRelation, uri: str) -> ClusterAssetsError:
    """Return the error for an unreadable file."""
    text = str(error)
    if not Path(uri).exists():
        return gone(uri)
    if relation.format != "parquet" and (fault := find_fault(uri, relation.format, relation.dialect)):
        return fault.error(uri)
    if relation.format == "csv" and (line := _CSV_LINE.search(text)):
        return _csv_error(text, f"{uri}, record {line[1]}")
    return unreadable(uri, _first_line(error), relation.format)


def _csv_error(text: str, place: str) -> SourceUnreadableError:
    """Return the error for a record; DuckDB's message has lines for the place, the record and the fault."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    what = next((line for line in lines[2:] if not line.startswith("*")), lines[0])
    return SourceUnreadableError(
        f"a record of a CSV file cannot be read: {what}", where=place, remedy="correct the record"
    )


def _broken_file(relation: FileRelation, cursor: duckdb.DuckDBPyConnection) -> ClusterAssetsError | None:
    for uri in relation.uris:
        if relation.format != "parquet":
            if fault := find_fault(uri, relation.format, relation.dialect):
                return fault.error(uri)
            continue
        try:
            cursor.execute(whole_scan(relation, uri)).fetchall()
        except duckdb.Error as error:
            return file_error(error, relation, uri)
    return None


def _refused_value(
    relations: Iterable[FileRelation], statement: Statement, alone: Callable[[FileRelation, str], None]
) -> ClusterAssetsError | None:
    for relation in relations:
        for uri in relation.uris:
            try:
                alone(relation, uri)
            except duckdb.Error as error:
                place = _place_of(error, relation, uri, statement)
                if not place and (own := own_text_error(error, statement)):
                    return own
                return SourceUnreadableError(
                    f"a value of the file does not have the type that {statement.name} expects: "
                    f"{_first_line(error)}",
                    where=f"{uri}{place}",
                    remedy="correct the value, declare the column's type under raw.columns, "
                    "or leave the row out with raw.where",
                )
    return None


def _place_of(error: duckdb.Error, relation: FileRelation, uri: str, statement: Statement) -> str:
    """Return the line and column of a value that could not be converted; empty if it is not found."""
    if (found := unconverted(error)) is None:
        return ""
    for name in sorted({column.name for column in statement.tree.find_all(exp.Column)}):
        if line := line_of(uri, relation.format, relation.dialect, name, found[0]):
            return f"{line}, column {name}"
    return ""


def _first_line(error: Exception) -> str:
    """Return the line that says what happened; for a CSV record, it follows the record."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return next((line for line in lines if _CONVERTED.search(line)), lines[0] if lines else "")
