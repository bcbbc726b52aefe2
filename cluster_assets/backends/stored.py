"""What a store lists and what a catalog points to.

They are not in `ports`, whose interfaces of engines and workers are of no use to a reader of published days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store."""

    key: str
    bytes: int
    modified: dt.datetime


@dataclass(frozen=True, slots=True)
class Pointer:
    """The manifest that readers of a day see."""

    manifest_key: str
    version: int

    def is_published(self, published: Pointer, where: str) -> bool:
        """Whether readers see this pointer, given the published one of the same or a later version.

        Raises:
            IntegrityError: The two name different manifests as one version.
        """
        if published.version == self.version and published != self:
            raise IntegrityError(
                f"version {self.version} is {published.manifest_key}, not {self.manifest_key}",
                where=where,
                remedy="recompute the day with --force",
            )
        return published == self
