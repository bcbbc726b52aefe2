"""The one shape all assets share: a stage, day by day, with each day's own metadata."""

# No `from __future__ import annotations` here: Dagster reads the annotations of assets when it is given them.
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from cluster_assets.assets.checks import check_outputs, check_specs, record_checks
from cluster_assets.assets.pools import pool_of
from cluster_assets.assets.resource import BackendResource
from cluster_assets.domain.errors import CheckFailedError, ClusterAssetsError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.domain.tables import Column
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.stages.checks import OUTCOMES
from cluster_assets.stages.invocations import CALL_TABLE
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.stage import DayJob, DayResult, Shown, Stage, run_day
from cluster_assets.stages.trends import TrailingDays


class DayConfig(dg.Config):
    """What the Dagster launchpad offers."""

    force: bool = Field(False, description="Recompute the day although nothing it depends on changed")


@dataclass(frozen=True, slots=True)
class AssetShape:
    """How an asset appears in Dagster.

    Attributes:
        with_day_before: Those of `deps` whose day before counts too.
        publish: Brings about a day.
        follow: Brings about the days after the last one asked for that are no longer right.
    """

    stage: Stage
    description: str
    kinds: frozenset[str]
    deps: tuple[str, ...]
    columns: tuple[Column, ...]
    with_day_before: tuple[str, ...] = ()
    publish: Callable[[Stage, DayJob], DayResult] = run_day
    follow: Callable[[DayJob], tuple[DayResult, ...]] | None = None


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
    checks = check_specs(spec, shape.stage.name, policy.partitions)

    @dg.asset(
        key=key,
        deps=[_dependency(spec, shape, name) for name in shape.deps],
        partitions_def=policy.partitions,
        backfill_policy=policy.backfill,
        group_name=spec.name,
        description=shape.description,
        kinds=set(shape.kinds),
        owners=list(spec.owners),
        metadata=_static_metadata(spec, shape),
        check_specs=checks,
        pool=pool_of(shape.stage.name),
    )
    def materialize(
        context: dg.AssetExecutionContext, config: DayConfig, backend: BackendResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.Output[None]]:
        parts = backend.parts
        ledger = Ledger(parts.store, parts.catalog, spec.name)
        trailing = TrailingDays()
        done: dict[str, DayResult] = {}
        refused: dict[str, CheckFailedError] = {}
        for partition in context.partition_keys:
            job = DayJob(spec, parts, ledger, parse_day(partition), force=config.force, trailing=trailing)
            try:
                done[partition] = shape.publish(shape.stage, job)
            except CheckFailedError as error:
                refused[partition] = error  # a bad day must not hold up the days after it
            except BaseException as error:
                _keep_finished_days(context, key, done, refused)
                if isinstance(error, ClusterAssetsError):
                    raise _failure(error, (*refused, partition), len(done)) from error
                raise
        if refused:
            _keep_finished_days(context, key, done, refused)
            first = next(iter(refused.values()))
            raise _failure(first, tuple(refused), len(done)) from first
        _carry_on(context, key, shape, done, job)
        for partition, result in done.items():
            context.add_asset_metadata(day_metadata(result), asset_key=key, partition_key=partition)
        yield dg.MaterializeResult()
        record_checks(context, key, {partition: result.checks for partition, result in done.items()})
        yield from check_outputs(checks)

    return materialize


def _dependency(spec: PipelineSpec, shape: AssetShape, name: str) -> dg.AssetDep:
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0)
    return dg.AssetDep(
        dg.AssetKey([spec.name, name]),
        partition_mapping=mapping if name in shape.with_day_before else None,
    )


def _carry_on(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    shape: AssetShape,
    done: Mapping[str, DayResult],
    last: DayJob,
) -> None:
    """Record the days after the last one that were brought about with it."""
    if shape.follow is None:
        return
    try:
        moved = shape.follow(last)
    except BaseException as error:
        _keep_finished_days(context, key, done, {})
        if isinstance(error, ClusterAssetsError):
            raise _failure(error, (last.day.key,), len(done)) from error
        raise
    _keep_finished_days(context, key, {result.manifest.day.key: result for result in moved}, {})


def day_metadata(result: DayResult) -> dict[str, Any]:
    """The numbers of a day; equal names every day, so that Dagster plots them."""
    manifest = result.manifest
    table = manifest.tables.get(manifest.stage)
    metrics = dict(manifest.metrics)
    calls = json.loads(str(metrics.pop(CALL_TABLE, "[]")))
    metrics.pop(OUTCOMES, None)  # they are on the Checks tab
    # `raw` copies nothing: its rows are those it counted in the source. A report has none.
    rows = manifest.metrics.get("rows") if table is None else table.rows
    return {
        **metrics,
        **({CALL_TABLE: dg.MetadataValue.table([dg.TableRecord(call) for call in calls])} if calls else {}),
        **({"dagster/partition_row_count": rows} if rows is not None else {}),
        **(_shown_metadata(result.shown) if result.shown else {}),
        "bytes": sum(file.bytes for file in manifest.files),
        "reused": result.reused,
        "manifest_version": manifest.version,
        "input_digest": manifest.input_digest,
    }


def _shown_metadata(shown: Shown) -> dict[str, Any]:
    link = {"report_link": dg.MetadataValue.url(shown.link)} if shown.link else {}
    return {
        "pictures": dg.MetadataValue.md(shown.markdown),
        "report": dg.MetadataValue.path(shown.page),
        **link,
    }


def _keep_finished_days(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    done: Mapping[str, DayResult],
    refused: Mapping[str, CheckFailedError],
) -> None:
    """Record the days finished beside a failed one; Dagster would otherwise forget them."""
    for partition, result in done.items():
        context.log_event(
            dg.AssetMaterialization(asset_key=key, partition=partition, metadata=day_metadata(result))
        )
    found = {partition: result.checks for partition, result in done.items()}
    record_checks(context, key, found | {partition: error.outcomes for partition, error in refused.items()})


def _failure(error: ClusterAssetsError, days: tuple[str, ...], finished: int) -> dg.Failure:
    """A Dagster failure that no retry repeats: the same input fails again.

    Args:
        error: Of the first day.
        days: The days that failed, ascending.
        finished: How many days did not.
    """
    several = f"{', '.join(days)} failed. " if len(days) > 1 else ""
    return dg.Failure(
        description=f"{several}{days[0]}: {error}",
        metadata={
            "day": days[0],
            "failed_days": ",".join(days),
            "finished_days": finished,
            "error": type(error).__name__,
        },
        allow_retries=False,
    )


def _static_metadata(spec: PipelineSpec, shape: AssetShape) -> Mapping[str, Any]:
    table = f"{spec.name}_{shape.stage.name}"
    metadata: dict[str, Any] = {"dagster/table_name": table}
    if shape.columns:
        columns = [dg.TableColumn(column.name, column.type) for column in shape.columns]
        metadata["dagster/column_schema"] = dg.TableSchema(columns=columns)
    return metadata
