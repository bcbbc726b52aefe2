"""The stages as Dagster assets: a thin layer, in the order of the data."""
