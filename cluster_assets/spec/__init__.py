"""The YAML of a pipeline: models, expressions, and reading of files."""
