"""Seeded honeypot-like traffic with known campaigns: data for trying the pipelines, with its ground truth."""

from cluster_assets.sample.config import SampleConfig, SampleReport
from cluster_assets.sample.writer import write_sample

__all__ = ["SampleConfig", "SampleReport", "write_sample"]
