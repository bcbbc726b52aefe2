"""The life of a cluster, read from the published days of lineage."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.tables import LINEAGE, OVERLAPS
from cluster_assets.stages.lineage.events import LifeEvent, parse_cluster_name
from cluster_assets.stages.lineage.memory import STAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.backends.ports import SqlEngine
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.ledger.ledger import Ledger


def find_id(ledger: Ledger, engine: SqlEngine, name: str) -> str:
    """Return the stable id of a cluster given by stable id or `DAY/NUMBER`.

    Raises:
        SpecError: The text is not a cluster name, or the day has no such cluster.
        UpstreamMissingError: The day has no lineage yet.
    """
    asked = parse_cluster_name(name)
    if asked.day is None:
        return asked.stable_id or ""
    manifest = ledger.require(STAGE, asked.day)
    rows = engine.fetch(bind("lineage/numbers.sql"), {"lineage": _tables(ledger, [manifest], LINEAGE)}).rows
    ids = {int(row["cluster"]): str(row["stable_id"]) for row in rows}
    if asked.number not in ids:
        raise SpecError(
            f"{asked.day} has no cluster {asked.number}",
            where=f"{ledger.pipeline}, {asked.day}",
            remedy=f"choose a number from 0 to {max(ids)}" if ids else "choose a day that has clusters",
        )
    return ids[asked.number]


def life_of(ledger: Ledger, engine: SqlEngine, stable_id: str) -> tuple[LifeEvent, ...]:
    """Return the events of a cluster's life by day, ascending.

    Raises:
        SpecError: No published day has the id.
        UpstreamMissingError: No day of lineage is published.
    """
    days = [ledger.require(STAGE, day) for day in _days_since_birth(ledger, stable_id)]
    values = {"stable_id": stable_id}
    found = engine.fetch(
        bind("lineage/life.sql", values=values), {"lineage": _tables(ledger, days, LINEAGE)}
    ).rows
    if not found:
        raise _unknown(ledger, stable_id)
    parents, children = _relatives(ledger, engine, stable_id, days)
    events = [
        LifeEvent(
            day=str(row["day"]),
            event=str(row["event"]),
            cluster=None if row["cluster"] is None else int(row["cluster"]),
            entities=int(row["entities"]),
            previous_entities=int(row["previous_entities"]),
            shared=int(row["shared"]),
            jaccard=float(row["jaccard"]),
            evidence=None if row["evidence"] is None else str(row["evidence"]),
            parents=parents.get(str(row["day"]), ()),
            children=children.get(str(row["day"]), ()),
        )
        for row in found
    ]
    return tuple(sorted(events, key=lambda event: event.day))


def _days_since_birth(ledger: Ledger, stable_id: str) -> list[Day]:
    """Return the published days since the cluster's birth, whose date is part of its id."""
    text = f"{stable_id[:4]}-{stable_id[4:6]}-{stable_id[6:8]}"
    try:
        born = parse_day(text)
    except SpecError as error:
        raise _unknown(ledger, stable_id) from error
    return [day for day in ledger.days(STAGE) if day >= born]


def _relatives(
    ledger: Ledger, engine: SqlEngine, stable_id: str, days: list[Manifest]
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
    """Return parents and children by day."""
    statement = bind("lineage/relatives.sql", values={"stable_id": stable_id})
    parents: defaultdict[str, set[str]] = defaultdict(set)
    children: defaultdict[str, set[str]] = defaultdict(set)
    for row in engine.fetch(statement, {"overlaps": _tables(ledger, days, OVERLAPS)}).rows:
        today, before = str(row["stable_id"]), str(row["previous_stable_id"])
        if today == stable_id:
            parents[str(row["day"])].add(before)
        else:
            children[str(row["day"])].add(today)
    return _sorted(parents), _sorted(children)


def _sorted(found: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {day: tuple(sorted(ids)) for day, ids in found.items()}


def _tables(ledger: Ledger, days: Iterable[Manifest], table: TableContract) -> FileRelation:
    uris = sorted(uri for day in days for uri in ledger.uris(day, table.name))
    return FileRelation(tuple(uris), columns=table.columns)


def _unknown(ledger: Ledger, stable_id: str) -> SpecError:
    days = ledger.days(STAGE)
    known = f"lineage is published from {days[0]} to {days[-1]}" if days else "no day of lineage is published"
    return SpecError(
        f"no cluster of {ledger.pipeline} has the id {stable_id}",
        where=known,
        remedy="name it by a day and its number then, as --cluster 2013-03-04/12; ids change "
        "when the days they were born on are computed again",
    )
