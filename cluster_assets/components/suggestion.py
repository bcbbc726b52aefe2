"""The check that the configured threshold is still near the one that `explore` suggests."""

# No `from __future__ import annotations` here: Dagster reads the annotations of checks.
import dagster as dg

from cluster_assets.assets.resource import RESOURCES, BackendResource
from cluster_assets.spec.checks import SuggestionCheck
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.ledger.ledger import Ledger

CHECK = "threshold_suggested"


def with_suggestion_check(pipeline: dg.Definitions, spec: PipelineSpec) -> dg.Definitions:
    """Add the check to the pipeline's clusters if the YAML asks for it."""
    if spec.checks.suggestion is None:
        return pipeline
    check = _suggestion_check(spec, spec.checks.suggestion)
    return dg.Definitions.merge(pipeline, dg.Definitions(asset_checks=[check], resources=RESOURCES))


def _suggestion_check(spec: PipelineSpec, options: SuggestionCheck) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey([spec.name, "clusters"]),
        name=CHECK,
        description="An exploration of the newest day does not suggest a threshold that is larger or smaller "
        f"by a factor of {options.factor:g} or more",
    )
    def threshold_suggested(cluster_backend: BackendResource) -> dg.AssetCheckResult:
        # Imported here, because only runs of this check need it.
        from cluster_assets.operations.explore.watch import watch_threshold

        backend = cluster_backend.parts
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        watched = watch_threshold(spec, backend, ledger, options.factor)
        return dg.AssetCheckResult(
            passed=watched.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=watched.description,
            metadata=dict(watched.numbers),
        )

    return threshold_suggested
