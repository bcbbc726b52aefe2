"""Findings of a stage about the tables of its day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cluster_assets.backends.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.domain.tables import Column


@dataclass(frozen=True, slots=True)
class AuditedTable:
    """A table of a draft or of a published day.

    Attributes:
        columns: Columns of its contract.
        rows: Number of rows according to the engine or the manifest.
    """

    columns: tuple[Column, ...]
    uris: tuple[str, ...]
    rows: int

    @property
    def relation(self) -> FileRelation:
        """The table as a relation for statements."""
        return FileRelation(self.uris, columns=self.columns)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a structure check.

    Attributes:
        fault: What is wrong; empty if the check passed.
    """

    name: str
    fault: str
    numbers: Mapping[str, int | float | str] = field(default_factory=dict)


@runtime_checkable
class CheckedWork(Protocol):
    """A stage's work that can check invariants of its tables beyond their contract."""

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Check the tables and yield one finding per check."""
        ...
