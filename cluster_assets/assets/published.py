"""Publications as Dagster assets: one for each target of a pipeline, `<pipeline>/published_<target>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from cluster_assets.assets.checks import partitioned_check, record_checks, selected_assets
from cluster_assets.assets.versions import newest_materialization
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import TargetUnavailableError
from cluster_assets.domain.expectations import CheckOutcome
from cluster_assets.publish.days import publish_tables
from cluster_assets.publish.target import VERSIONS
from cluster_assets.publish.targets import open_target
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import asset_name, tables_of
from cluster_assets.stages.snapshots import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Backend
    from cluster_assets.publish.target import Receipt, TableDay, Target
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.spec.publish import TargetName
    from cluster_assets.stages.ledger.ledger import Ledger

READABLE = "readable"
_KINDS: dict[TargetName, set[str]] = {
    "json": {"json"},
    "dynamodb": {"dynamodb"},
    "delta": {"deltalake"},
    "iceberg": {"iceberg"},
    "snowflake": {"snowflake"},
}
_TITLES: dict[TargetName, str] = {
    "json": "as gzipped JSON lines",
    "dynamodb": "of the newest day as items by key, in DynamoDB or SQLite",
    "delta": "as Delta tables, partitioned by day",
    "iceberg": "as Iceberg tables, partitioned by day, written by Athena",
    "snowflake": "as tables in Snowflake",
}


@dataclass(frozen=True, slots=True)
class _Published:
    """A published day: its tables with their receipts, and what a reader found."""

    tables: tuple[tuple[TableDay, Receipt], ...]
    check: CheckOutcome


def publication_key(spec: PipelineSpec, name: TargetName) -> dg.AssetKey:
    """Return the key of the asset of a target."""
    return dg.AssetKey([spec.name, asset_name(name)])


def publication_specs(
    spec: PipelineSpec, partitions: dg.PartitionsDefinition[str]
) -> tuple[dg.AssetSpec, ...]:
    """Return an asset for each target of `publish`."""
    return tuple(_asset_spec(spec, name, partitions) for name in spec.publish.targets)


def publication_checks(
    spec: PipelineSpec, partitions: dg.PartitionsDefinition[str]
) -> tuple[dg.AssetCheckSpec, ...]:
    """Return the check of each target: what its readers find."""
    return tuple(
        partitioned_check(
            publication_key(spec, name),
            READABLE,
            "The target shows this version of the day, with as many rows as the warehouse",
            blocking=False,
            partitions=partitions,
        )
        for name in spec.publish.targets
    )


def publish_days(
    context: dg.AssetExecutionContext,
    spec: PipelineSpec,
    ledger: Ledger,
    backend: Backend,
    partitions: Sequence[str],
) -> Iterator[tuple[dg.AssetKey, str, Mapping[str, Any] | Exception]]:
    """Publish computed days to each target of which the run selects the asset or the check, and record them.

    Days go from the newest to the oldest: a target that shows one day only writes that one.

    Yields:
        The asset and the day of each publication, with its metadata, or with its error if it failed; the
        others are not affected.
    """
    wanted = selected_assets(context)
    for name, options in spec.publish.targets.items():
        key = publication_key(spec, name)
        if key not in wanted:
            continue
        target: Target | None = None
        unavailable: TargetUnavailableError | None = None
        for partition in sorted(partitions, reverse=True):
            if unavailable is not None:
                yield key, partition, unavailable
                continue
            try:
                target = target or open_target(options, load_settings())
                published = _publish_day(target, tables_of(options), ledger, backend, partition)
                yield key, partition, _record(context, key, partition, published)
            except TargetUnavailableError as error:
                unavailable = error  # each further day would wait for minutes too
                yield key, partition, error
            except Exception as error:  # noqa: BLE001  # whatever it is, other days and targets go on
                yield key, partition, error


def _asset_spec(
    spec: PipelineSpec, name: TargetName, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetSpec:
    tables = tables_of(spec.publish.targets[name])
    stages = {"clusters", *(TABLES[table][1].name for table in tables)}
    return dg.AssetSpec(
        publication_key(spec, name),
        deps=[dg.AssetKey([spec.name, stage]) for stage in sorted(stages)],
        partitions_def=partitions,
        group_name=spec.name,
        description=f"{', '.join(tables)} {_TITLES[name]}. A day is replaced as a whole, and never by an "
        "older version.",
        kinds=_KINDS[name],
        owners=list(spec.owners),
    )


def _publish_day(
    target: Target, tables: Sequence[str], ledger: Ledger, backend: Backend, partition: str
) -> _Published:
    receipts = publish_tables(target, ledger, backend.store, tables, parse_day(partition))
    return _Published(receipts, _read_back(target, receipts))


def _read_back(target: Target, receipts: tuple[tuple[TableDay, Receipt], ...]) -> CheckOutcome:
    """Count at the target what readers find of the tables that it shows."""
    problems = []
    shown = 0
    for table, receipt in receipts:
        if receipt.outcome == "superseded":
            continue
        found = target.count(table)
        shown += found or 0
        if found is None:
            problems.append(f"another version of {table} was published since")
        elif found != table.rows:
            problems.append(f"{table} has {counted(table.rows, 'row')}, its readers find {found:,}")
    return CheckOutcome(READABLE, not problems, False, "; ".join(problems), {"rows": shown})


def _metadata(published: _Published) -> dict[str, Any]:
    """Return the metadata of a day; what is superseded is at the target in a newer version or a later day."""
    tables = published.tables
    return {
        "dagster/partition_row_count": sum(table.rows for table, _ in tables),
        "rows": sum(table.rows for table, _ in tables),
        "bytes": sum(receipt.bytes for _, receipt in tables),
        "address": ", ".join(dict.fromkeys(receipt.address for _, receipt in tables)),
        "outcome": ", ".join(dict.fromkeys(receipt.outcome for _, receipt in tables)),
        "manifest_version": max(table.mark.version for table, _ in tables),
        VERSIONS: {table.name: str(table.mark) for table, _ in tables},
    }


def _record(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partition: str, published: _Published
) -> Mapping[str, Any]:
    """Record a publication and return its metadata.

    A run that selects only the check does not record a day that it found published.
    """
    metadata = _metadata(published)
    context.log.info("%s %s: %s", partition, key.path[-1], metadata["outcome"])
    if key in context.selected_asset_keys or "written" in metadata["outcome"]:
        context.log_event(dg.AssetMaterialization(asset_key=key, partition=partition, metadata=metadata))
    evaluated = newest_materialization(context.instance, key, partition)
    record_checks(context, key, partition, (published.check,), evaluated)
    return metadata
