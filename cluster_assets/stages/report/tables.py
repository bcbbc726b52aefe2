"""The tables of a day, as the report lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain import tables as contracts
from cluster_assets.domain.tables import TableContract, points_contract
from cluster_assets.stages.report.pictures.page import TableRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_assets.domain.manifests import Manifest

_CONTRACTS = {
    table.name: table
    for table in (points_contract(()), *vars(contracts).values())
    if isinstance(table, TableContract)
}


def exported_tables(manifests: Iterable[Manifest]) -> tuple[TableRow, ...]:
    """Return the tables that users can query and export, in the order of their contracts.

    Args:
        manifests: Of the day's stages.
    """
    found = {name: data for manifest in manifests for name, data in manifest.tables.items()}
    return tuple(
        TableRow(name, found[name].rows, found[name].bytes, contract.description.replace("`", ""))
        for name, contract in _CONTRACTS.items()
        if contract.is_exported and name in found
    )
