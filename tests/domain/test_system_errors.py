"""A full disk is reported as one clear error, by any part that notices it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cluster_assets.domain.system_errors import full_disk_error, system_error

HOME = Path("home")


def test_a_write_to_a_full_device() -> None:
    with pytest.raises(OSError, match="No space left") as caught, Path("/dev/full").open("wb", 0) as full:
        full.write(b"x")
    assert "the disk is full" in str(system_error(caught.value, HOME))
    assert "published days are as before" in str(full_disk_error(caught.value, HOME))


def test_a_full_database_below_other_errors() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as caught:
            database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    error = RuntimeError("the run failed")
    error.__cause__ = caught.value
    found = full_disk_error(error, HOME)
    assert found is not None
    assert "the disk is full: database or disk is full" in str(found)


def test_other_errors_are_not_taken_for_a_full_disk() -> None:
    assert full_disk_error(ValueError("x"), HOME) is None
    assert "the system refused: no such file" in str(system_error(OSError(2, "no such file", "x"), HOME))
