"""HDBSCAN from shards: core distances, the n-ary hierarchy, its selection, and what of it is final."""
