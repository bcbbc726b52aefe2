"""The report of a day: one self-contained HTML file without scripts or external resources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import markupsafe

from cluster_assets.domain.counts import counted
from cluster_assets.stages.report.pictures.palette import look_of
from cluster_assets.stages.report.pictures.svg import css, mark_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

# The events in the order of the page; the rows of each keep their order.
_TELLING = ("merged", "split", "born", "died", "reappeared", "grown", "shrunk")

OPEN_ROWS = 30
"""Rows of a table that are seen at once; the others unfold."""


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster in the table of clusters.

    Attributes:
        cluster: Its number within the day.
        identity: Its stable id.
        name: What distinguishes it, short.
        event: What happened to it since the day before.
        previous_entities: Its size on the day before, 0 when born.
        share: Of the day's entities, 0..1.
        medoid: The entity in its middle.
        cohesion: Mean distance to the medoid.
        separation: Mean silhouette, -1..1.
        first_seen: Day of its birth.
        features: What distinguishes it, in words.
    """

    cluster: int
    identity: str
    event: str
    entities: int
    previous_entities: int
    share: float
    points: int
    core_entities: int
    medoid: str | None
    cohesion: float | None
    separation: float | None
    first_seen: str
    features: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a cluster.

    Attributes:
        entities: Its size now, 0 when it died.
        shared: Entities of both days.
        related: The stable id it came from or went into, empty for none.
        name: Its name, empty for none.
        related_name: That of `related`.
    """

    event: str
    identity: str
    entities: int
    previous_entities: int
    shared: int
    jaccard: float
    previous_day: str
    related: str
    name: str = ""
    related_name: str = ""


@dataclass(frozen=True, slots=True)
class StageRow:
    """What a stage of the day took."""

    stage: str
    seconds: float
    bytes_scanned: int
    invocations: int
    cost_usd: float
    version: int


@dataclass(frozen=True, slots=True)
class TableRow:
    """A published table of the day.

    Attributes:
        description: What one of its rows is.
    """

    name: str
    rows: int
    bytes: int
    description: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What a check of a stage found when the stage was published.

    Attributes:
        state: passed, warning or failed.
    """

    stage: str
    name: str
    state: str
    description: str


@dataclass(frozen=True, slots=True)
class Page:
    """All of a report.

    Attributes:
        numbers: Label and value of the numbers at its head.
        looks: Of the identities in the pictures; others have that of `look_of`.
        neighbours: Name and relative address of the reports of the days before and after.
        cluster_count: Clusters of the day; `clusters` lists the largest.
        event_counts: How many clusters each event happened to.
        sums: Name and value of numbers that must agree.
        checks: Of all stages, in their order.
        tables: The published tables that users read.
        table_commands: Commands that read these tables, and what they do.
        commands: Other commands, and what they do.
        is_first: Whether no day was published before, so that nothing can have changed.
        run: URL of the Dagster run that drew the report, or its id; empty for none.
    """

    pipeline: str
    day: str
    description: str
    recipe: str
    numbers: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]
    looks: Mapping[str, Look]
    neighbours: tuple[tuple[str, str], ...]
    clusters: tuple[ClusterRow, ...]
    cluster_count: int
    events: tuple[EventRow, ...]
    event_counts: tuple[tuple[str, int], ...]
    stages: tuple[StageRow, ...]
    sums: tuple[tuple[str, str], ...]
    checks: tuple[CheckRow, ...]
    tables: tuple[TableRow, ...]
    table_commands: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    is_first: bool = False
    run: str = ""


def render_page(page: Page) -> bytes:
    """The report as HTML; every text from data is escaped."""
    told = sorted(
        (row for row in page.events if row.event != "continued"), key=lambda row: _TELLING.index(row.event)
    )
    text = _template().render(
        page=page,
        told=told,
        unlisted_events=sum(count for event, count in page.event_counts if event != "continued") - len(told),
        open_rows=OPEN_ROWS,
        listed={row.identity for row in page.clusters},
        look=lambda identity: page.looks.get(identity) or look_of(identity),
        mark_path=mark_path,
        css=markupsafe.Markup(css()),  # noqa: S704  # our own rules
    )
    return text.encode()


def number(value: float | None, digits: int = 3) -> str:
    """A number as people read it, a dash for none.

    >>> number(1234567), number(0.12345)
    ('1,234,567', '0.123')
    """
    if value is None:
        return "\u2013"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def byte_count(count: int) -> str:
    """Bytes in the unit that fits.

    >>> byte_count(12), byte_count(3_400_000)
    ('12 B', '3.4 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def split_rows(rows: Sequence[object], most: int) -> tuple[Sequence[object], Sequence[object]]:
    """The rows that are seen, and those that unfold; a short rest is seen too."""
    return (rows, ()) if len(rows) <= most + most // 3 else (rows[:most], rows[most:])


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "byte_count": byte_count, "split_rows": split_rows}
    environment.filters["counted"] = counted
    return environment.get_template("report.html")
