"""The facts of a report, read from the day's tables by queries with small results.

`describe_features` puts each row of `cluster_features` into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.batches import Query
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind, column
from cluster_assets.stages.report.pictures.facts import (
    NOISE,
    ClusterFact,
    DayFacts,
    DayNumbers,
    FlowFacts,
    Passage,
    Stretch,
    TokenShares,
)
from cluster_assets.stages.report.pictures.page import ClusterRow, EventRow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import sqlglot.expressions as exp

    from cluster_assets.backends.ports import Relation, Statement
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.day.job import DayJob

_KM = 1000.0


def describe_features(row: Mapping[str, Any]) -> str:
    """Describe a distinguishing feature in one line.

    >>> describe_features({"kind": "text", "feature": "text", "value": "a", "share": 0.9, "lift": None})
    'a 90%'
    """
    if row["kind"] == "place":
        return _place(row)
    if row["value"] is not None:
        name = "" if row["feature"] == row["kind"] else f"{row['feature']} "
        lift = "" if row["lift"] is None else f" (\u00d7{row['lift']:,.1f})"
        return f"{name}{row['value']} {row['share']:.0%}{lift}"
    zscore = "" if row["zscore"] is None else f" (z {row['zscore']:+.1f})"
    return f"{row['feature']} {_short(row['mean'])}, day {_short(row['day_mean'])}{zscore}"


def _short(value: float) -> str:
    """Format with three digits; rounding errors around zero become zero."""
    return f"{round(value, 12) + 0.0:,.3g}"


def _place(row: Mapping[str, Any]) -> str:
    north = "N" if row["latitude"] >= 0 else "S"
    east = "E" if row["longitude"] >= 0 else "W"
    centre = f"{abs(row['latitude']):.2f}°{north} {abs(row['longitude']):.2f}°{east}"
    name = "" if row["feature"] == "place" else f"{row['feature']} "
    return f"{name}{centre}, within {row['radius_m'] / _KM:,.1f} km"


CLUSTERS = 500
"""Maximum number of clusters in a report; the largest are listed."""

EVENTS = 100
"""Maximum number of rows per event in a report."""

TREND_DAYS = 30
FLOW_DAYS = 14
_LANES = 12
_FEATURES = 3
_TOKEN_SHARE = 0.05  # as in sql/report/tokens.sql


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """The published manifests of the day, all computed from each other."""

    points: Manifest
    clusters: Manifest
    lineage: Manifest
    profiles: Manifest


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of a report.

    Attributes:
        clusters: The largest clusters.
        events: What happened to the clusters of the previous day, the largest of each event.
        lives: The largest identities over the last published days.
    """

    clusters: tuple[ClusterRow, ...]
    events: tuple[EventRow, ...]
    lives: FlowFacts


class ReportReader:
    """Queries the facts for the pictures and the page."""

    def __init__(self, job: DayJob, inputs: ReportInputs) -> None:
        self._job = job
        self._inputs = inputs

    def read_day(self) -> DayRows:
        """Return the rows of the page and of the picture of lives."""
        days = past_days(self._job, "lineage", FLOW_DAYS - 1)
        clusters, features, events, lives = self._job.sql.fetch_all(
            [
                Query(
                    bind("report/clusters.sql", values={"most": CLUSTERS}), self.tables("profiles", "lineage")
                ),
                Query(
                    bind("report/features.sql", values={"most": CLUSTERS, "best": _FEATURES}),
                    self.tables("profiles", "cluster_features"),
                ),
                Query(bind("report/events.sql", values={"most": EVENTS}), self.tables("lineage")),
                Query(bind("report/lives.sql", values={"most": _LANES}), {"lineage": self._lineage_of(days)}),
            ]
        )
        identities = {identity for row in events for identity in (row["stable_id"], _related(row))}
        names = self._names(identities | {row["stable_id"] for row in lives})
        dates = tuple(day.date for day in (*days, self._job.day))
        return DayRows(
            tuple(_cluster_rows(clusters, features)),
            tuple(_event_row(row, names) for row in events),
            _flow(self._job.spec.name, dates, lives, names),
        )

    def token_shares(self, clusters: Sequence[ClusterFact]) -> TokenShares:
        """Return the share of each cluster's entities that have a token."""
        if not clusters:
            return TokenShares({}, _TOKEN_SHARE)
        shown: exp.Expr = column("cluster").isin(*(one.cluster for one in clusters))
        statement = bind("report/tokens.sql", expressions={"is_shown": shown})
        rows = self.fetch(statement, self.tables("points", "clusters"))
        shares = {(int(row["cluster"]), str(row["token"])): float(row["share"]) for row in rows}
        return TokenShares(shares, _TOKEN_SHARE)

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> tuple[Mapping[str, Any], ...]:
        """Run a statement with a small result and return its rows."""
        return self._job.sql.fetch(statement, relations)

    def tables(self, *names: str) -> dict[str, Relation]:
        """Return tables of the day by name."""
        inputs = self._inputs
        manifests = (inputs.points, inputs.clusters, inputs.lineage, inputs.profiles)
        owners = {name: manifest for manifest in manifests for name in manifest.tables}
        return {name: self._job.ledger.relation(owners[name], name) for name in names}

    def _names(self, identities: Iterable[str]) -> dict[str, str]:
        """Return names by stable id, of those that live or died recently."""
        wanted = sorted(set(identities) - {""})
        if not wanted:
            return {}
        shown: exp.Expr = column("stable_id").isin(*wanted)
        rows = self.fetch(bind("report/names.sql", expressions={"is_shown": shown}), self.tables("names"))
        return {str(row["stable_id"]): str(row["name"]) for row in rows}

    def _lineage_of(self, days: Sequence[Day]) -> FileRelation:
        """Return the lineage of earlier days and of the day."""
        manifests = [*(self._job.ledger.current("lineage", day) for day in days), self._inputs.lineage]
        uris = tuple(
            uri
            for manifest in manifests
            if manifest is not None
            for uri in self._job.ledger.uris(manifest, "lineage")
        )
        columns = self._inputs.lineage.tables["lineage"].columns
        return FileRelation(tuple(sorted(uris)), columns=columns)


