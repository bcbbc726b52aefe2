"""The pictures of a day, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.domain.tables import CONDENSED_TREE, REACHABILITY
from cluster_assets.spec.metrics import unit_of
from cluster_assets.stages.report.drift import drift_pictures
from cluster_assets.stages.report.facts import day_facts, day_numbers
from cluster_assets.stages.report.pictures.facts import PointCloud, Sampled
from cluster_assets.stages.report.pictures.flow import draw_flow
from cluster_assets.stages.report.pictures.heat import draw_tokens
from cluster_assets.stages.report.pictures.maps import draw_map
from cluster_assets.stages.report.pictures.sizes import draw_sizes
from cluster_assets.stages.report.pictures.structure.condensed import draw_condensed
from cluster_assets.stages.report.pictures.structure.dendrogram import draw_dendrogram
from cluster_assets.stages.report.pictures.structure.distances import draw_distances
from cluster_assets.stages.report.pictures.structure.reachability import draw_reachability
from cluster_assets.stages.report.pictures.trend import draw_trend
from cluster_assets.stages.report.points import point_cloud
from cluster_assets.stages.report.sketch import projects
from cluster_assets.stages.report.structure import condensed_tree, reachability_plot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.report.facts import ReportInputs, ReportReader
    from cluster_assets.stages.report.pictures.facts import DayFacts, FlowFacts
    from cluster_assets.stages.report.pictures.page import ClusterRow
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture
    from lambda_worker.contract.sketches import SketchReply


class DayDrawing:
    """Draws a day from the facts that a reader finds in its tables."""

    def __init__(
        self,
        job: DayJob,
        tables: ReportInputs,
        reader: ReportReader,
        rows: tuple[ClusterRow, ...],
    ) -> None:
        self._job = job
        self._tables = tables
        self._reader = reader
        self._rows = rows

    def draw(self, lives: FlowFacts, sketch: SketchReply, looks: Mapping[str, Look]) -> tuple[Picture, ...]:
        """Draw all pictures.

        Args:
            lives: Of the largest clusters.
            sketch: What the worker measured of a sample.
            looks: Of the clusters in the pictures.
        """
        spec = self._job.spec
        facts = day_facts(self._job, self._tables.clusters, self._rows)
        return (
            draw_sizes(facts, looks),
            *self._insides(facts, looks),
            draw_flow(lives, looks),
            draw_trend(spec.name, day_numbers(self._job, self._tables.clusters)),
            *drift_pictures(self._tables.points),
            *self._sampled(facts, sketch, looks),
        )

    def _insides(self, facts: DayFacts, looks: Mapping[str, Look]) -> Iterator[Picture]:
        spec, reader = self._job.spec, self._reader
        if spec.features.kind == "set":
            yield draw_tokens(facts, reader.token_shares(facts.clusters), looks)
        else:
            yield draw_map(facts, point_cloud(spec, reader, self._rows, self._total), looks)

    def _sampled(self, facts: DayFacts, sketch: SketchReply, looks: Mapping[str, Look]) -> Iterator[Picture]:
        spec = self._job.spec
        if projects(spec):
            yield draw_map(facts, _layout(sketch, self._total), looks)
        sample = Sampled(
            clusters=tuple(point.cluster for point in sketch.points),
            histogram=sketch.histogram,
            merges=sketch.merges,
            threshold=spec.distance.threshold if spec.distance else 0.0,
            distance=distance_name(spec),
            total=self._total,
        )
        yield draw_distances(sample)
        if spec.algorithm.hierarchy is not None:
            yield draw_dendrogram(facts, sample, looks)
        published = self._tables.clusters.tables
        if CONDENSED_TREE.name in published:
            yield draw_condensed(facts, condensed_tree(self._reader, self._total), sample.distance, looks)
        if REACHABILITY.name in published:
            yield draw_reachability(facts, reachability_plot(self._reader, self._total), sample, looks)

    @property
    def _total(self) -> int:
        return self._tables.points.tables["points"].rows


def distance_name(spec: PipelineSpec) -> str:
    """Return the name of a pipeline's distance, with its unit if it has one."""
    metric = spec.distance.metric if spec.distance else "euclidean"
    noun = unit_of(metric).noun
    return f"{metric} distance{noun and f', {noun}'}"


def _layout(sketch: SketchReply, total: int) -> PointCloud:
    places = [(point.x, point.y) for point in sketch.points]
    return PointCloud(
        positions=np.array(places, dtype=np.float64).reshape(-1, 2),
        clusters=np.array([point.cluster for point in sketch.points], dtype=np.int64),
        weights=np.array([point.weight for point in sketch.points], dtype=np.int64),
        axes=("t-SNE: near points lie together, gaps have no scale", ""),
        is_globe=False,
        total=total,
        has_scale=False,
        name="neighbours",
        title="Which points are near each other",
    )
