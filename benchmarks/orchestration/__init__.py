"""What Dagster and the layers cost: definitions of many pipelines, and calls before the engine."""
