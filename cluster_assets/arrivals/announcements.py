"""Announcements of days by their markers: what every source of them gives, and the files of this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cluster_assets.arrivals_spec import DAY
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import parse_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.arrivals.markers import Marker
    from cluster_assets.domain.partitions import Day


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a sensor remembers between two looks; saved only after the runs it asked for are recorded.

    Attributes:
        waiting: Announced days that are still to be requested.
        seen: State of the marker of each day that was announced, where markers are files.
        receipts: Messages to remove from the queue, now that their days are recorded here.
    """

    waiting: tuple[Day, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    receipts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The text that Dagster keeps."""
        waiting = [day.key for day in self.waiting]
        return json.dumps({"waiting": waiting, "seen": dict(self.seen), "receipts": list(self.receipts)})


def read_cursor(text: str | None) -> Cursor:
    """Read a cursor back; without one, or with another's, everything is new again, which costs no run."""
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
    """Days that were announced since a cursor, and what the next one must remember of that.

    Attributes:
        ignored: Messages that announce no day of this pipeline.
    """

    days: frozenset[Day]
    seen: Mapping[str, str] = field(default_factory=dict)
    receipts: tuple[str, ...] = ()
    ignored: int = 0


class Announcements(Protocol):
    """Where days are announced. The same announcement may come twice, late, and in any order."""

    def since(self, cursor: Cursor) -> Announced:
        """Days announced since a cursor that was saved."""
        ...


class MarkerFiles:
    """Markers among the files of this machine: a new one, or one written again, announces its day.

    Args:
        marker: An absolute path with `{day}`.
    """

    def __init__(self, marker: Marker) -> None:
        self._marker = marker

    def since(self, cursor: Cursor) -> Announced:
        """Days whose marker is new or was written again."""
        seen: dict[str, str] = {}
        for name in glob("*".join(escape(part) for part in self._marker.template.split(DAY))):  # noqa: PTH207
            day = self._marker.day_of(name)
            if day is not None and (state := _state(Path(name))) is not None:
                seen[day.key] = state
        new = [day for day, state in seen.items() if cursor.seen.get(day) != state]
        return Announced(frozenset(parse_day(day) for day in new), seen)


def _state(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # removed since it was listed
        return None
    return f"{found.st_mtime_ns}:{found.st_size}"
