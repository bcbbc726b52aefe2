"""Publish a day to one target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.publish.target import TableDay, unknown_version
from cluster_assets.stages.snapshots import TABLES, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.publish.target import Receipt, Target
    from cluster_assets.stages.ledger.ledger import Ledger


def publish_tables(
    target: Target, ledger: Ledger, store: ObjectStore, tables: Iterable[str], day: Day
) -> tuple[tuple[TableDay, Receipt], ...]:
    """Publish tables of a day, each atomically; a table that the target shows already is not written again.

    Args:
        target: Where to.
        ledger: The pipeline.
        store: Holds its files.
        tables: Names of the tables.
        day: A published day.

    Raises:
        UpstreamMissingError: The day has no clusters yet, or no lineage or profiles of them.
        PublicationError: The target refuses or fails, or shows a version that the warehouse does not have.
    """
    # All are read first, so that a missing one is reported before anything is published.
    found = [TableDay(ledger.pipeline, day, read_snapshot(ledger, table, day), store) for table in tables]
    done = []
    for table in found:
        receipt = target.publish(table)
        if receipt.newer:
            _require_version(ledger, table, receipt)
        done.append((table, receipt))
    return tuple(done)


def _require_version(ledger: Ledger, table: TableDay, receipt: Receipt) -> None:
    """Check that the newer version at the target is one of the warehouse."""
    current = ledger.current(TABLES[table.name][1].name, table.day)
    newest = current.version if current else 0
    if receipt.newer > newest:
        raise unknown_version(
            f"the target shows version {receipt.newer} of {table}, the warehouse has only {newest}",
            receipt.address,
        )
