"""A small valid pipeline file that tests change."""

GOOD_YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: demo
  start_date: 2026-01-01
  raw: {files: "data/*.parquet", time_column: event_time}
  entity: id
  features: {vector: [max(x)]}
  distance: {metric: euclidean, threshold: 1}
  algorithm: {type: dbscan, min_samples: 2}
"""
