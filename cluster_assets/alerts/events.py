"""The events of a day that the YAML asks to report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot.expressions as exp

from cluster_assets.alerts.channels import redact
from cluster_assets.backends.duckdb.sessions import interruptibly
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import UpstreamMissingError, error_text
from cluster_assets.stages.day.audit import recorded_outcomes
from cluster_assets.stages.lineage.events import DIED
from cluster_assets.stages.snapshots import local_files, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.notify import ClusterEvent, Notify
    from cluster_assets.stages.ledger.ledger import Ledger
    from cluster_assets.stages.snapshots import TableSnapshot

FAILED = "failed"
_GROWN = "grown"
_DRIFT = "drift"
_MORE = "more"
# `previous_entities` of other events is the size of another cluster, or 0.
_LIVES_ON = ("continued", _GROWN, "merged")
_COLUMNS = ("event", "stable_id", "entities", "previous_entities", "parent")
_ID_DIGITS = 16
_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Alert:
    """An event to report.

    Attributes:
        id: Digest of what happened. Another version of the day with the same event has the same id.
        event: `born`, `split`, `merged`, `grown`, `drift` or `failed`; `more` for events that are counted.
        text: One sentence.
        facts: The numbers and names in it.
    """

    id: str
    event: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of events that it reports."""
        return int(self.facts["clusters"]) if self.event == _MORE else 1

    def to_json(self) -> dict[str, Any]:
        """Return the alert as one flat JSON object."""
        return {"id": self.id, "event": self.event, "text": self.text, **self.facts}


def failed_alert(
    ledger: Ledger, day: Day, stage: str, error: Exception, environment: Mapping[str, str]
) -> Alert:
    """Return the alert of a day that failed.

    A day that fails again in the same stage with the same kind of error, and was not published in between,
    has the same alert.

    Args:
        ledger: The pipeline.
        day: The day.
        stage: Where it failed.
        error: The error.
        environment: Variables whose secret values are redacted.
    """
    clusters = ledger.current("clusters", day)
    version = clusters.version if clusters else 0
    kind = type(error).__name__
    reason = redact(error_text(error), environment)[:_LONGEST_REASON]
    return Alert(
        _id(FAILED, stage, kind, version),
        FAILED,
        f"The day failed in {stage}: {reason}",
        {"stage": stage, "error": kind, "reason": reason},
    )


def find_alerts(notify: Notify, ledger: Ledger, store: ObjectStore, day: Day) -> tuple[Alert, ...]:
    """Return the alerts of a published day, those of the largest clusters first.

    Args:
        notify: What to report.
        ledger: The pipeline.
        store: Holds its files.
        day: A day; without lineage of its clusters, no event of clusters is found.

    Raises:
        IntegrityError: A file of the day is missing or damaged.
        EngineError: A file cannot be read.
    """
    return (*_drift(notify, ledger, day), *_cluster_events(notify, ledger, store, day))


def _drift(notify: Notify, ledger: Ledger, day: Day) -> tuple[Alert, ...]:
    points = ledger.current("points", day) if notify.drift else None
    outcomes = recorded_outcomes(points) if points is not None else ()
    return tuple(
        Alert(
            _id(_DRIFT, outcome.description),
            _DRIFT,
            f"The features have drifted: {outcome.description}",
            {"check": outcome.name, "state": outcome.state},
        )
        for outcome in outcomes
        if outcome.name == _DRIFT and not outcome.passed
    )


def _cluster_events(notify: Notify, ledger: Ledger, store: ObjectStore, day: Day) -> tuple[Alert, ...]:
    rules = {"born": notify.born, "split": notify.split, "merged": notify.merged}
    if not any((*rules.values(), notify.grown)):
        return ()
    try:
        lineage = read_snapshot(ledger, "lineage", day)
    except UpstreamMissingError:
        return ()
    rows = []
    for row in _read(lineage, _COLUMNS, exp.column("event").neq(DIED), store):
        event = _event_of(row, rules, notify)
        if event is not None:
            rows.append({**row, "event": event})
    rows.sort(key=lambda row: (-max(row["entities"], row["previous_entities"]), row["stable_id"]))
    named, rest = rows[: notify.most], rows[notify.most :]
    names = _names(ledger, store, day, [row["stable_id"] for row in named])
    return (*(_cluster_alert(row, names.get(row["stable_id"])) for row in named), *_summary(rest))


def _event_of(row: Mapping[str, Any], rules: Mapping[str, ClusterEvent | None], notify: Notify) -> str | None:
    """Return the event under which a cluster is reported; None if it is not."""
    rule = rules.get(row["event"])
    if rule is not None and row["entities"] >= rule.min_entities:
        return str(row["event"])
    growth = notify.grown
    if growth is None or row["event"] not in _LIVES_ON or row["entities"] < growth.min_entities:
        return None
    return _GROWN if row["entities"] >= growth.factor * row["previous_entities"] else None


def _cluster_alert(row: Mapping[str, Any], name: str | None) -> Alert:
    stable_id, event = str(row["stable_id"]), str(row["event"])
    entities, before, parent = row["entities"], row["previous_entities"], row["parent"]
    who = f"{name} ({stable_id})" if name else stable_id
    size = f"{counted(entities, 'entity')}" + (f", {before:,} the day before" if before else "")
    text = {
        "born": f"New cluster {who}: {size}",
        "split": f"{who} split off from {parent}: {size}" if parent else f"{who} was split: {size}",
        "merged": f"{who} absorbed {parent}: {size}" if parent else f"{who} absorbed a cluster: {size}",
        _GROWN: f"{who} grew: {size}",
    }[event]
    facts = {key: row[key] for key in ("stable_id", "entities", "previous_entities", "parent")}
    return Alert(_id(event, stable_id, entities, before, parent), event, text, {"name": name, **facts})


def _summary(rows: Sequence[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """Return one alert that counts the events of clusters without an alert of their own."""
    if not rows:
        return ()
    events = dict(Counter(str(row["event"]) for row in rows).most_common())
    listed = ", ".join(f"{number:,} {event}" for event, number in events.items())
    ids = [_id(*(row[name] for name in _COLUMNS)) for row in rows]
    text = f"And {counted(len(rows), 'smaller cluster')}: {listed}"
    return (Alert(_id(_MORE, *ids), _MORE, text, {"events": events, "clusters": len(rows)}),)


def _names(ledger: Ledger, store: ObjectStore, day: Day, stable_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the names of clusters that have one."""
    if not stable_ids:
        return {}
    try:
        profiles = read_snapshot(ledger, "profiles", day)
    except UpstreamMissingError:
        return {}
    if "name" not in {column.name for column in profiles.data.columns}:
        return {}  # published by an earlier version
    wanted = exp.column("stable_id").isin(*(exp.Literal.string(one) for one in stable_ids))
    rows = _read(profiles, ("stable_id", "name"), wanted, store)
    return {str(row["stable_id"]): str(row["name"]) for row in rows if row["name"]}


def _read(
    table: TableSnapshot, columns: Sequence[str], where: exp.Expr, store: ObjectStore
) -> list[dict[str, Any]]:
    with local_files(table.uris, store) as paths, duckdb.connect() as connection:
        chosen = (exp.column(name, quoted=True) for name in columns)
        query = exp.select(*chosen).from_(table.query(paths).subquery("t")).where(where).sql("duckdb")
        rows = interruptibly(connection, lambda: connection.execute(query).fetchall())
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _id(*parts: object) -> str:
    return digest_of({"event": list(parts)})[:_ID_DIGITS]
