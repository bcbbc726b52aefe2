"""The life of a cluster: its names and the events that happen to it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from cluster_assets.domain.days import Day, parse_day
from cluster_assets.domain.errors import SpecError

BORN, CONTINUED, GROWN, SHRUNK = "born", "continued", "grown", "shrunk"
SPLIT, MERGED, DIED, REAPPEARED = "split", "merged", "died", "reappeared"
EVENTS = (BORN, CONTINUED, GROWN, SHRUNK, SPLIT, MERGED, DIED, REAPPEARED)

_STABLE_ID = re.compile(r"\d{8}-\d{6,}", re.ASCII)
_DAY_AND_NUMBER = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The name by which a user refers to a cluster: a stable id, or a day and the number on that day.

    Attributes:
        stable_id: None if day and number are given.
    """

    stable_id: str | None
    day: Day | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """What happened to a cluster on a day.

    Attributes:
        cluster: Its number on the day; None if it died.
        entities: Its size; 0 if it died.
        evidence: What it was matched by: `entities` or `features`; None if it was born or died.
        parents: Stable ids it split off from, or that merged into it.
        children: Stable ids that split off from it, or that it merged into.
    """

    day: str
    event: str
    cluster: int | None
    entities: int
    previous_entities: int
    shared: int
    jaccard: float
    evidence: str | None
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return asdict(self)


def stable_id_of(day: Day, cluster: int) -> str:
    """Return the stable id of a new cluster.

    >>> stable_id_of(parse_day("2013-03-04"), 12)
    '20130304-000012'
    """
    return f"{day.date:%Y%m%d}-{cluster:06d}"


def parse_cluster_name(text: str) -> ClusterName:
    """Parse a stable id or `DAY/NUMBER`.

    >>> parse_cluster_name("2013-03-04/12").number
    12

    Raises:
        SpecError: The text is neither.
    """
    if _STABLE_ID.fullmatch(text):
        return ClusterName(text)
    if found := _DAY_AND_NUMBER.fullmatch(text):
        return ClusterName(None, parse_day(found[1]), int(found[2]))
    raise SpecError(
        f"{text!r} names no cluster",
        remedy="write a stable id, as 20130304-000012, or a day and a number, as 2013-03-04/12",
    )
