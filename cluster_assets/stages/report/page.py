"""The content of a report page: headline numbers, checks and costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.stages.day.audit import recorded_outcomes
from cluster_assets.stages.ledger.published import published_day
from cluster_assets.stages.lineage.events import EVENTS
from cluster_assets.stages.report.facts import past_days
from cluster_assets.stages.report.pictures.page import CheckRow, Page, StageRow, number, render_page
from cluster_assets.stages.report.tables import exported_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.report.facts import ReportInputs
    from cluster_assets.stages.report.pictures.page import ClusterRow, EventRow
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture


# Characters that would end the alt text of an image or start other Markdown.
_MARKUP = re.compile(r"[\[\]()<>*_`\\!\s]+")


PAGE = "report.html"

SHOWN_BYTES = 98_000
"""Of the pictures in Dagster's event log."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the page shows of the day.

    Attributes:
        looks: Of the identities in the pictures.
    """

    clusters: tuple[ClusterRow, ...]
    events: tuple[EventRow, ...]
    pictures: tuple[Picture, ...]
    looks: Mapping[str, Look]


def lay_out_page(job: DayJob, tables: ReportInputs, drawn: Drawn) -> bytes:
    """Return the HTML page of the day."""
    spec = job.spec
    made = {**published_day(job.ledger, job.day), "lineage": tables.lineage, "profiles": tables.profiles}
    counts = {event: int(tables.lineage.metrics.get(event, 0)) for event in EVENTS}
    return render_page(
        Page(
            pipeline=spec.name,
            day=job.day.key,
            description=spec.description,
            recipe=_recipe(spec, made["points"]),
            numbers=_numbers(made),
            pictures=drawn.pictures,
            looks=drawn.looks,
            neighbours=_neighbours(job),
            clusters=drawn.clusters,
            cluster_count=int(tables.clusters.metrics["clusters"]),
            events=drawn.events,
            event_counts=tuple((event, count) for event, count in counts.items() if count),
            stages=tuple(_stage(manifest) for manifest in made.values()),
            sums=_sums(tables),
            checks=_checks(made),
            tables=exported_tables(made.values()),
            table_commands=_table_commands(spec.name, job.day.key),
            commands=_commands(spec.name, job.day.key),
            is_first=not past_days(job, "lineage", 1),
            run=job.run,
        )
    )


def as_markdown(pictures: tuple[Picture, ...]) -> bytes:
    """Return the pictures as Markdown for Dagster, each a headline with an embedded image.

    Dagster keeps it in its event log, so pictures beyond `SHOWN_BYTES` are only named.
    """
    shown, left_out, size = [], [], 0
    for picture in pictures:
        part = f"**{picture.title}**\n\n![{_MARKUP.sub(' ', picture.alt)}]({picture.uri})\n"
        if size + len(part.encode()) <= SHOWN_BYTES:
            shown.append(part)
            size += len(part.encode()) + 1
        else:
            left_out.append(picture.title)
    if left_out:
        shown.append(f"In the report only: {', '.join(left_out)}.\n")
    return "\n".join(shown).encode()


def _neighbours(job: DayJob) -> tuple[tuple[str, str], ...]:
    """Return name and relative address of the reports of the published days before and after, if any."""
    days = [day for day in job.ledger.days("report") if day.date != job.day.date]
    before = max((day for day in days if day.date < job.day.date), key=lambda day: day.date, default=None)
    after = min((day for day in days if day.date > job.day.date), key=lambda day: day.date, default=None)
    found = []
    for name, day in (("before", before), ("after", after)):
        manifest = job.ledger.current("report", day) if day else None
        if manifest is not None and PAGE in manifest.documents:
            place = manifest.documents[PAGE].key.split("/")[-3:]  # day, attempt, file
            found.append((f"Day {name}: {manifest.day}", "/".join(("..", "..", *place))))
    return tuple(found)


def _recipe(spec: PipelineSpec, points: Manifest) -> str:
    distance = spec.distance
    near = f", {distance.metric} distance up to {distance.threshold:g}" if distance else ""
    said = f"Entities are {spec.entity}; compared by {spec.features.kind}{near}; {spec.algorithm.type}."
    days = points.metrics.get("window_days")
    if days is None:
        return said
    return (
        f"{said} The rows are those of a window (days with rows: {days}). "
        "The window of the day before shares all days but one."
    )


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
        *_contested(clusters),
    )


def _contested(clusters: Manifest) -> tuple[tuple[str, str], ...]:
    """Return the number of tied merges, which libraries may resolve differently; empty if not counted."""
    count = clusters.metrics.get("contested_merges")
    return (
        () if count is None else (("contested merges, which libraries order by chance", number(int(count))),)
    )


def _checks(made: Mapping[str, Manifest]) -> tuple[CheckRow, ...]:
    return tuple(
        CheckRow(manifest.stage, outcome.name, outcome.state, outcome.description)
        for manifest in made.values()
        for outcome in recorded_outcomes(manifest)
    )


def _table_commands(pipeline: str, day: str) -> tuple[tuple[str, str], ...]:
    return (
        (
            f"""cluster-assets sql "SELECT * FROM {pipeline}.clusters WHERE day = '{day}'\"""",
            "queries a table: which entity is in which cluster",
        ),
        (
            f"cluster-assets export {pipeline} clusters --day {day} --output clusters.csv",
            "writes a table to a file",
        ),
    )


def _commands(pipeline: str, day: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"cluster-assets show {pipeline} --day {day}", "prints the numbers of this day"),
        (f"cluster-assets history {pipeline} --cluster ID", "prints the life of a cluster, by its stable id"),
        (f"cluster-assets run {pipeline} --day {day} --force", "computes the day anew and draws this report"),
    )
