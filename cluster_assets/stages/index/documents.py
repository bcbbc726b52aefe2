"""Names of the files of an index; readers import them without the stage."""

from __future__ import annotations

STAGE = "index"
"""Name of the stage."""

SOURCES = "enrich"
"""The key of the manifest's metrics that has the sources of enrichment, as a JSON list."""

ARRAYS, ENTITIES = "index.safetensors", "entities.sqlite"
"""The documents of a day: arrays that are mapped, and entities and clusters in SQLite."""
