"""Target `dynamodb`: the newest day as items by key, in DynamoDB or, of the same shape, in SQLite.

    pk                            attributes
    <pipeline>                    publication, day, version, table, items, expires: the pointer
    <pipeline>#<publication>#<key>    the columns of the row, and expires

A reader looks up the pointer, then items of its publication, and so never mixes two days. The pointer moves
last, by a conditional put: to a later day, or to a higher version of the same day. What a dead publisher left
behind is not pointed to, and expires.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from cluster_assets.domain.errors import PublicationError
from cluster_assets.publish.target import TRIES, Mark, Receipt, decide, outdone, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.publish.target import Outcome, TableDay

KEY = "pk"
EXPIRES = "expires"
KEY_BYTES = 2048
ITEM_BYTES = 400 * 1024
SMALLEST, LARGEST = 1e-130, 9.9999999999999999e125
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Pointer:
    """The publication that readers of a pipeline see.

    Attributes:
        items: How many items it has.
        expires: Unix time from which it counts as gone, with its items.
    """

    pipeline: str
    day: str
    mark: Mark
    table: str
    items: int
    expires: int

    @property
    def publication(self) -> str:
        """Orders publications: by day, then by version."""
        return f"{self.day}.{self.mark}"

    def replaces(self, found: Pointer | None, now: int) -> bool:
        """Whether this pointer may take the place of another: none, an earlier, or an expired one.

        The pointer of another table of the same day may be replaced too: the YAML names a new one.
        """
        if found is None or found.expires <= now or found.publication < self.publication:
            return True
        return found.day == self.day and found.table != self.table

    @property
    def attributes(self) -> dict[str, Any]:
        """The pointer as an item."""
        return {
            KEY: self.pipeline,
            "publication": self.publication,
            "day": self.day,
            "version": self.mark.version,
            "table": self.table,
            "items": self.items,
            EXPIRES: self.expires,
        }


def read_pointer(item: Mapping[str, Any], where: str) -> Pointer:
    """Read a pointer back.

    Raises:
        PublicationError: The item is not a pointer.
    """
    try:
        day, _, mark = str(item["publication"]).partition(".")
        return Pointer(
            str(item[KEY]), day, Mark.parse(mark), str(item["table"]), int(item["items"]), int(item[EXPIRES])
        )
    except (KeyError, ValueError) as error:
        raise PublicationError(
            f"an item that no publication wrote is where the pointer belongs: {error}",
            where=where,
            remedy="remove it or choose another address, then publish the day again",
        ) from error


class ItemStore(Protocol):
    """A table of items by key."""

    address: str

    def pointer(self, pipeline: str) -> Pointer | None:
        """Return the pointer of a pipeline, read consistently; None if there is none."""
        ...

    def write(self, items: Iterator[dict[str, Any]], pointer: Pointer) -> None:
        """Write the items of a publication that nothing points to; safe to repeat."""
        ...

    def flip(self, pointer: Pointer, now: int) -> bool:
        """Move the pointer if it `replaces` the one that is there; False if it does not."""
        ...

    def count(self, pointer: Pointer, keys: Iterator[str]) -> int:
        """Count the items of a publication; a store without a cheap count looks some of the keys up.

        Returns:
            `pointer.items` if all that were looked for are there.
        """
        ...


class ItemsTarget:
    """Publishes a table of the newest day.

    Args:
        store: The items.
        keep_days: Days after which items expire.
        clock: Unix time, for expiry alone.
    """

    def __init__(self, store: ItemStore, keep_days: int, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keep_s = keep_days * _DAY_S
        self._clock = clock

    def publish(self, table: TableDay) -> Receipt:
        """Write the items of the day and point to them, unless a newer publication is pointed to.

        Raises:
            PublicationError: A row breaks a limit of DynamoDB, or the store refuses or fails.
            ConflictError: Other publishers were faster each time.
        """
        where = self._store.address
        with TemporaryDirectory(prefix="cluster-assets-publish-") as folder:
            lines, written = Path(folder, "rows.jsonl"), 0
            for _ in range(TRIES):
                now = int(self._clock())
                found = self._current(table.pipeline, now)
                outcome = _decide(found, table, where)
                if outcome != "written":
                    same_day = found is not None and found.day == table.day.key
                    return unwritten(outcome, found.mark if found and same_day else None, where)
                ours = Pointer(
                    table.pipeline, table.day.key, table.mark, table.name, table.rows, now + self._keep_s
                )
                if not written:
                    table.write_json_lines(lines)
                    # All rows are checked before the first one is written.
                    written = sum(item_bytes(item, where) for item in _items(table, lines, ours))
                    self._store.write(_items(table, lines, ours), ours)
                if self._store.flip(ours, now):
                    return Receipt("written", where, written)
        raise outdone("moved the pointer", where)

    def count(self, table: TableDay) -> int | None:
        """Return the items of the publication; None if another one is pointed to.

        Raises:
            PublicationError: The store refuses or fails.
        """
        found = self._current(table.pipeline, int(self._clock()))
        if found is None or (found.day, found.mark) != (table.day.key, table.mark):
            return None
        return self._store.count(found, _keys(table, found))

    def _current(self, pipeline: str, now: int) -> Pointer | None:
        found = self._store.pointer(pipeline)
        return found if found is not None and found.expires > now else None


def _decide(found: Pointer | None, table: TableDay, where: str) -> Outcome:
    if found is not None and found.day > table.day.key:
        return "superseded"
    same = found is not None and (found.day, found.table) == (table.day.key, table.name)
    return decide(found.mark if found and same else None, table.mark, where)


def _items(table: TableDay, lines: Path, pointer: Pointer) -> Iterator[dict[str, Any]]:
    """Yield the items of a publication in order of their keys; columns that are null are left out."""
    (key,) = table.snapshot.contract.sort_by
    with lines.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            present = {name: value for name, value in row.items() if value is not None}
            pk = f"{table.pipeline}#{pointer.publication}#{row[key]}"
            yield {**present, KEY: pk, EXPIRES: pointer.expires}


def _keys(table: TableDay, pointer: Pointer) -> Iterator[str]:
    with TemporaryDirectory(prefix="cluster-assets-publish-") as folder:
        lines = Path(folder, "rows.jsonl")
        table.write_json_lines(lines)
        for item in _items(table, lines, pointer):
            yield item[KEY]


def item_bytes(item: Mapping[str, Any], where: str) -> int:
    """Return the size of an item as DynamoDB counts it, an upper bound for numbers.

    Raises:
        PublicationError: The item breaks a limit of DynamoDB; the message names it.
    """
    key = len(str(item[KEY]).encode())
    size = sum(len(name.encode()) + _value_bytes(name, value, item, where) for name, value in item.items())
    for found, limit, what in (
        (key, KEY_BYTES, "bytes of a partition key"),
        (size, ITEM_BYTES, "bytes of an item"),
    ):
        if found > limit:
            raise PublicationError(
                f"an item breaks DynamoDB's limit of {limit:,} {what}: {found:,}",
                where=f"{where}, {str(item[KEY])[:200]}",
                remedy="publish a table with smaller rows or keys, or this one as json or delta",
            )
    return size


def _value_bytes(name: str, value: Any, item: Mapping[str, Any], where: str) -> int:
    if isinstance(value, list):
        return 3 + sum(1 + _value_bytes(name, one, item, where) for one in value)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, float) and value and not SMALLEST <= abs(value) <= LARGEST:
        reason = "is no number" if math.isnan(value) else "lies outside DynamoDB's range, 1e-130 to 1e126"
        raise PublicationError(
            f"{name} {value!r} {reason}",
            where=f"{where}, {str(item[KEY])[:200]}",
            remedy="publish this table as json or delta",
        )
    return 21  # a number takes at most 21 bytes; true, false and null take one
