"""What a report tells of a day, read from its tables: small answers, never a whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.pictures.facts import (
    NOISE,
    ClusterFact,
    DayFacts,
    DayNumbers,
    FlowFacts,
    Passage,
    Stretch,
    TokenShares,
)
from cluster_assets.pictures.page import ClusterRow, EventRow
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind, column
from cluster_assets.stages.report_features import describe_features

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import sqlglot.expressions as exp

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.ports import Relation, Statement
    from cluster_assets.stages.stage import DayJob

CLUSTERS = 500
"""Clusters a report lists, the largest of the day."""

EVENTS = 100
"""Rows a report lists of each event."""

TREND_DAYS = 30
FLOW_DAYS = 14
_LANES = 12
_FEATURES = 3
_TOKEN_SHARE = 0.05  # as in sql/report/tokens.sql


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """The published tables of the day, all of one making."""

    points: Manifest
    clusters: Manifest
    lineage: Manifest
    profiles: Manifest


class ReportReader:
    """Asks the SQL engine for what pictures and page need.

    Attributes:
        bytes_scanned: Bytes the engine read so far.
    """

    def __init__(self, job: DayJob, inputs: ReportInputs) -> None:
        self.bytes_scanned = 0
        self._job = job
        self._inputs = inputs

    def clusters(self) -> tuple[ClusterRow, ...]:
        """The largest clusters, as the page lists them."""
        tables = self.tables("profiles", "lineage")
        rows = self.fetch(bind("report/clusters.sql", values={"most": CLUSTERS}), tables)
        features = self._features()
        return tuple(
            ClusterRow(
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
                features=features.get(int(row["cluster"]), ()),
            )
            for row in rows
            if row["cluster"] != NOISE
        )

    def events(self) -> tuple[EventRow, ...]:
        """What became of the clusters of the day before, the largest of each event."""
        rows = self.fetch(bind("report/events.sql", values={"most": EVENTS}), self.tables("lineage"))
        return tuple(
            EventRow(
                event=row["event"],
                identity=row["stable_id"],
                entities=int(row["entities"]),
                previous_entities=int(row["previous_entities"]),
                shared=int(row["shared"]),
                jaccard=float(row["jaccard"]),
                previous_day=row["previous_day"] or "",
                related=row["parent"] or row["successor"] or "",
            )
            for row in rows
        )

    def token_shares(self, clusters: Sequence[ClusterFact]) -> TokenShares:
        """Which values the clusters show."""
        if not clusters:
            return TokenShares({}, _TOKEN_SHARE)
        shown: exp.Expr = column("cluster").isin(*(one.cluster for one in clusters))
        statement = bind("report/tokens.sql", expressions={"is_shown": shown})
        rows = self.fetch(statement, self.tables("points", "clusters"))
        shares = {(int(row["cluster"]), str(row["token"])): float(row["share"]) for row in rows}
        return TokenShares(shares, _TOKEN_SHARE)

    def lives(self, title: str) -> FlowFacts:
        """The largest identities over the last published days."""
        days = past_days(self._job, "lineage", FLOW_DAYS - 1)
        manifests = [*(self._job.ledger.current("lineage", day) for day in days), self._inputs.lineage]
        uris = tuple(
            uri
            for manifest in manifests
            if manifest is not None
            for uri in self._job.ledger.uris(manifest, "lineage")
        )
        columns = self._inputs.lineage.tables["lineage"].columns
        lineage = FileRelation(tuple(sorted(uris)), columns=columns)
        rows = self.fetch(bind("report/lives.sql", values={"most": _LANES}), {"lineage": lineage})
        return _flow(title, tuple(day.date for day in (*days, self._job.day)), rows)

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> tuple[Mapping[str, Any], ...]:
        """The rows of a small answer."""
        found = self._job.backend.engine.fetch(statement, relations)
        self.bytes_scanned += found.statistics.bytes_scanned
        return found.rows

    def tables(self, *names: str) -> dict[str, Relation]:
        """Tables of the day, each main table of its stage but `cluster_features`."""
        return {name: self._table("profiles" if name == "cluster_features" else name, name) for name in names}

    def _table(self, stage: str, name: str) -> FileRelation:
        manifest: Manifest = getattr(self._inputs, stage)
        return FileRelation(self._job.ledger.uris(manifest, name), columns=manifest.tables[name].columns)

    def _features(self) -> dict[int, tuple[str, ...]]:
        statement = bind("report/features.sql", values={"most": CLUSTERS, "best": _FEATURES})
        rows = self.fetch(statement, self.tables("profiles", "cluster_features"))
        found: dict[int, tuple[str, ...]] = {}
        for row in rows:
            cluster = int(row["cluster"])
            found[cluster] = (*found.get(cluster, ()), describe_features(row))
        return found


def day_facts(job: DayJob, clusters: Manifest, rows: Sequence[ClusterRow]) -> DayFacts:
    """What pictures of the day are drawn from."""
    listed = tuple(ClusterFact(row.cluster, row.identity, row.entities, row.points) for row in rows)
    return DayFacts(
        title=f"{job.spec.name}, {job.day}",
        clusters=listed,
        cluster_count=int(clusters.metrics["clusters"]),
        entities=int(clusters.metrics["entities"]),
        noise=int(clusters.metrics["noise"]),
    )


def day_numbers(job: DayJob, clusters: Manifest) -> tuple[DayNumbers, ...]:
    """Entities, clusters and noise of the last published days, this one the last."""
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
    """The last published days before the day, ascending."""
    return tuple(day for day in job.ledger.days(stage) if day.date < job.day.date)[-most:]


def _identity(row: Mapping[str, Any]) -> str:
    return str(row["stable_id"] or f"cluster {row['cluster']}")


def _flow(title: str, days: tuple[dt.date, ...], rows: Sequence[Mapping[str, Any]]) -> FlowFacts:
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
    return FlowFacts(title, days, tuple(stretches), tuple(passages), tuple(deaths), identities)
