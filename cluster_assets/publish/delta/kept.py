"""What `gc` must keep: the files of the warehouse that Delta tables in it refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.publish.delta.target import open_table
from cluster_assets.publish.targets import delta_options

if TYPE_CHECKING:
    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.settings import Settings

_LOG = "/_delta_log/"


def files_of_delta_tables(store: ObjectStore, settings: Settings) -> frozenset[str]:
    """Return the keys that the newest snapshot of each Delta table in the warehouse names.

    Raises:
        PublicationError: A table cannot be read, or deltalake is not installed.
    """
    if settings.target != "aws":
        return frozenset()  # elsewhere, Delta tables have files of their own
    roots = {key.key.partition(_LOG)[0] for key in store.list("") if _LOG in key.key}
    if not roots:
        return frozenset()
    options = delta_options(settings)
    return frozenset(
        f"{root}/{name}"
        for root in roots
        for name in open_table(store.uri(root), options).get_add_actions().column("path").to_pylist()
    )
