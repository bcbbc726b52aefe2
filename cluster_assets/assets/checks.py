"""How checks appear in Dagster: one asset check a check, evaluated day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import dagster as dg

from cluster_assets.stages.checks import structure_names
from cluster_assets.stages.trends import trend_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.checks_spec import Checks
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.pipeline_spec import PipelineSpec

_DESCRIPTIONS = {
    "contract": "Columns and types of every table as in its contract, and as many rows as were written",
    "source_rows": "Every row and entity of the source is in the points, or left out and counted",
    "ids_dense": "Point ids count from 0 without a gap",
    "entities_once": "Every entity exactly once, on the point and with the weight it must have",
    "pairs_valid": "Pairs of existing points, the lower id first, with a distance from 0 to the threshold",
    "labels_dense": "Cluster numbers count from 0 without a gap, and a point has one",
    "roles_valid": "Roles as the algorithm has them: noise is -1, a DBSCAN cluster has a core",
    "rows": "Rows of the source against the median of the days before",
    "entities": "Entities against the median of the days before",
    "clusters": "Clusters against the median of the days before",
    "noise_ratio": "Share of noise against the median of the days before",
    "continued_share": "Share of yesterday's clusters that live on, against the median of the days before",
    "drift": "Largest population stability index of a feature against the days before",
}

# The type of what an evaluation is about; Dagster exports the evaluation, but no name for this part of it.
_TARGET: type = get_args(get_type_hints(dg.AssetCheckEvaluation.__new__)["target_materialization_data"])[0]


def check_specs(
    spec: PipelineSpec, stage: str, partitions: dg.PartitionsDefinition[str]
) -> tuple[dg.AssetCheckSpec, ...]:
    """The checks of a stage that the YAML does not skip."""
    return tuple(
        _partitioned_spec(dg.AssetKey([spec.name, stage]), name, on_failure == "block", partitions)
        for name, on_failure in _wanted(spec.checks, stage)
    )


def record_checks(
    context: dg.AssetExecutionContext, key: dg.AssetKey, outcomes: Mapping[str, Sequence[CheckOutcome]]
) -> None:
    """Record what the checks of each day found, each day as an evaluation of its own.

    After the materializations of the same days, so that Dagster knows what was evaluated.

    Args:
        context: Of the running step.
        key: The asset.
        outcomes: By partition.
    """
    targets = _targets(context.instance, key, tuple(outcomes))
    for partition, found in outcomes.items():
        for outcome in found:
            # Not an AssetCheckResult: in a run over several days it would carry no partition.
            context.log_event(_evaluation(key, partition, outcome, targets.get(partition)))


def check_outputs(specs: Sequence[dg.AssetCheckSpec]) -> Iterator[dg.Output[None]]:
    """What a step must yield for its checks beside the recorded evaluations."""
    for spec in specs:
        yield dg.Output(None, output_name=spec.get_python_identifier())


def _wanted(checks: Checks, stage: str) -> Iterator[tuple[str, str]]:
    for name in structure_names(stage):
        part = checks.source_rows if name == "source_rows" else checks.structure
        if part.on_failure != "skip":
            yield name, part.on_failure
    for name in trend_names(stage):
        if (on_failure := getattr(checks, name).on_failure) != "skip":
            yield name, on_failure


def _partitioned_spec(
    key: dg.AssetKey, name: str, blocking: bool, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetCheckSpec:
    """The only place that knows that partitions of checks are a preview of Dagster."""
    return dg.AssetCheckSpec(
        name, asset=key, description=_DESCRIPTIONS[name], blocking=blocking, partitions_def=partitions
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


def _targets(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str]) -> dict[str, Any]:
    """The newest materialization of each partition; none of a day that was never published."""
    if not partitions:
        return {}
    found: dict[str, Any] = {}
    for partition in partitions:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            found[partition] = _TARGET(
                storage_id=record.storage_id,
                run_id=record.event_log_entry.run_id,
                timestamp=record.timestamp,
            )
    return found
