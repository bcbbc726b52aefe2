"""What distances tell of a day's clusters: medoids and silhouettes, by bounded invocations of the worker."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets import features
from cluster_assets.domain.tables import BINS, MEDOIDS, SILHOUETTES, bin_points_contract
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.profiles_features import features_of
from lambda_worker.contract.profiles import (
    MedoidsEvent,
    Part,
    SilhouettesEvent,
    SurveyEvent,
    measure_memory_mb,
    measure_seconds,
    most_points,
    pair_us,
    survey_memory_mb,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.invocations import Invocations
    from cluster_assets.stages.kept_tables import KeptTables
    from cluster_assets.stages.pinned_day import PinnedDay
    from lambda_worker.contract.profiles import ClusterBin

# Athena and Trino write at most 100 partitions in a statement.
_BINS_A_STATEMENT = 100
_BUDGET_S = 30.0
_LEAST_POINTS = 4
# Of the memory, what the distances of one cluster may take beside the points of its bin.
_FOR_DISTANCES = 0.75
_BYTES = {"set": 8.0, "text": 5.0}


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured.

    Attributes:
        medoids: Relation of the table `MEDOIDS`.
        silhouettes: Relation of the table `SILHOUETTES`; empty where there are fewer than two clusters.
        medoid_points: Larger clusters were sampled to this many points.
        separation_basis: `exact`, or `sampled` where not all clustered points were measured.
        numbers: For the day's metadata.
    """

    medoids: FileRelation
    silhouettes: FileRelation
    medoid_points: int
    separation_basis: str
    numbers: Mapping[str, Metric]


@dataclass(frozen=True, slots=True)
class Room:
    """How much is measured in an invocation.

    Attributes:
        medoid_points: Points of a cluster.
        silhouette_points: Points of all clusters.
        bin_mb: MiB for the points of a bin.
        pair_us: Microseconds of a distance.
        point_bytes: Of the features of a point in memory.
    """

    medoid_points: int
    silhouette_points: int
    bin_mb: float
    pair_us: float
    point_bytes: float


def room_for(spec: PipelineSpec, memory_mb: float, sizes: Mapping[str, float]) -> Room:
    """What the YAML asks for, as far as memory and time of an invocation allow it.

    Args:
        spec: The pipeline.
        memory_mb: What an invocation may fill.
        sizes: Mean length of the sets and texts of the day, by column.
    """
    found = features_of(spec.features)
    lengths = [
        (one.kind, sizes.get(one.column, 64.0 if one.kind == "embedding" else float(len(one.columns))))
        for one in found
    ]
    point_bytes = sum(_BYTES.get(kind, 8.0) * size for kind, size in lengths)
    one_us = sum(pair_us(kind, size) for kind, size in lengths)
    parts = len(spec.features.mixed or ())
    affordable = math.isqrt(int(min(_BUDGET_S, spec.limits.timeout_s / 3) * 1e6 / one_us))
    medoids = min(
        spec.profiles.medoid_points, affordable, most_points(memory_mb * _FOR_DISTANCES, point_bytes, parts)
    )
    silhouettes = min(spec.profiles.silhouette_points, affordable, most_points(memory_mb, point_bytes, parts))
    medoids, silhouettes = max(_LEAST_POINTS, medoids), max(_LEAST_POINTS, silhouettes)
    taken = measure_memory_mb(0, medoids, point_bytes, parts)
    return Room(medoids, silhouettes, max(1.0, memory_mb - taken), one_us, point_bytes)


