"""Seeded honeypot-like traffic with known campaigns: data to try the pipelines on, and the truth about it."""

from cluster_assets.sample.config import SampleConfig, SampleReport
from cluster_assets.sample.writer import write_sample

__all__ = ["SampleConfig", "SampleReport", "write_sample"]
