"""Databases stay open during a run, and only there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from cluster_assets.backends.kept_databases import kept_open

if TYPE_CHECKING:
    from pathlib import Path

FULL, NORMAL = 2, 1


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "history" / "runs" / "index.db"
    path.parent.mkdir(parents=True)
    assert store(path, "PRAGMA journal_mode = WAL") == FULL
    store(path, "CREATE TABLE events (n INTEGER)")
    return path


def store(path: Path, statement: str) -> int:
    """Run a statement as Dagster does, in a connection of its own, and return the connection's durability."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        connection.execute(text(statement))
        found = connection.execute(text("PRAGMA synchronous")).scalar_one()
    engine.dispose()
    return int(found)


def rows(path: Path) -> int:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM events")).scalar_one())


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_the_log_stays_until_the_end(database: Path, tmp_path: Path) -> None:
    assert not log_of(database).exists()
    with kept_open(tmp_path):
        assert store(database, "INSERT INTO events VALUES (1)") == NORMAL
        with kept_open(tmp_path):
            store(database, "INSERT INTO events VALUES (2)")
        assert log_of(database).stat().st_size > 0
        assert rows(database) == 2
    assert not log_of(database).exists()
    assert rows(database) == 2
    assert store(database, "INSERT INTO events VALUES (3)") == FULL


def test_databases_elsewhere_are_left_alone(database: Path, tmp_path: Path) -> None:
    with kept_open(tmp_path / "other"):
        assert store(database, "INSERT INTO events VALUES (1)") == FULL
        assert not log_of(database).exists()


def test_databases_without_a_log_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with kept_open(tmp_path):
        assert store(path, "CREATE TABLE events (n INTEGER)") == FULL
        assert store(path, "PRAGMA journal_mode = WAL") == FULL  # its connection came before the log
        assert store(path, "INSERT INTO events VALUES (1)") == NORMAL


def test_a_locked_database_is_left_to_dagster(database: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool, connect_args={"timeout": 0})
    with closing(sqlite3.connect(database)) as holder, kept_open(tmp_path):
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with engine.connect() as connection, pytest.raises(OperationalError, match="locked"):
            connection.execute(text("SELECT * FROM events"))
    assert rows(database) == 0
