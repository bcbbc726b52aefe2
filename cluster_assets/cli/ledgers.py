"""Opens the ledger of a pipeline for commands that only read."""

from __future__ import annotations

from cluster_assets.opening import open_storage
from cluster_assets.settings import Settings, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger


def open_ledger(pipeline: str, settings: Settings | None = None) -> Ledger:
    """Open the ledger of a defined pipeline.

    Raises:
        SpecError: No file defines the pipeline.
    """
    settings = settings or load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    store, catalog = open_storage(settings)
    return Ledger(store, catalog, spec.name)
