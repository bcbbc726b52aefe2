"""The `raw` part of the YAML: which files or table a pipeline reads, and how."""