def _cluster_rows(
    rows: Sequence[Mapping[str, Any]], features: Sequence[Mapping[str, Any]]
) -> Iterator[ClusterRow]:
    said: dict[int, tuple[str, ...]] = {}
    for row in features:
        cluster = int(row["cluster"])
        said[cluster] = (*said.get(cluster, ()), describe_features(row))
    for row in rows:
        if row["cluster"] != NOISE:
            yield ClusterRow(
                cluster=int(row["cluster"]),
                identity=_identity(row),
                event=row["event"] or "",
                entities=int(row["entities"]),
                previous_entities=int(row["previous_entities"] or 0),
                share=float(row["share"]),
                points=int(row["points"]),
                core_entities=int(row["core_entities"]),
                medoid=row["medoid"],
                cohesion=row["cohesion"],
                separation=row["separation"],
                first_seen=row["first_seen"] or "",
                features=said.get(int(row["cluster"]), ()),
                name=row["name"] or "",
            )


def _event_row(row: Mapping[str, Any], names: Mapping[str, str]) -> EventRow:
    return EventRow(
        event=row["event"],
        identity=row["stable_id"],
        entities=int(row["entities"]),
        previous_entities=int(row["previous_entities"]),
        shared=int(row["shared"]),
        jaccard=float(row["jaccard"]),
        previous_day=row["previous_day"] or "",
        related=_related(row),
        name=names.get(row["stable_id"], ""),
        related_name=names.get(_related(row), ""),
    )


def day_facts(job: DayJob, clusters: Manifest, rows: Sequence[ClusterRow]) -> DayFacts:
    """Return the facts for the pictures of the day."""
    listed = tuple(ClusterFact(row.cluster, row.identity, row.entities, row.points, row.name) for row in rows)
    return DayFacts(
        title=f"{job.spec.name}, {job.day}",
        clusters=listed,
        cluster_count=int(clusters.metrics["clusters"]),
        entities=int(clusters.metrics["entities"]),
        noise=int(clusters.metrics["noise"]),
    )


def day_numbers(job: DayJob, clusters: Manifest) -> tuple[DayNumbers, ...]:
    """Return entities, clusters and noise of the last published days, ending with this day."""
    manifests = [job.ledger.current("clusters", day) for day in past_days(job, "clusters", TREND_DAYS - 1)]
    return tuple(
        DayNumbers(
            day=manifest.day.date,
            entities=int(manifest.metrics["entities"]),
            clusters=int(manifest.metrics["clusters"]),
            noise=int(manifest.metrics["noise"]),
        )
        for manifest in (*manifests, clusters)
        if manifest is not None
    )


def past_days(job: DayJob, stage: str, most: int) -> tuple[Day, ...]:
    """Return the last published days before the day, ascending."""
    return tuple(day for day in job.ledger.days(stage) if day.date < job.day.date)[-most:]


def _identity(row: Mapping[str, Any]) -> str:
    return str(row["stable_id"] or f"cluster {row['cluster']}")


def _related(row: Mapping[str, Any]) -> str:
    return row["parent"] or row["successor"] or ""


def _flow(
    title: str, days: tuple[dt.date, ...], rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> FlowFacts:
    days_by_key = {day.isoformat(): day for day in days}
    stretches, passages, deaths = [], [], []
    for row in rows:
        day, identity = days_by_key[row["day"]], row["stable_id"]
        is_end = row["event"] == "died"
        if is_end:
            deaths.append((day, identity))
        else:
            stretches.append(Stretch(day, identity, int(row["entities"]), row["event"]))
        is_heir = not is_end and row["first_seen"] < row["day"]
        source = identity if is_end or is_heir else row["parent"]
        target = row["successor"] if is_end else identity
        start = days_by_key.get(row["previous_day"] or "")
        if source and target and start is not None:
            passages.append(Passage(start, day, source, target, int(row["shared"])))
    identities = int(rows[0]["identities"]) if rows else 0
    lived = {one.identity for one in stretches}  # others only merged into one of these
    ends = tuple(death for death in deaths if death[1] in lived)
    return FlowFacts(title, days, tuple(stretches), tuple(passages), ends, identities, names)
