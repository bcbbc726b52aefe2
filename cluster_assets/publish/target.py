"""What a target does: show a table of a day, of one version, whole and never an older one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from cluster_assets.domain.errors import ConflictError, PublicationError
from cluster_assets.stages.snapshots import write_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.stages.snapshots import TableSnapshot

VERSIONS = "versions"
"""Metadata of a publication in Dagster: the mark of each table."""
TRIES = 20
"""How often a publication is decided again because another publisher was faster."""
Outcome = Literal["written", "unchanged", "superseded"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a target records with the rows of a day.

    Attributes:
        version: The manifest's version.
        digest: Begin of the digest of the table's content.
    """

    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.version:08d}-{self.digest}"

    @classmethod
    def of(cls, snapshot: TableSnapshot) -> Self:
        """Return the mark of a table of a day."""
        return cls(snapshot.manifest.version, snapshot.data.content_digest[:16])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a mark back.

        >>> str(Mark.parse("00000003-0123456789abcdef"))
        '00000003-0123456789abcdef'

        Raises:
            ValueError: The text is not a mark.
        """
        version, dash, digest = text.partition("-")
        if not dash or len(version) != 8:
            raise ValueError(f"{text!r} is not the mark of a publication")
        return cls(int(version), digest)


@dataclass(frozen=True, slots=True)
class TableDay:
    """A table of a day to publish.

    Attributes:
        store: Holds the files of the snapshot.
    """

    pipeline: str
    day: Day
    snapshot: TableSnapshot
    store: ObjectStore

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.snapshot.contract.name

    @property
    def rows(self) -> int:
        """Rows of the day."""
        return self.snapshot.data.rows

    @property
    def mark(self) -> Mark:
        """What the target records."""
        return Mark.of(self.snapshot)

    def write_json_lines(self, output: Path) -> None:
        """Write the rows to a local file as JSON lines, ordered by the key, the same bytes each time.

        Raises:
            EngineError: A data file cannot be read, or the file cannot be written.
        """
        write_snapshot(self.snapshot, "FORMAT json", output, self.store)

    def __str__(self) -> str:
        return f"{self.pipeline}.{self.name} of {self.day}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a publication.

    Attributes:
        outcome: `written`; `unchanged` if the target had it already; `superseded` if it had a newer one.
        address: Where readers find it.
        bytes: Bytes written.
        newer: For `superseded`, the version of the same day that the target shows; 0 for a later day.
    """

    outcome: Outcome
    address: str
    bytes: int = 0
    newer: int = 0


class Target(Protocol):
    """A place where other teams read the days of a pipeline."""

    def publish(self, table: TableDay) -> Receipt:
        """Show a table of a day to readers, atomically: they see what was there before, or all of it.

        It is safe to repeat and to run twice at once. A version that is not newer than the shown one changes
        nothing.

        Raises:
            PublicationError: The target refuses or fails; it still shows what it showed before.
        """
        ...

    def count(self, table: TableDay) -> int | None:
        """Return the rows of this version that a reader finds now; None if the target shows another one.

        Raises:
            PublicationError: The target refuses or fails.
        """
        ...


def decide(found: Mark | None, ours: Mark, where: str) -> Outcome:
    """Return what a publication does, given what the target shows.

    Raises:
        PublicationError: The target shows other content under our version.
    """
    if found is None or found.version < ours.version:
        return "written"
    if found.version > ours.version:
        return "superseded"
    if found != ours:
        raise unknown_version(f"the target shows version {found.version} with other content", where)
    return "unchanged"


def unwritten(outcome: Outcome, shown: Mark | None, where: str) -> Receipt:
    """Return the receipt of a publication that writes nothing.

    Args:
        outcome: `unchanged` or `superseded`.
        shown: What the target shows of the same day; None for another day.
        where: The address.
    """
    return Receipt(outcome, where, newer=shown.version if shown and outcome == "superseded" else 0)


def outdone(did: str, where: str) -> ConflictError:
    """Return the error for a publication that lost to other publishers each time."""
    return ConflictError(
        f"other publishers {did} {TRIES} times",
        where=where,
        remedy="let one publication end before the next one starts",
    )


def unknown_version(what: str, where: str) -> PublicationError:
    """Return the error for a version at the target that is not one of the warehouse."""
    return PublicationError(
        what,
        where=where,
        remedy="was the warehouse rebuilt? Remove what is at the target, then publish the day again",
    )
