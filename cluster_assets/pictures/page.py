"""The report of a day: one HTML file that needs nothing else, no script and no address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from cluster_assets.pictures.palette import look_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.pictures.canvas import Picture

# The events in the order in which they are told; the rows of each keep theirs.
_TELLING = ("merged", "split", "born", "died", "reappeared", "grown", "shrunk")

OPEN_ROWS = 30
"""Rows of a table that are seen at once; the others unfold."""


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster in the table of clusters.

    Attributes:
        cluster: Its number within the day.
        identity: Its stable id.
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


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a cluster.

    Attributes:
        entities: Its size now, 0 when it died.
        shared: Entities of both days.
        related: The stable id it came from or went into, empty for none.
    """

    event: str
    identity: str
    entities: int
    previous_entities: int
    shared: int
    jaccard: float
    previous_day: str
    related: str


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
        cluster_count: Clusters of the day; `clusters` lists the largest.
        event_counts: How many clusters each event happened to.
        sums: Name and value of numbers that must agree.
        checks: Of all stages, in their order.
        commands: What to type, and what it does.
    """

    pipeline: str
    day: str
    description: str
    recipe: str
    numbers: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]
    clusters: tuple[ClusterRow, ...]
    cluster_count: int
    events: tuple[EventRow, ...]
    event_counts: tuple[tuple[str, int], ...]
    stages: tuple[StageRow, ...]
    sums: tuple[tuple[str, str], ...]
    checks: tuple[CheckRow, ...]
    commands: tuple[tuple[str, str], ...]


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
        colour=lambda identity: look_of(identity).colour,
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
    return environment.get_template("report.html")
