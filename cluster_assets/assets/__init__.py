"""How the stages appear in Dagster: one thin file a stage, in the order of the data."""
