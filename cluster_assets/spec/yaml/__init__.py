"""Reading of pipeline files, and explanations of unknown keys."""
