"""The Dagster code location: every pipeline under defs/ and CLUSTER_DEFS, and what they run on."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from cluster_assets.assets.resource import BackendResource
from cluster_assets.components.automation import automated_pipeline
from cluster_assets.components.hooks import failure_sensors
from cluster_assets.pipeline_files import find_pipeline_files, load_pipeline
from cluster_assets.settings import PACKAGED_DEFS, load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster shows and runs."""
    settings = load_settings()
    packaged = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    # Finding them all together refuses a name that stands in both places.
    files = find_pipeline_files(settings.defs_dirs)
    own = [
        automated_pipeline(load_pipeline(file.path), settings.days_per_run)
        for file in files
        if not file.path.is_relative_to(PACKAGED_DEFS)
    ]
    shared = dg.Definitions(
        sensors=failure_sensors(settings),
        resources={"backend": BackendResource()},
        # A step a process costs 3 s each; the work itself runs in SQL and in workers.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(packaged, *own, shared)
