"""Stage `lineage`: which cluster of today is which of yesterday, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.lineage import EVENTS
from cluster_assets.domain.tables import (
    CLUSTER_PAIRS,
    KNOWN,
    LINEAGE,
    OVERLAPS,
    SHARED_ENTITIES,
    SHARED_FEATURES,
)
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.kept_tables import KeptTables
from cluster_assets.stages.lineage_memory import STAGE, made_of, recall
from cluster_assets.stages.stage import StageOutput, sql_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.ports import Statement, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.lineage_memory import Memory
    from cluster_assets.stages.stage import DayJob


class LineageStage:
    """Stable ids and events of the day's clusters, a function of them and of the day of lineage before."""

    name = STAGE

    def prepare(self, job: DayJob) -> LineageWork:
        """Pin the clusters of the day, and what the day before left.

        Raises:
            UpstreamMissingError: The day has no clusters yet.
        """
        return LineageWork(
            job, job.ledger.require("clusters", job.day), recall(job.ledger, job.spec, job.day)
        )


@dataclass(frozen=True, slots=True)
class LineageWork:
    """Two joins over entities and features, kept; the rest works on one row a pair of clusters."""

    job: DayJob
    clusters: Manifest
    memory: Memory

    @property
    def inputs(self) -> Mapping[str, str]:
        """The clusters, the thresholds, and the state that the day before left."""
        return inputs_of(self.job.spec, self.clusters, self.memory)

    def compute(self, attempt: Attempt) -> StageOutput:
        """Match the clusters of the day with those known, and tell what happened.

        Raises:
            IntegrityError: What an earlier day was made from is gone.
        """
        return _Matching(self, attempt).run()


def inputs_of(spec: PipelineSpec, clusters: Manifest, memory: Memory) -> Mapping[str, str]:
    """What the lineage of a day is a function of."""
    return {
        "clusters": clusters.content_digest,
        **memory.inputs,
        "spec": digest_of(spec.part("lineage")),
        "sql": sql_digest("lineage"),
    }


