"""Writing a suggested setting into the YAML of its pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.algorithm import Dbscan
from cluster_assets.spec.yaml.edits import find_pipeline_file, set_numbers

if TYPE_CHECKING:
    from cluster_assets.operations.explore.findings import Suggestion
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


def apply_suggestion(spec: PipelineSpec, suggestion: Suggestion, settings: Settings) -> str:
    """Write threshold and `min_samples` into the file; everything else stays as it is.

    Returns:
        What was done, in a sentence.

    Raises:
        SpecError: The file is part of the package, or cannot be changed safely; nothing was written.
    """
    path = find_pipeline_file(spec.name, settings.defs_dirs)
    if path is None:
        raise SpecError(f"no file defines the pipeline {spec.name!r}", remedy="check the name")
    if not suggestion.changes:
        return f"{path} already has the suggested setting"
    if path.is_relative_to(PACKAGED_DEFS):
        raise SpecError(
            f"{spec.name} is a demo pipeline of the package",
            where=str(path),
            remedy="copy its file to a folder named by CLUSTER_DEFS, and apply the setting there",
        )
    expected = spec.model_copy(
        update={
            "distance": spec.near.model_copy(update={"threshold": suggestion.threshold}),
            "algorithm": _algorithm_of(spec, suggestion),
        }
    )
    values: dict[tuple[str, str], float] = {("distance", "threshold"): suggestion.threshold}
    if isinstance(spec.algorithm, Dbscan) and spec.algorithm.min_samples != suggestion.min_samples:
        values["algorithm", "min_samples"] = suggestion.min_samples
    set_numbers(path, values, expected)
    return (
        f"wrote the suggested setting into {path}; its days are stale now: "
        f"cluster-assets backfill {spec.name} --from FIRST --to LAST"
    )


def _algorithm_of(spec: PipelineSpec, suggestion: Suggestion) -> object:
    if not isinstance(spec.algorithm, Dbscan):
        return spec.algorithm
    return spec.algorithm.model_copy(update={"min_samples": suggestion.min_samples})
