"""Announcements of days by markers: the interface of every source, and markers among local files.

A marker is the object whose appearance says that a day's data is complete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.times.marked_days import day_in, literal_parts, placed
from cluster_assets.spec.arrivals import marker_in_folder
from cluster_assets.stages.raw.files import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec


@dataclass(frozen=True, slots=True)
class Cursor:
    """The state of a sensor between two polls; saved only after the requested runs are recorded.

    Attributes:
        waiting: Announced days that have not been requested yet.
        seen: State of the marker of each announced day, when markers are files.
        receipts: Messages to remove from the queue, since this cursor records their days.
    """

    waiting: tuple[Day, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    receipts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Serialize the cursor for Dagster."""
        waiting = [day.key for day in self.waiting]
        return json.dumps({"waiting": waiting, "seen": dict(self.seen), "receipts": list(self.receipts)})


def read_cursor(text: str | None) -> Cursor:
    """Parse a cursor; if it is missing or foreign, every day counts as new, which costs no run."""
    try:
        body = json.loads(text or "{}")
        return Cursor(
            tuple(parse_day(day) for day in body.get("waiting", ())),
            {str(day): str(state) for day, state in body.get("seen", {}).items()},
            tuple(str(receipt) for receipt in body.get("receipts", ())),
        )
    except (ValueError, AttributeError, TypeError, SpecError):
        return Cursor()


@dataclass(frozen=True, slots=True)
class Announced:
    """Days announced since a cursor, and the state that the next cursor must keep.

    Attributes:
        ignored: Messages that announce no day of this pipeline.
        note: Why days may be missing here; empty if none are.
    """

    days: frozenset[Day]
    seen: Mapping[str, str] = field(default_factory=dict)
    receipts: tuple[str, ...] = ()
    ignored: int = 0
    note: str = ""


class Announcements(Protocol):
    """A source of announcements, which may arrive twice, late and in any order."""

    def since(self, cursor: Cursor) -> Announced:
        """Return the days announced since a saved cursor."""
        ...

    def preview(self, cursor: Cursor) -> Announced:
        """Return the same as far as it can be known without a change to the source."""
        ...


class MarkerFiles:
    """Markers among local files: a new or rewritten marker announces its day.

    Args:
        marker: An absolute path with `{day}`.
    """

    def __init__(self, marker: Marker) -> None:
        self._marker = marker

    def since(self, cursor: Cursor) -> Announced:
        """Return the days whose marker is new or was rewritten."""
        seen: dict[str, str] = {}
        for name in glob("*".join(escape(part) for part in literal_parts(self._marker.template))):  # noqa: PTH207
            day = self._marker.day_of(name)
            if day is not None and (state := _state(Path(name))) is not None:
                seen[day.key] = state
        new = [day for day, state in seen.items() if cursor.seen.get(day) != state]
        return Announced(frozenset(parse_day(day) for day in new), seen)

    def preview(self, cursor: Cursor) -> Announced:
        """Return the same as `since`, which only reads."""
        return self.since(cursor)


def _state(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # removed since it was listed
        return None
    return f"{found.st_mtime_ns}:{found.st_size}"


@dataclass(frozen=True, slots=True)
class Marker:
    """The location of each day's marker.

    Attributes:
        template: An absolute path or `s3://` address with `{day}`.
    """

    template: str

    def address(self, day: Day) -> str:
        """Return the address of a day's marker."""
        return placed(self.template, day)

    def day_of(self, address: str) -> Day | None:
        """Return the day whose marker this object is, or None if it is no marker.

        >>> str(Marker("s3://lake/day={day}/_SUCCESS").day_of("s3://lake/day=2013-03-03/_SUCCESS"))
        '2013-03-03'
        """
        return day_in(self.template, address)


def marker_of(spec: PipelineSpec, variables: Mapping[str, str], root: Path) -> Marker:
    """Return the marker of a pipeline, with `${NAME}` replaced and relative paths resolved against `root`.

    Raises:
        SpecError: The YAML names no marker, or a variable that is not set.
    """
    written = spec.arrivals.marker if spec.arrivals is not None else None
    template = written or marker_in_folder(spec.raw.files, spec.raw.layout)
    if template is None:
        raise SpecError(f"{spec.name} has no marker of arrivals", remedy="write arrivals.marker")
    expanded = expand(template, variables)
    return Marker(expanded if "://" in expanded else str(Path(root, Path(expanded).expanduser()).absolute()))
