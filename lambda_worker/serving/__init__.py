"""Answers about a published day: the cluster of an entity, and where a new item would belong."""
