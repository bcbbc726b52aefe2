"""Cluster a data-lake table every day, exactly, without servers: the Dagster code location."""
