"""Halving an event that was too much for one invocation; both halves together do the same work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVar

    from lambda_worker.contract import DegreesEvent, ForestEvent
    from lambda_worker.contract.hierarchies import CoreDistancesEvent, NeighboursEvent

    ShardEvent = TypeVar("ShardEvent", DegreesEvent, ForestEvent, NeighboursEvent)

# Halves of halves of one file; below this it is not the pairs that are too much.
_MOST_PARTS = 64


def halve_span(event: CoreDistancesEvent) -> tuple[CoreDistancesEvent, CoreDistancesEvent] | None:
    """Half of the points each; None where one is left."""
    first, end = event.span or (0, event.point_count)
    middle = (first + end) // 2
    if middle in (first, end):
        return None
    return replace(event, span=(first, middle)), replace(event, span=(middle, end))


def halve_files(event: ShardEvent) -> tuple[ShardEvent, ShardEvent] | None:
    """Half of the files each; of a single file every second batch. None when that has been tried enough."""
    files = event.candidates
    if len(files) > 1:
        middle = len(files) // 2
        return replace(event, candidates=files[:middle]), replace(event, candidates=files[middle:])
    number, parts = event.part
    if not files or 2 * parts > _MOST_PARTS:
        return None
    return replace(event, part=(number, 2 * parts)), replace(event, part=(number + parts, 2 * parts))
