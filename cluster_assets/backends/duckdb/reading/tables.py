"""Errors of tables of the configured database that cannot be read."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import SOURCE
from cluster_assets.domain.errors import SourceMissingError, SourceUnreadableError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from cluster_assets.domain.errors import ClusterAssetsError

_FILE = re.compile(r'Cannot access file "([^"]*)"')
_MOST_NAMES = 30


def table_error(
    error: duckdb.Error, cursor: duckdb.DuckDBPyConnection, name: str, database: Path | None
) -> ClusterAssetsError:
    """Return the error for a table that cannot be described.

    Args:
        error: What DuckDB raised.
        cursor: A cursor of the database.
        name: Name of the table in `raw.table`.
        database: File of the database.
    """
    where = f"raw.table: {name}, database {database}"
    *schemas, table = name.split(".")
    schema = schemas[-1] if schemas else "main"
    found = cursor.execute(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        f"WHERE table_catalog = '{SOURCE}' ORDER BY ALL"
    ).fetchall()
    kinds = {(place.lower(), each.lower()): kind for place, each, kind in found}
    kind = kinds.get((schema.lower(), table.lower()))
    if kind is None:
        names = [each if place == "main" else f"{place}.{each}" for place, each, _ in found]
        near = difflib.get_close_matches(name, names, n=1)
        shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        return SourceMissingError(
            f"the table {name} is not in the database",
            where=where,
            remedy=f"{f'did you mean {near[0]}? ' if near else ''}It has: {shown or 'no tables'}",
        )
    copy = f"make a table of it in the database: CREATE TABLE {table}_rows AS FROM {name}"
    if kind == "VIEW" and (file := _FILE.search(str(error))):
        return SourceUnreadableError(
            f"the view {name} reads {file[1]}: a view may read tables of its database only, because a "
            "change of the file would not make days stale",
            where=where,
            remedy=f"name the files under raw.files instead of raw.table, or {copy}, and name that one",
        )
    first = str(error).strip().splitlines()[0]
    return SourceUnreadableError(
        f"the {'view' if kind == 'VIEW' else 'table'} {name} cannot be read: {first}",
        where=where,
        remedy=f"correct the view, or {copy}, and name that one" if kind == "VIEW" else "repair the database",
    )
