"""The pictures of a day's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.manifests import Manifest

_REPORT, _CLUSTERS, _SUFFIX = "report", "clusters", ".svg"
# The main ones as the report orders them; others follow by name.
_FIRST = ("sizes", "map", "tokens", "neighbours", "flow", "trend")


def read_pictures(store: ObjectStore, catalog: Catalog, index: Manifest) -> dict[str, str]:
    """Return the pictures of the report by name, as SVG.

    The result is empty if there is no report, or if it shows other clusters than the index.

    Args:
        store: Holds the files.
        catalog: Holds the published pointers.
        index: Manifest of the index.

    Raises:
        IntegrityError: A published file is damaged.
    """
    # Imported here, because nothing else that is served needs the ledger.
    from cluster_assets.stages.ledger.ledger import Ledger

    ledger = Ledger(store, catalog, index.pipeline)
    report = ledger.current(_REPORT, index.day)
    if report is None or report.inputs[_CLUSTERS] != index.inputs.get(_CLUSTERS):
        return {}
    found = [name.removesuffix(_SUFFIX) for name in report.documents if name.endswith(_SUFFIX)]
    rank = {name: place for place, name in enumerate(_FIRST)}
    found.sort(key=lambda name: (rank.get(name, len(rank)), name))
    return {name: ledger.read_document(report, name + _SUFFIX).decode() for name in found}
