"""The assets of a pipeline: a step of Dagster that takes each requested day through all stages."""

# No `from __future__ import annotations` here: Dagster reads the annotations of asset functions.
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from cluster_assets.assets.checks import check_specs
from cluster_assets.assets.days import DaysOfRun
from cluster_assets.assets.published import publication_checks, publication_specs
from cluster_assets.assets.resource import BackendResource
from cluster_assets.assets.resumed import recorded_days
from cluster_assets.assets.tables import COLUMN_SCHEMA, table_metadata
from cluster_assets.assets.versions import code_version
from cluster_assets.backends.kept_databases import kept_open
from cluster_assets.settings import Settings, load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.stage import Stage

TABLE_NAME = "dagster/table_name"

POOL = "days"
"""The Dagster pool of the step, so that a limit of steps holds across all runs (docs/checks.md)."""


class DayConfig(dg.Config):
    """What the Dagster launchpad offers."""

    force: bool = Field(False, description="Recompute the days even if nothing they depend on has changed")


@dataclass(frozen=True, slots=True)
class DailyPolicy:
    """Settings that all assets of a pipeline share: partitions, backfill policy, SQL engine."""

    partitions: dg.DailyPartitionsDefinition
    backfill: dg.BackfillPolicy
    engine: str


def daily_policy(spec: PipelineSpec, settings: Settings) -> DailyPolicy:
    """Return the policy with one partition per UTC day; `end_date` is the last partition."""
    last = spec.last_day
    partitions = dg.DailyPartitionsDefinition(
        start_date=spec.start_date,
        # Dagster's end date is exclusive, the YAML's is the last day.
        end_date=last.next.key if last else None,
    )
    return DailyPolicy(partitions, dg.BackfillPolicy.multi_run(settings.days_per_run), settings.engine)


def step_name(spec: PipelineSpec) -> str:
    """Return the name of the pipeline's step, under which a run configures it."""
    return f"{spec.name}_days"


def daily_assets(spec: PipelineSpec, stages: Sequence[Stage], policy: DailyPolicy) -> dg.AssetsDefinition:
    """Define an asset for each stage and target, all computed by one step: docs/decisions/0014 says why.

    Args:
        spec: The pipeline.
        stages: In order of the data.
        policy: Partitions, backfill policy and engine.
    """
    specs = [_asset_spec(spec, stage, policy) for stage in stages]
    specs += publication_specs(spec, policy.partitions)
    checks = [check for stage in stages for check in check_specs(spec, stage, policy.partitions)]
    checks += publication_checks(spec, policy.partitions)

    @dg.multi_asset(
        name=step_name(spec),
        specs=specs,
        check_specs=checks,
        can_subset=True,
        backfill_policy=policy.backfill,
        pool=POOL,
    )
    def materialize(
        context: dg.AssetExecutionContext, config: DayConfig, cluster_backend: BackendResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.Output[None]]:
        days = DaysOfRun(context, spec, stages, cluster_backend.parts, force=config.force)
        is_read = _is_read(context)
        # An output covers all days of the run, so a run with outputs goes over all of them.
        recorded = frozenset() if is_read else recorded_days(context)
        todo = [partition for partition in context.partition_keys if partition not in recorded]
        done = set()
        with kept_open(load_settings().dagster_dir):
            for key, partition, metadata in days.run(todo):
                done.add((key, partition))
                if is_read and key in context.selected_asset_keys:
                    context.add_asset_metadata(metadata, asset_key=key, partition_key=partition)
        if is_read:
            # Dagster would record a day that was left out, too.
            keys = [one.key for one in specs if all((one.key, day) in done for day in context.partition_keys)]
            yield from _outputs(context, keys)

    return materialize


def _asset_spec(spec: PipelineSpec, stage: Stage, policy: DailyPolicy) -> dg.AssetSpec:
    return dg.AssetSpec(
        dg.AssetKey([spec.name, stage.name]),
        deps=_upstream(spec, stage),
        partitions_def=policy.partitions,
        group_name=spec.name,
        description=f"{stage.describe(spec)}\n\nA day becomes a partition when it has ended, UTC; "
        f"the first one is {spec.start_date}.",
        kinds=set(stage.kinds(policy.engine)),
        owners=list(spec.owners),
        code_version=code_version(stage, spec),
        metadata=_static_metadata(spec, stage),
    )


def _upstream(spec: PipelineSpec, stage: Stage) -> list[dg.AssetDep]:
    """Return the stages that a stage reads; of the first one, the assets that write the source."""
    if not stage.deps:
        return [dg.AssetDep(dg.AssetKey.from_user_string(name)) for name in spec.raw.deps]
    return [
        dg.AssetDep(
            dg.AssetKey([spec.name, name]),
            partition_mapping=_window_mapping(spec) if name in stage.deps_window else None,
        )
        for name in stage.deps
    ]


def _window_mapping(spec: PipelineSpec) -> dg.TimeWindowPartitionMapping | None:
    """Map a day to the days of its window; the first days of a pipeline have fewer."""
    if spec.window is None:
        return None
    return dg.TimeWindowPartitionMapping(
        start_offset=1 - spec.window.days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )


def _static_metadata(spec: PipelineSpec, stage: Stage) -> Mapping[str, Any]:
    tables = table_metadata(spec, stage.name)
    # `raw` and `report` publish no table of their own name.
    named = {TABLE_NAME: f"{spec.name}_{stage.name}"} if COLUMN_SCHEMA in tables else {}
    return {**named, **tables}


def _is_read(context: dg.AssetExecutionContext) -> bool:
    """Return whether another step of this run waits for outputs of this step."""
    return any(
        dependency.node == context.op_def.name
        for inputs in context.job_def.dependencies.values()
        for definition in inputs.values()
        for dependency in definition.get_node_dependencies()
    )


def _outputs(
    context: dg.AssetExecutionContext, keys: Sequence[dg.AssetKey]
) -> Iterator[dg.MaterializeResult[None] | dg.Output[None]]:
    """Yield all outputs, in order of the data; Dagster records the days of the run once more for each."""
    for key in keys:
        if key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key)
    for check in context.assets_def.check_specs:
        if check.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=check.get_python_identifier())
