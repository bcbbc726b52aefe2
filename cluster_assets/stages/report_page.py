"""The page of a report: what its head, its checks and its costs say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cluster_assets.domain.lineage import EVENTS
from cluster_assets.pictures.page import CheckRow, Page, StageRow, number, render_page
from cluster_assets.stages.checks import recorded_outcomes
from cluster_assets.stages.published import published_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.page import ClusterRow, EventRow
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.report_facts import ReportInputs
    from cluster_assets.stages.stage import DayJob


# What would end the description of an image, or begin something else.
_MARKUP = re.compile(r"[\[\]()<>*_`\\!\s]+")


def lay_out_page(
    job: DayJob,
    tables: ReportInputs,
    rows: tuple[ClusterRow, ...],
    events: tuple[EventRow, ...],
    pictures: tuple[Picture, ...],
) -> bytes:
    """The HTML of the day."""
    spec = job.spec
    made = {**published_day(job.ledger, job.day), "lineage": tables.lineage, "profiles": tables.profiles}
    counts = {event: int(tables.lineage.metrics.get(event, 0)) for event in EVENTS}
    return render_page(
        Page(
            pipeline=spec.name,
            day=job.day.key,
            description=spec.description,
            recipe=_recipe(spec),
            numbers=_numbers(made),
            pictures=pictures,
            clusters=rows,
            cluster_count=int(tables.clusters.metrics["clusters"]),
            events=events,
            event_counts=tuple((event, count) for event, count in counts.items() if count),
            stages=tuple(_stage(manifest) for manifest in made.values()),
            sums=_sums(tables),
            checks=_checks(made),
            commands=_commands(spec.name, job.day.key),
        )
    )


def as_markdown(pictures: tuple[Picture, ...]) -> bytes:
    """The pictures as Dagster shows them: a headline and an image each, nothing to be fetched."""
    parts = (
        f"**{picture.title}**\n\n![{_MARKUP.sub(' ', picture.alt)}]({picture.uri})\n" for picture in pictures
    )
    return "\n".join(parts).encode()


def _recipe(spec: PipelineSpec) -> str:
    distance = spec.distance
    near = f", {distance.metric} distance up to {distance.threshold:g}" if distance else ""
    return f"Entities are {spec.entity}; compared by {spec.features.kind}{near}; {spec.algorithm.type}."


def _numbers(made: Mapping[str, Manifest]) -> tuple[tuple[str, str], ...]:
    points, clusters = made["points"], made["clusters"]
    return (
        ("rows", number(int(points.metrics["rows"]))),
        ("entities", number(int(clusters.metrics["entities"]))),
        ("distinct points", number(int(clusters.metrics["points"]))),
        ("near pairs", number(int(clusters.metrics["pairs"]))),
        ("clusters", number(int(clusters.metrics["clusters"]))),
        ("noise", f"{float(clusters.metrics['noise_ratio']):.1%}"),
        ("seconds", number(sum(float(one.metrics.get("seconds", 0.0)) for one in made.values()), 1)),
        ("cost, USD", number(sum(float(one.metrics.get("cost_usd", 0.0)) for one in made.values()), 4)),
    )


def _stage(manifest: Manifest) -> StageRow:
    numbers = manifest.metrics
    return StageRow(
        stage=manifest.stage,
        seconds=float(numbers.get("seconds", 0.0)),
        bytes_scanned=int(numbers.get("bytes_scanned", 0)),
        invocations=int(numbers.get("invocations", 0)),
        cost_usd=float(numbers.get("cost_usd", 0.0)),
        version=manifest.version,
    )


def _sums(tables: ReportInputs) -> tuple[tuple[str, str], ...]:
    points, clusters, lineage = tables.points, tables.clusters, tables.lineage
    members, labelled = points.tables["members"].rows, clusters.tables["clusters"].rows
    sizes = {"entities with points": members, "entities with a label": labelled}
    previous = int(lineage.metrics.get("previous_clusters", 0))
    kept = f"{float(lineage.metrics['continued_share']):.1%}" if previous else "no day before"
    return (
        *((name, number(value)) for name, value in sizes.items()),
        ("each entity labelled once", "yes" if members == labelled else "NO"),
        ("entities left out as invalid", number(int(points.metrics["excluded"]))),
        ("noise, share of entities", f"{float(clusters.metrics['noise_ratio']):.1%}"),
        ("clusters of the day before that live on", kept),
    )


def _checks(made: Mapping[str, Manifest]) -> tuple[CheckRow, ...]:
    return tuple(
        CheckRow(manifest.stage, outcome.name, outcome.state, outcome.description)
        for manifest in made.values()
        for outcome in recorded_outcomes(manifest)
    )


def _commands(pipeline: str, day: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"cluster-assets show {pipeline} --day {day}", "tells the numbers of this day again"),
        (
            f"cluster-assets export {pipeline} clusters --day {day} --output clusters.csv",
            "writes which entity is in which cluster",
        ),
        (f"cluster-assets history {pipeline} --cluster ID", "tells the life of a cluster, by its stable id"),
        (f"cluster-assets run {pipeline} --day {day} --force", "computes the day anew and draws this report"),
    )
