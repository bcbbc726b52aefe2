"""The one shape all assets share: a stage, day by day, with each day's own metadata."""

# No `from __future__ import annotations` here: Dagster reads the annotations of assets when it is given them.
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from cluster_assets.assets.resource import BackendResource
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.domain.partitions import Day, parse_day
from cluster_assets.domain.tables import Column
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.stages.invocations import CALL_TABLE
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.stage import DayJob, DayResult, Stage, run_day


class DayConfig(dg.Config):
    """What the Dagster launchpad offers."""

    force: bool = Field(False, description="Recompute the day although nothing it depends on changed")


@dataclass(frozen=True, slots=True)
class AssetShape:
    """How an asset appears in Dagster."""

    stage: Stage
    description: str
    kinds: frozenset[str]
    deps: tuple[str, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class DailyPolicy:
    """Partitions and backfill policy, the same for all assets of a pipeline."""

    partitions: dg.DailyPartitionsDefinition
    backfill: dg.BackfillPolicy


def daily_policy(spec: PipelineSpec, days_per_run: int) -> DailyPolicy:
    """One partition a UTC day; `end_date` is the last of them."""
    last = spec.last_day
    partitions = dg.DailyPartitionsDefinition(
        start_date=spec.start_date,
        # Dagster's end is exclusive, the YAML's is the last day.
        end_date=last.next.key if last else None,
    )
    return DailyPolicy(partitions, dg.BackfillPolicy.multi_run(days_per_run))


def daily_asset(spec: PipelineSpec, shape: AssetShape, policy: DailyPolicy) -> dg.AssetsDefinition:
    """An asset that publishes each asked-for day of a stage."""
    key = dg.AssetKey([spec.name, shape.stage.name])

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([spec.name, name]) for name in shape.deps],
        partitions_def=policy.partitions,
        backfill_policy=policy.backfill,
        group_name=spec.name,
        description=shape.description,
        kinds=set(shape.kinds),
        owners=list(spec.owners),
        metadata=_static_metadata(spec, shape),
    )
    def materialize(context: dg.AssetExecutionContext, config: DayConfig, backend: BackendResource) -> None:
        parts = backend.parts
        ledger = Ledger(parts.store, parts.catalog, spec.name)
        done: dict[str, DayResult] = {}
        for partition in context.partition_keys:
            job = DayJob(spec, parts, ledger, parse_day(partition), force=config.force)
            try:
                done[partition] = run_day(shape.stage, job)
            except BaseException as error:
                _keep_finished_days(context, key, done)
                if isinstance(error, ClusterAssetsError):
                    raise _failure(error, job.day, len(done)) from error
                raise
        for partition, result in done.items():
            context.add_asset_metadata(day_metadata(result), asset_key=key, partition_key=partition)

    return materialize


def day_metadata(result: DayResult) -> dict[str, Any]:
    """The numbers of a day; equal names every day, so that Dagster plots them."""
    manifest = result.manifest
    table = manifest.tables.get(manifest.stage)
    metrics = dict(manifest.metrics)
    calls = json.loads(str(metrics.pop(CALL_TABLE, "[]")))
    return {
        **metrics,
        **({CALL_TABLE: dg.MetadataValue.table([dg.TableRecord(call) for call in calls])} if calls else {}),
        # `raw` copies nothing: its rows are those it counted in the source.
        "dagster/partition_row_count": manifest.metrics["rows"] if table is None else table.rows,
        "bytes": sum(data.bytes for data in manifest.tables.values()),
        "reused": result.reused,
        "manifest_version": manifest.version,
        "input_digest": manifest.input_digest,
    }


def _keep_finished_days(
    context: dg.AssetExecutionContext, key: dg.AssetKey, done: Mapping[str, DayResult]
) -> None:
    """Record the days finished before a failure; Dagster would otherwise forget them."""
    for partition, result in done.items():
        context.log_event(
            dg.AssetMaterialization(asset_key=key, partition=partition, metadata=day_metadata(result))
        )


def _failure(error: ClusterAssetsError, day: Day, finished: int) -> dg.Failure:
    """A Dagster failure that no retry repeats: the same input fails again."""
    return dg.Failure(
        description=f"{day}: {error}",
        metadata={"day": day.key, "finished_days": finished, "error": type(error).__name__},
        allow_retries=False,
    )


def _static_metadata(spec: PipelineSpec, shape: AssetShape) -> Mapping[str, Any]:
    table = f"{spec.name}_{shape.stage.name}"
    metadata: dict[str, Any] = {"dagster/table_name": table}
    if shape.columns:
        columns = [dg.TableColumn(column.name, column.type) for column in shape.columns]
        metadata["dagster/column_schema"] = dg.TableSchema(columns=columns)
    return metadata
