"""Shards: groups of a day's pair files, one group for each invocation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cluster_assets.backends.ports import WrittenFile


@dataclass(frozen=True, slots=True)
class Shard:
    """Files of candidate pairs, or of forests of them, that one invocation reads."""

    files: tuple[WrittenFile, ...]

    @property
    def uris(self) -> tuple[str, ...]:
        """URIs of the files."""
        return tuple(file.uri for file in self.files)

    @property
    def rows(self) -> int:
        """Number of pairs in all files."""
        return sum(file.rows for file in self.files)


def pack_files(files: Iterable[WrittenFile], most_rows: int) -> tuple[Shard, ...]:
    """Group neighbouring files into shards of at most `most_rows` pairs.

    Neighbours stay together because files are ordered by space or block key, and pairs of nearby points
    reduce to small forests. A file with more rows becomes its own shard.

    >>> from cluster_assets.backends.ports import WrittenFile
    >>> [shard.rows for shard in pack_files([WrittenFile(str(n), n, 0) for n in (3, 4, 5, 20, 1)], 8)]
    [7, 5, 20, 1]
    """
    return tuple(Shard(tuple(group)) for group in _groups(files, most_rows))


def _groups(files: Iterable[WrittenFile], most_rows: int) -> Iterator[list[WrittenFile]]:
    group: list[WrittenFile] = []
    rows = 0
    for file in files:
        if group and rows + file.rows > most_rows:
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file.rows
    if group:
        yield group
