"""Damage to published files: missing, cut off, or bytes that no longer have the digest in their manifest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.manifests import DataFile, Document, Manifest

_PARALLEL_CHECKS = 8


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A published file that is not what its manifest says.

    Attributes:
        uri: Its address.
        problem: `missing`, or `changed` if its bytes are others.
    """

    uri: str
    problem: Literal["missing", "changed"]


def refuse_damaged(store: ObjectStore, manifest: Manifest, files: Sequence[DataFile | Document]) -> None:
    """Check that files are as they were when their manifest was committed, as cheaply as the store allows.

    Raises:
        IntegrityError: The content of a file has changed.
    """

    def is_intact(file: DataFile | Document) -> bool:
        return store.is_intact(file.key, file.digest, manifest.committed_at)

    if len(files) > 1:
        with ThreadPoolExecutor(_PARALLEL_CHECKS) as pool:
            intact = list(pool.map(is_intact, files))
    else:
        intact = [is_intact(file) for file in files]
    damaged = next((file for file, sound in zip(files, intact, strict=True) if not sound), None)
    if damaged is not None:
        raise IntegrityError(
            f"a published file of {manifest.pipeline}/{manifest.stage}, {manifest.day} is damaged: its "
            "content is not what was published",
            where=store.uri(damaged.key),
            remedy=f"find and recompute all damaged days: cluster-assets verify {manifest.pipeline} --repair",
        )


def find_damage(store: ObjectStore, manifest: Manifest) -> list[DamagedFile]:
    """Read all files of a manifest, several at a time, and return those that are damaged.

    Raises:
        StoreError: The store refuses the call, or keeps failing.
    """

    def problem(file: DataFile | Document) -> Literal["missing", "changed"] | None:
        try:
            return None if store.digest(file.key) == file.digest else "changed"
        except FileNotFoundError:
            return "missing"

    with ThreadPoolExecutor(_PARALLEL_CHECKS) as pool:
        found = pool.map(problem, manifest.files)
        return [
            DamagedFile(store.uri(file.key), what)
            for file, what in zip(manifest.files, found, strict=True)
            if what is not None
        ]
