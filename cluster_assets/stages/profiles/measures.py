"""Medoids and silhouettes of a day's clusters, measured by bounded invocations of the worker."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.counts import counted
from cluster_assets.domain.scratch_tables import BINS, MEDOIDS, SILHOUETTES, bin_points_contract
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.profiles.features import features_of
from cluster_assets.stages.profiles.spaces import MEAN_SIZES, mean_sizes, space_of
from cluster_assets.stages.worker.kept_tables import BinStatement
from lambda_worker.contract.profiles import (
    MedoidsEvent,
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
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.worker.invocations import Invocations
    from cluster_assets.stages.worker.kept_tables import KeptTables
    from lambda_worker.contract.profiles import ClusterBin

_BUDGET_S = 30.0
_LEAST_POINTS = 4
# Share of the memory for the distances of one cluster; the points of its bin take the rest.
_FOR_DISTANCES = 0.75
_BYTES = {"set": 8.0, "text": 5.0}


@dataclass(frozen=True, slots=True)
class Measures:
    """The measured values.

    Attributes:
        medoids: Relation of the table `MEDOIDS`.
        silhouettes: Relation of the table `SILHOUETTES`; empty if there are fewer than two clusters.
        medoid_points: Larger clusters were sampled down to this many points.
        separation_basis: `exact`, or `sampled` if not all clustered points were measured.
        numbers: Metrics for the day's metadata.
    """

    medoids: FileRelation
    silhouettes: FileRelation
    medoid_points: int
    separation_basis: str
    numbers: Mapping[str, Metric]


@dataclass(frozen=True, slots=True)
class Room:
    """The amount of work per invocation.

    Attributes:
        medoid_points: Maximum number of points per cluster.
        silhouette_points: Maximum number of points of all clusters.
        bin_mb: MiB for the points of a bin.
        pair_us: Microseconds per distance.
        point_bytes: Bytes of a point's features in memory.
    """

    medoid_points: int
    silhouette_points: int
    bin_mb: float
    pair_us: float
    point_bytes: float


def room_for(spec: PipelineSpec, memory_mb: float, sizes: Mapping[str, float]) -> Room:
    """Return what the YAML asks for, limited by the memory and time of an invocation.

    Args:
        spec: The pipeline.
        memory_mb: Memory in MiB that an invocation may use.
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
        day: Provides the points; candidates are not read.
        clusters: Files of the table `clusters`.
        worker: Runs the events.
        tables: Caches the points of each bin.
    """

    def __init__(
        self, day: PinnedDay, clusters: tuple[str, ...], worker: Invocations, tables: KeptTables
    ) -> None:
        self._day = day
        self._clusters = clusters
        self._worker = worker
        self._tables = tables

    def measure(self) -> Measures:
        """Measure the medoids of all clusters and the silhouettes of their points.

        Raises:
            WorkerError: An invocation failed permanently.
        """
        day = self._day
        day.refuse_beyond(
            survey_memory_mb(day.point_count), f"choosing among {counted(day.point_count, 'point')}"
        )
        sizes = mean_sizes(day)
        room = room_for(day.job.spec, day.memory_mb, sizes)
        (answer,) = self._worker.run_named([self._survey(room)])
        survey, chosen = answer.event, answer.reply
        compared = chosen.silhouette_points if chosen.silhouette_clusters > 1 else 0
        space = space_of(day) if chosen.clusters else {}
        # No silhouettes if there are too few clusters.
        points = self._points_by_bin(survey.output, survey.silhouettes if compared else "", len(chosen.bins))
        medoids = self._medoids(points, chosen.bins, space)
        sampled = points[len(chosen.bins)]
        silhouettes = [self._silhouettes(sampled, compared, room, space)] if compared else []
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
                MEAN_SIZES: json.dumps(sizes),
            },
        )

    def _medoids(
        self, points: Mapping[int, tuple[str, ...]], bins: Sequence[ClusterBin], space: Mapping[str, Any]
    ) -> list[MedoidsEvent]:
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
        self, points: tuple[str, ...], count: int, room: Room, space: Mapping[str, Any]
    ) -> SilhouettesEvent:
        seconds = measure_seconds(count, count**2, room.pair_us)
        return SilhouettesEvent(
            points=points, point_count=count, output="", seconds=round(seconds, 1), **space
        )

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

    def _points_by_bin(self, medoids: str, silhouettes: str, bins: int) -> Mapping[int, tuple[str, ...]]:
        """Group the points of a survey by bin in SQL and return the files of each bin.

        The last one, after the bins of the medoids, has the points of the silhouettes.
        """
        day = self._day
        columns = features.columns_of(day.job.spec.features)
        names = tuple(f'"{column.name}"' for column in columns)
        sampled = (silhouettes,) if silhouettes else ()
        relations = {
            "points": day.points_relation,
            "medoid_bins": FileRelation((medoids,), columns=BINS.columns),
            "silhouette_bins": FileRelation(sampled, columns=BINS.columns),
        }
        return self._tables.write_bins(
            BinStatement("profiles/bin_points.sql", {"columns": names}, {"sampled": bins}),
            relations,
            bin_points_contract(columns),
            bins + bool(sampled),
        )
