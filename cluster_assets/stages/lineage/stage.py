"""Stage `lineage`: matches today's clusters with yesterday's and records what happened to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.scratch_tables import CLUSTER_PAIRS, SHARED_ENTITIES, SHARED_FEATURES
from cluster_assets.domain.tables import KNOWN, LINEAGE, OVERLAPS
from cluster_assets.stages.day.job import StageOutput, sql_digest
from cluster_assets.stages.day.sql import WrittenTable
from cluster_assets.stages.day.stage import Stage, Trend
from cluster_assets.stages.lineage.events import BORN, CONTINUED, DIED, EVENTS
from cluster_assets.stages.lineage.memory import STAGE, made_of, next_day, recall
from cluster_assets.stages.worker.kept_tables import KeptTables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation, Statement
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.lineage.memory import Memory


class LineageStage(Stage):
    """Stable ids and events of the day's clusters, derived from them and the previous day of lineage."""

    name = STAGE
    deps = ("clusters",)
    deps_before = ("clusters",)
    numbers = tuple((event, event, event) for event in (BORN, CONTINUED, DIED))
    trends = (
        Trend(
            "continued_share",
            "Share of yesterday's clusters that live on, against the median of the days before",
            look="look whether entities or features turned over",
            needs="previous_clusters",
            one_sided=True,
        ),
    )
    tables = (LINEAGE, OVERLAPS, KNOWN)

    def describe(self, spec: PipelineSpec) -> str:
        """Describe the asset; later days that a change affects are materialized with the day."""
        said = "What became of yesterday's clusters: stable ids, born, continued, split, merged, died"
        if spec.window is None:
            return said
        shared = counted(spec.window.days - 1, "day")
        return f"{said}. Windows of consecutive days share {shared} of {spec.window.days}"

    def is_left_out(self, job: DayJob) -> bool:
        """Leave out days without clusters, so that lineage of a whole range can be requested."""
        return job.ledger.current("clusters", job.day) is None

    def day_after(self, job: DayJob) -> Day | None:
        """Return the next published day that depends on this one."""
        return next_day(job)

    def recipe(self, spec: PipelineSpec) -> Mapping[str, str]:
        """Return the inputs of all days: YAML and code."""
        return recipe_of(spec)

    def prepare(self, job: DayJob) -> LineageWork:
        """Pin the clusters of the day and the state of the previous day.

        Raises:
            UpstreamMissingError: The day has no clusters yet.
        """
        return LineageWork(
            job, job.ledger.require("clusters", job.day), recall(job.ledger, job.spec, job.day)
        )


