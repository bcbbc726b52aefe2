"""The checks in Dagster: one asset check per check, evaluated day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from cluster_assets.assets.versions import Materialized
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.spec.checks import Checks
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.stage import Stage, StructureCheck, Trend

# The type of an evaluation's target: Dagster exports the evaluation class but not this one.
_TARGET: type = get_args(get_type_hints(dg.AssetCheckEvaluation.__new__)["target_materialization_data"])[0]


def check_specs(
    spec: PipelineSpec, stage: Stage, partitions: dg.PartitionsDefinition[str]
) -> tuple[dg.AssetCheckSpec, ...]:
    """Return the specs of the checks that the YAML does not skip."""
    return tuple(
        partitioned_check(
            dg.AssetKey([spec.name, stage.name]),
            check.name,
            check.description,
            blocking=on_failure == "block",
            partitions=partitions,
        )
        for check, on_failure in _wanted(spec.checks, stage)
    )


def record_checks(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    partition: str,
    outcomes: Sequence[CheckOutcome],
    evaluated: Materialized | None,
) -> None:
    """Record the check outcomes of a day, each as a separate evaluation.

    Args:
        context: Of the running step.
        key: The asset.
        partition: The day.
        outcomes: One for each check.
        evaluated: The materialization that was checked; None if the day was never materialized.
    """
    target = evaluated and _TARGET(
        storage_id=evaluated.storage_id, run_id=evaluated.run_id, timestamp=evaluated.timestamp
    )
    for outcome in outcomes:
        # An AssetCheckResult would carry no partition in a run over several days.
        context.log_event(_evaluation(key, partition, outcome, target))


def selected_assets(context: dg.AssetExecutionContext) -> AbstractSet[dg.AssetKey]:
    """Return the assets of which a run selects the asset itself or a check."""
    assets: AbstractSet[dg.AssetKey] = context.selected_asset_keys
    return assets | {key.asset_key for key in context.selected_asset_check_keys}


def _wanted(checks: Checks, stage: Stage) -> Iterator[tuple[StructureCheck | Trend, str]]:
    found: list[tuple[StructureCheck | Trend, str]] = [
        *((check, checks.structure_part(check.name).on_failure) for check in stage.all_checks),
        *((trend, getattr(checks, trend.name).on_failure) for trend in stage.trends),
    ]
    yield from ((check, on_failure) for check, on_failure in found if on_failure != "skip")


def partitioned_check(
    key: dg.AssetKey, name: str, description: str, *, blocking: bool, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetCheckSpec:
    """Build a partitioned check spec; only this function uses Dagster's preview of check partitions."""
    return dg.AssetCheckSpec(
        name, asset=key, description=description, blocking=blocking, partitions_def=partitions
    )


def _evaluation(
    key: dg.AssetKey, partition: str, outcome: CheckOutcome, target: Any
) -> dg.AssetCheckEvaluation:
    metadata: dict[str, Any] = dict(outcome.numbers)
    if outcome.days:
        metadata["days"] = f"{len(outcome.days)}, {outcome.days[0]} to {outcome.days[-1]}"
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=outcome.name,
        passed=outcome.passed,
        metadata=metadata,
        target_materialization_data=target,
        severity=dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN,
        description=outcome.description,
        blocking=outcome.blocking,
        partition=partition,
    )
