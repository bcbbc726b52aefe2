"""Translation of Trino's errors into errors that name the file or table and a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
import trino

from cluster_assets.backends.sql_base import unreadable
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    SourceMissingError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILURES = (trino.exceptions.Error, trino.exceptions.HttpError, requests.RequestException)
"""Exceptions of the client: Trino's errors, HTTP errors, broken connections."""

NO_SERVER = ("NO_NODES_AVAILABLE", "SERVER_STARTING_UP", "SERVER_SHUTTING_DOWN", "REMOTE_HOST_GONE")
"""Errors of the server, unrelated to the statement and its files."""

_MISSING = ("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND")
_TOO_LARGE = (
    "EXCEEDED_LOCAL_MEMORY_LIMIT", "EXCEEDED_GLOBAL_MEMORY_LIMIT", "EXCEEDED_TIME_LIMIT",
    "CLUSTER_OUT_OF_MEMORY", "EXCEEDED_SPILL_LIMIT", "EXCEEDED_CPU_LIMIT", "EXCEEDED_SCAN_LIMIT",
)  # fmt: skip


def translate(
    error: trino.exceptions.TrinoQueryError, name: str, files: Mapping[str, str], broken: str | None = None
) -> ClusterAssetsError:
    """Return the project's error for an error of Trino.

    Args:
        error: Trino's error.
        name: Statement or table, for the message.
        files: URI of each file that was read, by Trino's location.
        broken: URI of the file that cannot be decoded.
    """
    what = _sentence(error)
    if error.error_name in NO_SERVER:
        return EngineError(
            f"Trino has no worker to run the statement: {what}",
            where=f"{name}, query {error.query_id}",
            remedy="run the day again when the server and its workers are up",
        )
    if error.error_name in _MISSING:
        return SourceMissingError(
            f"Trino has no such table: {what}",
            where=name,
            remedy="check raw.table, CLUSTER_TRINO_CATALOG and CLUSTER_TRINO_SCHEMA; "
            "SHOW TABLES lists the tables",
        )
    named = next((uri for location, uri in files.items() if location in error.message), None)
    broken = broken or (named if "parquet" in what.lower() else None)
    if broken is not None:
        return unreadable(broken, what)
    if error.error_name in _TOO_LARGE:
        return EngineError(
            f"the statement exceeded a limit of Trino: {what}",
            where=f"{name}, query {error.query_id}",
            remedy="raise the limit on the server (such as query.max-memory), or let it spill to disk",
        )
    if error.error_name == "NOT_SUPPORTED" and "non-managed" in what.lower():
        return EngineError(
            f"Trino is not allowed to write files here: {what}",
            where=name,
            remedy="set hive.non-managed-table-writes-enabled=true in the catalog that "
            "CLUSTER_TRINO_SCRATCH_CATALOG names",
        )
    return EngineError(
        f"Trino refused the statement: {what}",
        where=name,
        remedy="check the expressions of the pipeline against the columns of the source; "
        f"Trino's page of query {error.query_id} has the details",
    )


def unreachable(error: Exception, host: str, port: int) -> EngineError:
    """Return the error for a server that does not respond or rejects the user."""
    where = f"{host}:{port}"
    if "401" in str(error) or "403" in str(error) or isinstance(error, trino.exceptions.TrinoAuthError):
        return EngineError(
            f"Trino rejected the user: {_first_line(error)}",
            where=where,
            remedy="check CLUSTER_TRINO_USER and CLUSTER_TRINO_PASSWORD; "
            "a password needs CLUSTER_TRINO_HTTP_SCHEME=https",
        )
    return EngineError(
        f"Trino does not respond: {_first_line(error)}",
        where=where,
        remedy="check CLUSTER_TRINO_HOST, CLUSTER_TRINO_PORT and CLUSTER_TRINO_HTTP_SCHEME, "
        "and that the server is running",
    )


def _sentence(error: trino.exceptions.TrinoQueryError) -> str:
    lines = error.message.strip().splitlines()
    return lines[0] if lines else str(error.error_name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
