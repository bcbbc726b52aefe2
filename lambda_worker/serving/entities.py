"""Entities, clusters and tokens of a day in one SQLite database, looked up in microseconds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from lambda_worker.serving.contract import ClusterAnswer, EntityAnswer
from lambda_worker.tables.labels import NOISE, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_SCHEMA = """
CREATE TABLE entities (entity TEXT PRIMARY KEY, cluster INTEGER NOT NULL, role INTEGER NOT NULL,
    probability REAL) WITHOUT ROWID;
CREATE TABLE clusters (cluster INTEGER PRIMARY KEY, stable_id TEXT, name TEXT, entities INTEGER NOT NULL,
    event TEXT NOT NULL, since TEXT NOT NULL, profile TEXT NOT NULL);
CREATE TABLE tokens (part INTEGER, token TEXT, code INTEGER NOT NULL, PRIMARY KEY (part, token))
    WITHOUT ROWID;
"""
_MEMBERS = "CREATE UNIQUE INDEX members ON entities (cluster, entity)"
_ENTITY = "SELECT e.entity, e.cluster, c.stable_id, c.name, e.role, e.probability FROM entities e "
_ENTITY += "LEFT JOIN clusters c ON c.cluster = e.cluster "
_CLUSTER = "SELECT cluster, stable_id, name, entities, event, since, profile FROM clusters "
_PAGES_KIB = 16 << 10


class EntityWriter:
    """Fills the database of a day.

    Args:
        path: The file to write.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        # The file becomes visible only when it is complete, so a journal would protect nothing.
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_PAGES_KIB}; BEGIN;"
            + _SCHEMA
        )

    def add_entities(self, rows: Iterable[tuple[str, int, int, float | None]]) -> None:
        """Add entities: name, cluster, code of the role, probability.

        Raises:
            sqlite3.IntegrityError: An entity comes twice.
        """
        self._database.executemany("INSERT INTO entities VALUES (?, ?, ?, ?)", rows)

    def add_clusters(self, rows: Iterable[ClusterAnswer]) -> None:
        """Add clusters."""
        listed = (
            (
                row.cluster,
                row.stable_id,
                row.name,
                row.entities,
                row.event,
                row.since,
                msgspec.json.encode(row.profile).decode(),
            )
            for row in rows
        )
        self._database.executemany("INSERT INTO clusters VALUES (?, ?, ?, ?, ?, ?, ?)", listed)

    def add_tokens(self, part: int, tokens: Sequence[str]) -> None:
        """Add the tokens of the day's sets, in the order of their codes.

        Args:
            part: Position among mixed features, else 0.
            tokens: Distinct and sorted.
        """
        rows = ((part, token, code) for code, token in enumerate(tokens))
        self._database.executemany("INSERT INTO tokens VALUES (?, ?, ?)", rows)

    def finish(self) -> None:
        """Complete the file."""
        self._database.execute(_MEMBERS)
        self._database.execute("COMMIT")
        self._database.close()


class Entities:
    """Reads the database of a day; any number of threads may ask at once.

    Args:
        path: The file, which never changes.
        day: The day, for answers.
    """

    def __init__(self, path: Path, day: str) -> None:
        self._day = day
        # SQLite itself serialises the calls of several threads.
        self._database = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )

    def entity(self, name: str) -> EntityAnswer | None:
        """Return the cluster of an entity, or None."""
        try:
            row = self._database.execute(_ENTITY + "WHERE e.entity = ?", (name,)).fetchone()
        except UnicodeEncodeError:  # half of a surrogate pair: no entity is called so
            return None
        return None if row is None else self._entity(row)

    def members(self, cluster: int, after: str, limit: int) -> list[EntityAnswer]:
        """Return entities of a cluster by name."""
        where = "WHERE e.cluster = ? AND e.entity > ? ORDER BY e.entity LIMIT ?"
        return [self._entity(row) for row in self._rows(_ENTITY + where, (cluster, after, limit))]

    def clusters(self, after: int, limit: int) -> list[ClusterAnswer]:
        """Return clusters by number."""
        where = "WHERE cluster > ? ORDER BY cluster LIMIT ?"
        return [_cluster(row) for row in self._rows(_CLUSTER + where, (after, limit))]

    def cluster(self, number: int) -> ClusterAnswer | None:
        """Return a cluster, or None."""
        found = self._database.execute(_CLUSTER + "WHERE cluster = ?", (number,)).fetchone()
        return None if found is None else _cluster(found)

    def identity(self, number: int) -> tuple[str | None, str | None]:
        """Return stable id and name of a cluster; None for noise."""
        if number == NOISE:
            return None, None
        row = self._database.execute(
            "SELECT stable_id, name FROM clusters WHERE cluster = ?", (number,)
        ).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def code(self, token: str, part: int = 0) -> int | None:
        """Return the code of a token, or None if no set of the day has it."""
        query = "SELECT code FROM tokens WHERE part = ? AND token = ?"
        row = self._database.execute(query, (part, token)).fetchone()
        return None if row is None else int(row[0])

    def first_token(self) -> str | None:
        """Return a token that a set of the day has; None if there is none."""
        row = self._database.execute("SELECT token FROM tokens WHERE part = 0 LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _rows(self, query: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        with closing(self._database.execute(query, values)) as cursor:
            yield from cursor.fetchall()

    def _entity(self, row: tuple[Any, ...]) -> EntityAnswer:
        entity, cluster, stable_id, name, role, probability = row
        return EntityAnswer(
            entity=entity,
            day=self._day,
            cluster=cluster,
            stable_id=stable_id,
            name=name,
            role=ROLES[role],  # type: ignore[arg-type]
            probability=probability,
        )


def _cluster(row: tuple[Any, ...]) -> ClusterAnswer:
    *values, profile = row
    named: Mapping[str, Any] = dict(
        zip(("cluster", "stable_id", "name", "entities", "event", "since"), values, strict=True)
    )
    return ClusterAnswer(**named, profile=msgspec.json.decode(profile))
