"""The way of the data, without Dagster: raw, points, candidates, clusters, lineage, profiles, report."""