@dataclass(frozen=True, slots=True)
class LineageWork:
    """Two cached joins over entities and features; the other statements read one row per pair of clusters."""

    job: DayJob
    clusters: Manifest
    memory: Memory

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the clusters, the thresholds and the state of the previous day."""
        return inputs_of(self.job.spec, self.clusters, self.memory)

    def compute(self, attempt: Attempt) -> StageOutput:
        """Match the clusters of the day with the known ones and record what happened to each.

        Raises:
            IntegrityError: A version that an earlier day was computed from no longer exists.
        """
        return _Matching(self, attempt).run()


def inputs_of(spec: PipelineSpec, clusters: Manifest, memory: Memory) -> Mapping[str, str]:
    """Return the inputs of a day of lineage."""
    return {
        "clusters": clusters.content_digest,
        **memory.inputs,
        **recipe_of(spec),
    }


def recipe_of(spec: PipelineSpec) -> Mapping[str, str]:
    """Return the inputs that all days of lineage have."""
    return {"spec": digest_of(spec.part("lineage")), "sql": sql_digest("lineage")}


class _Matching:
    """One attempt at a day."""

    def __init__(self, work: LineageWork, attempt: Attempt) -> None:
        self._job = work.job
        self._attempt = attempt
        self._memory = work.memory
        # With --force the tables are computed again instead of reused.
        self._kept = KeptTables(work.job, STAGE, attempt, attempt.id if work.job.force else "")
        day = work.job.day
        self._days = {0: work.clusters} | {
            (day.date - other.date).days: made_of(work.job, "clusters", other, digest)
            for other, digest in work.memory.remembered.items()
        }
        self._rules = work.job.spec.lineage

    def run(self) -> StageOutput:
        """Fill all tables of the day."""
        rules = self._rules
        known = self._known()
        entities = self._shared_entities().relation
        overlaps = self._overlaps(entities, known)
        lineage = self._fill(
            bind("lineage/lineage.sql", values={"part": rules.part, "growth": rules.growth}),
            {"shared_entities": entities, "overlaps": overlaps.relation, "known": known},
            LINEAGE,
        )
        left = self._fill(
            bind("lineage/known.sql", values={"gap_days": rules.gap_days}),
            {"shared_entities": entities, "lineage": lineage.relation, "known": known},
            KNOWN,
        )
        tables = {table.contract.name: (table.contract, table.files) for table in (lineage, overlaps, left)}
        return StageOutput(tables, self._metrics(lineage.relation))

    def _overlaps(self, entities: FileRelation, known: FileRelation) -> WrittenTable:
        """Match the clusters of the day with those of remembered days; a first day has none."""
        if len(self._days) == 1:
            return WrittenTable((), OVERLAPS)
        rules = self._rules
        pairs = self._job.sql.unload(
            bind("lineage/pairs.sql", values={"match": rules.match, "similar": rules.similar}),
            {
                "shared_entities": entities,
                "shared_features": self._shared_features().relation,
                "known": known,
            },
            CLUSTER_PAIRS,
            self._attempt.scratch_uri(CLUSTER_PAIRS.name),
        ).relation
        return self._fill(
            bind("lineage/overlaps.sql", values={"match": rules.match, "part": rules.part}),
            {"shared_entities": entities, "pairs": pairs},
            OVERLAPS,
        )

    def _known(self) -> FileRelation:
        previous = self._memory.previous
        return self._job.ledger.relation(previous, "known") if previous else WrittenTable((), KNOWN).relation

    def _shared_entities(self) -> WrittenTable:
        """Count the entities shared by each pair of clusters; depends on the clusters of the days alone."""
        relations = {f"clusters_{back}": self._clusters(day) for back, day in self._days.items()}
        statement = bind(
            "lineage/entities.sql",
            structure={"days_back": tuple(self._days)},
            values={f"day{back}": made.day.key for back, made in self._days.items()},
        )
        return self._kept.write(statement, relations, SHARED_ENTITIES)

    def _shared_features(self) -> WrittenTable:
        """Compute the feature similarity of each pair of clusters; empty if that is switched off."""
        if not self._job.spec.lineage.features:
            return WrittenTable((), SHARED_FEATURES)
        points = {
            back: made_of(self._job, "points", day.day, day.inputs["points"])
            for back, day in self._days.items()
        }
        columns = points[0].tables["points"].columns
        # The YAML of that day may have compared other features.
        alike = {back: made for back, made in points.items() if made.tables["points"].columns == columns}
        if len(alike) == 1:
            return WrittenTable((), SHARED_FEATURES)
        relations = {f"clusters_{back}": self._clusters(self._days[back]) for back in alike}
        for back, made in alike.items():
            relations[f"points_{back}"] = self._job.ledger.relation(made, "points")
        names = tuple(f'"{column.name}"' for column in columns[2:])
        statement = bind("lineage/features.sql", structure={"days_back": tuple(alike), "columns": names})
        return self._kept.write(statement, relations, SHARED_FEATURES)

    def _clusters(self, day: Manifest) -> FileRelation:
        return self._job.ledger.relation(day, "clusters")

    def _fill(
        self, statement: Statement, relations: dict[str, FileRelation], table: TableContract
    ) -> WrittenTable:
        return self._job.sql.unload(statement, relations, table, self._attempt.prefix_uri(table.name))

    def _metrics(self, lineage: FileRelation) -> dict[str, Metric]:
        (row,) = self._job.sql.fetch(
            bind("lineage/summary.sql", structure={"events": EVENTS}), {"lineage": lineage}
        )
        counted = {name: int(value) for name, value in row.items()}
        before, before_entities = counted["previous_clusters"], counted["previous_entities"]
        previous = self._memory.previous
        gap = (self._job.day.date - previous.day.date).days if previous else 0
        length = self._job.spec.window_days
        # Without it, one would take entities that stay in the window for entities that returned.
        shared = {"window_days_shared": max(length - gap, 0)} if length > 1 and previous else {}
        return {
            "clusters": counted["clusters"],
            **{event: counted[event] for event in EVENTS},
            "previous_clusters": before,
            "continued_share": round(counted["living_on"] / before, 6) if before else 0.0,
            "continued_entity_share": (
                round(counted["entities_living_on"] / before_entities, 6) if before_entities else 0.0
            ),
            "gap_days": gap,
            **shared,
        }
