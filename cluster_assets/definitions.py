"""The Dagster code location: every pipeline in defs/ and CLUSTER_DEFS, with their resources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg

from cluster_assets.components.broken import load_each
from cluster_assets.components.hooks import failure_sensors
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import BrokenFile, FoundFiles, as_spec_error, scan_pipeline_files


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster shows and runs."""
    settings = load_settings()
    # Scan all folders together, so that a name in two of them is refused.
    found = scan_pipeline_files(settings.defs_dirs)
    packaged, rest = _packaged(found)
    own = load_each(rest)
    shared = dg.Definitions(
        sensors=failure_sensors(settings),
        # One process per step would cost 3 s each; the work itself runs in SQL and in workers.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(*packaged, *own, shared)


def _packaged(found: FoundFiles) -> tuple[list[dg.Definitions], FoundFiles]:
    """Load the packaged folder through Dagster; return the definitions and the files to load one by one.

    If Dagster cannot read one file of a folder, it loads none of its components. Then all files are loaded
    one by one.
    """
    if any(broken.path.is_relative_to(PACKAGED_DEFS) for broken in found.broken):
        return [], found
    try:
        packaged = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    except Exception as error:  # noqa: BLE001  # shown as that of the folder
        folder = BrokenFile(PACKAGED_DEFS, PACKAGED_DEFS.name, as_spec_error(error, PACKAGED_DEFS))
        return [], replace(found, broken=(*found.broken, folder))
    own = tuple(file for file in found.files if not file.path.is_relative_to(PACKAGED_DEFS))
    return [packaged], replace(found, files=own)