class _Matching:
    """One attempt at a day."""

    def __init__(self, work: LineageWork, attempt: Attempt) -> None:
        self._job = work.job
        self._attempt = attempt
        self._memory = work.memory
        # Whoever forces a day wants it computed, not found.
        self._kept = KeptTables(work.job, STAGE, attempt, attempt.id if work.job.force else "")
        day = work.job.day
        self._days = {0: work.clusters} | {
            (day.date - other.date).days: made_of(work.job, "clusters", other, digest)
            for other, digest in work.memory.remembered.items()
        }
        self._rules = work.job.spec.lineage
        self._scanned = 0

    def run(self) -> StageOutput:
        """All tables of the day."""
        rules = self._rules
        known = self._known()
        entities = _relation(self._shared_entities(), SHARED_ENTITIES)
        features = _relation(self._shared_features(), SHARED_FEATURES)
        pairs = _relation(
            self._unload(
                _statement("lineage/pairs.sql", match=rules.match, similar=rules.similar),
                {"shared_entities": entities, "shared_features": features, "known": known},
                CLUSTER_PAIRS,
                self._attempt.scratch_uri(CLUSTER_PAIRS.name),
            ),
            CLUSTER_PAIRS,
        )
        overlaps = self._fill(
            _statement("lineage/overlaps.sql", match=rules.match, part=rules.part),
            {"shared_entities": entities, "pairs": pairs},
            OVERLAPS,
        )
        lineage = self._fill(
            _statement("lineage/lineage.sql", part=rules.part, growth=rules.growth),
            {"shared_entities": entities, "overlaps": _relation(overlaps, OVERLAPS), "known": known},
            LINEAGE,
        )
        rows = _relation(lineage, LINEAGE)
        left = self._fill(
            _statement("lineage/known.sql", gap_days=rules.gap_days),
            {"shared_entities": entities, "lineage": rows, "known": known},
            KNOWN,
        )
        tables = {"lineage": (LINEAGE, lineage), "overlaps": (OVERLAPS, overlaps), "known": (KNOWN, left)}
        return StageOutput(tables, self._metrics(rows))

    def _known(self) -> FileRelation:
        previous = self._memory.previous
        uris = self._job.ledger.uris(previous, "known") if previous else ()
        return FileRelation(uris, columns=KNOWN.columns)

    def _shared_entities(self) -> tuple[WrittenFile, ...]:
        """How many entities each two clusters share; a function of the clusters of these days alone."""
        relations = {f"clusters_{back}": self._clusters(day) for back, day in self._days.items()}
        statement = bind(
            "lineage/entities.sql",
            structure={"days_back": tuple(self._days)},
            values={f"day{back}": made.day.key for back, made in self._days.items()},
        )
        return self._kept.write(statement, relations, SHARED_ENTITIES)

    def _shared_features(self) -> tuple[WrittenFile, ...]:
        """How much alike the feature values of each two clusters are; none where that is switched off."""
        if not self._job.spec.lineage.features or len(self._days) == 1:
            return ()
        points = {
            back: made_of(self._job, "points", day.day, day.inputs["points"])
            for back, day in self._days.items()
        }
        columns = points[0].tables["points"].columns
        # Another YAML may have compared other features then.
        alike = {back: made for back, made in points.items() if made.tables["points"].columns == columns}
        if len(alike) == 1:
            return ()
        relations = {f"clusters_{back}": self._clusters(self._days[back]) for back in alike}
        for back, made in alike.items():
            relations[f"points_{back}"] = FileRelation(self._job.ledger.uris(made, "points"), columns=columns)
        names = tuple(f'"{column.name}"' for column in columns[2:])
        return self._kept.write(_features_statement(tuple(alike), names), relations, SHARED_FEATURES)

    def _clusters(self, day: Manifest) -> FileRelation:
        return FileRelation(self._job.ledger.uris(day, "clusters"), columns=day.tables["clusters"].columns)

    def _fill(
        self, statement: Statement, relations: dict[str, FileRelation], table: TableContract
    ) -> tuple[WrittenFile, ...]:
        return self._unload(statement, relations, table, self._attempt.prefix_uri(table.name))

    def _unload(
        self, statement: Statement, relations: dict[str, FileRelation], table: TableContract, prefix: str
    ) -> tuple[WrittenFile, ...]:
        written = self._job.backend.engine.unload(statement, dict(relations), table, prefix)
        self._scanned += written.statistics.bytes_scanned
        return written.files

    def _metrics(self, lineage: FileRelation) -> dict[str, Metric]:
        result = self._job.backend.engine.fetch(_summary(), {"lineage": lineage})
        counted = {name: int(value) for name, value in result.rows[0].items()}
        before, before_entities = counted["previous_clusters"], counted["previous_entities"]
        previous = self._memory.previous
        return {
            "clusters": counted["clusters"],
            **{event: counted[event] for event in EVENTS},
            "previous_clusters": before,
            "continued_share": round(counted["living_on"] / before, 6) if before else 0.0,
            "continued_entity_share": (
                round(counted["entities_living_on"] / before_entities, 6) if before_entities else 0.0
            ),
            "gap_days": (self._job.day.date - previous.day.date).days if previous else 0,
            "bytes_scanned": self._scanned + self._kept.bytes_scanned + result.statistics.bytes_scanned,
        }


def _relation(files: tuple[WrittenFile, ...], table: TableContract) -> FileRelation:
    return FileRelation(tuple(file.uri for file in files), columns=table.columns)


# The same objects every day, so that an engine need not translate them again.
@cache
def _statement(path: str, **values: float) -> Statement:
    return bind(path, values=values)


@cache
def _features_statement(days_back: tuple[int, ...], columns: tuple[str, ...]) -> Statement:
    return bind("lineage/features.sql", structure={"days_back": days_back, "columns": columns})


@cache
def _summary() -> Statement:
    return bind("lineage/summary.sql", structure={"events": EVENTS})
