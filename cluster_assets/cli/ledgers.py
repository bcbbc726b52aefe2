"""Opens what a pipeline has published, for commands that only read."""

from __future__ import annotations

from cluster_assets.composition import open_storage
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger


def open_ledger(pipeline: str) -> Ledger:
    """The ledger of a pipeline that is defined.

    Raises:
        SpecError: No file defines the pipeline.
    """
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    store, catalog = open_storage(settings)
    return Ledger(store, catalog, spec.name)