class DayMeasures:
    """Measures the clusters of a day.

    Args:
        day: Its points; no candidates are read.
        clusters: Files of the table `clusters`.
        worker: Runs the events.
        tables: Keeps the points of each bin.
    """

    def __init__(
        self, day: PinnedDay, clusters: tuple[str, ...], worker: Invocations, tables: KeptTables
    ) -> None:
        self._day = day
        self._clusters = clusters
        self._worker = worker
        self._tables = tables
        self.bytes_scanned = 0

    def measure(self) -> Measures:
        """Medoids of all clusters and silhouettes of their points.

        Raises:
            WorkerError: An invocation failed for good.
        """
        day = self._day
        day.refuse_beyond(survey_memory_mb(day.point_count), f"choosing among {day.point_count:,} points")
        room = room_for(day.job.spec, day.memory_mb, self._sizes())
        (answer,) = self._worker.run_named([self._survey(room)])
        survey, chosen = answer.event, answer.reply
        compared = chosen.silhouette_points if chosen.silhouette_clusters > 1 else 0
        space = self._space() if chosen.clusters else {}
        medoids = self._medoids(survey.output, chosen.bins, space)
        silhouettes = self._silhouettes(survey.silhouettes, compared, room, space)
        outputs = [done.event.output for done in self._worker.run_named([*silhouettes, *medoids])]
        return Measures(
            medoids=FileRelation(tuple(outputs[len(silhouettes) :]), columns=MEDOIDS.columns),
            silhouettes=FileRelation(tuple(outputs[: len(silhouettes)]), columns=SILHOUETTES.columns),
            medoid_points=room.medoid_points,
            separation_basis="exact" if compared == chosen.clustered_points else "sampled",
            numbers={
                "sampled_clusters": chosen.sampled_clusters,
                "silhouette_points": compared,
                "bins": len(chosen.bins),
            },
        )

    def _medoids(self, uri: str, bins: Sequence[ClusterBin], space: Mapping[str, Any]) -> list[MedoidsEvent]:
        points = self._points_by_bin(uri, len(bins))
        exemplars = self._day.job.spec.profiles.exemplars
        return [
            MedoidsEvent(
                points=points[number],
                point_count=one.points,
                exemplars=exemplars,
                output="",
                seconds=round(one.seconds, 1),
                **space,
            )
            for number, one in enumerate(bins)
        ]

    def _silhouettes(
        self, uri: str, count: int, room: Room, space: Mapping[str, Any]
    ) -> list[SilhouettesEvent]:
        """One event, or none for want of clusters."""
        if not count:
            return []
        seconds = measure_seconds(count, count**2, room.pair_us)
        points = self._points_by_bin(uri, 1)[0]
        return [
            SilhouettesEvent(points=points, point_count=count, output="", seconds=round(seconds, 1), **space)
        ]

    def _survey(self, room: Room) -> SurveyEvent:
        event = SurveyEvent(
            clusters=self._clusters,
            point_count=self._day.point_count,
            medoid_points=room.medoid_points,
            silhouette_points=room.silhouette_points,
            bin_mb=room.bin_mb,
            budget_s=min(_BUDGET_S, self._day.job.spec.limits.timeout_s / 3),
            point_bytes=room.point_bytes,
            pair_us=room.pair_us,
            output="",
            silhouettes="silhouettes",
        )
        return replace(event, silhouettes=f"{self._worker.address_of(event)}.silhouettes")

    def _space(self) -> dict[str, Any]:
        """How points are compared; algorithms without a distance compare with centres, in Euclid's way."""
        spec = self._day.job.spec
        return {
            "kind": spec.features.kind,
            "columns": tuple(column.name for column in features.columns_of(spec.features)),
            "metric": "euclidean" if spec.distance is None else spec.distance.metric,
            "parts": self._parts(),
        }

    def _parts(self) -> tuple[Part, ...]:
        mixed = self._day.job.spec.features.mixed or {}
        numbers = tuple(name for name, one in mixed.items() if one.kind == "number")
        widths: dict[str, float] = {}
        if numbers:
            row = self._fetch("ranges/ranges.sql", {"numbers": numbers})
            widths = {name: float(row[f"width{k}"]) for k, name in enumerate(numbers)}
        return tuple(
            Part(name, one.kind, float(one.weight), widths.get(name, 0.0)) for name, one in mixed.items()
        )

    def _sizes(self) -> dict[str, float]:
        """Mean length of the sets and texts, by column."""
        lists = tuple(
            (one.column, one.kind == "text")
            for one in features_of(self._day.job.spec.features)
            if one.kind in ("set", "text", "embedding")
        )
        if not lists:
            return {}
        row = self._fetch("profiles/sizes.sql", {"parts": lists})
        return {column: float(row[f"size{k}"]) for k, (column, _) in enumerate(lists)}

    def _fetch(self, path: str, structure: Mapping[str, object]) -> Mapping[str, Any]:
        statement = bind(path, structure=structure)
        found = self._day.job.backend.engine.fetch(statement, {"points": self._day.points_relation})
        self.bytes_scanned += found.statistics.bytes_scanned
        return found.rows[0]

    def _points_by_bin(self, uri: str, bins: int) -> Mapping[int, tuple[str, ...]]:
        """The files of each bin of a survey, its points brought together by SQL."""
        day = self._day
        columns = features.columns_of(day.job.spec.features)
        names = tuple(f'"{column.name}"' for column in columns)
        relations = {"points": day.points_relation, "bins": FileRelation((uri,), columns=BINS.columns)}
        found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
        for first in range(0, bins, _BINS_A_STATEMENT):
            last = min(first + _BINS_A_STATEMENT, bins) - 1
            statement = bind(
                "clusters/bin_points.sql", structure={"columns": names}, values={"first": first, "last": last}
            )
            for file in self._tables.write(statement, relations, bin_points_contract(columns)):
                found[int(file.partition or 0)] += (file.uri,)
        return found
