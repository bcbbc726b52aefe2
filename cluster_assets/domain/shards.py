"""Shards: the pair files of a day put together, each group for one invocation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class PairFile:
    """A file of candidate pairs, or of a forest of them."""

    uri: str
    rows: int


@dataclass(frozen=True, slots=True)
class Shard:
    """Files that one invocation reads."""

    files: tuple[PairFile, ...]

    @property
    def uris(self) -> tuple[str, ...]:
        """Their addresses."""
        return tuple(file.uri for file in self.files)

    @property
    def rows(self) -> int:
        """Pairs in all of them."""
        return sum(file.rows for file in self.files)


def pack_files(files: Iterable[PairFile], most_rows: int) -> tuple[Shard, ...]:
    """Put neighbouring files together until they hold `most_rows` pairs.

    Neighbours stay together because files follow space or block keys, and what is near compresses well. A
    file with more rows is a shard of its own.

    >>> [shard.rows for shard in pack_files([PairFile(str(n), n) for n in (3, 4, 5, 20, 1)], 8)]
    [7, 5, 20, 1]
    """
    return tuple(Shard(tuple(group)) for group in _groups(files, most_rows))


def _groups(files: Iterable[PairFile], most_rows: int) -> Iterator[list[PairFile]]:
    group: list[PairFile] = []
    rows = 0
    for file in files:
        if group and rows + file.rows > most_rows:
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file.rows
    if group:
        yield group
