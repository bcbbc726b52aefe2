"""Trino's errors are translated into helpful ones; no server is needed."""

from __future__ import annotations

import pytest
import trino

from cluster_assets.backends.trino.errors import NO_SERVER, translate
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError

FILES = {"local:///a.parquet": "/a.parquet"}


def said(name: str, message: str, kind: str = "INTERNAL_ERROR") -> trino.exceptions.TrinoQueryError:
    return trino.exceptions.TrinoQueryError(
        {"errorName": name, "errorType": kind, "message": message}, "20261121_1"
    )


@pytest.mark.parametrize("name", NO_SERVER)
def test_a_server_without_workers_is_no_broken_file(name: str) -> None:
    found = translate(said(name, "No nodes available to run query"), "points/points.sql", FILES)
    assert type(found) is EngineError
    assert "again" in str(found.remedy)
    assert "20261121_1" in str(found.where)


def test_a_file_that_cannot_be_decoded_is_named() -> None:
    found = translate(said("HIVE_BAD_DATA", "Malformed page", "EXTERNAL"), "q", FILES, "/a.parquet")
    assert isinstance(found, SourceUnreadableError)
    assert found.where == "/a.parquet"


def test_a_missing_table_and_a_limit_are_distinguished() -> None:
    assert isinstance(translate(said("TABLE_NOT_FOUND", "no such table"), "q", {}), SourceMissingError)
    limit = translate(said("EXCEEDED_LOCAL_MEMORY_LIMIT", "Query exceeded 1GB"), "q", FILES)
    assert "limit" in limit.what
