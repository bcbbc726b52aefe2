"""Dagster components of this project."""

from cluster_assets.components.clustering_pipeline import ClusteringPipeline

__all__ = ["ClusteringPipeline"]
