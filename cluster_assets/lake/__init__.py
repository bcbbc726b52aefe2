"""Published days as data frames and as SQL tables."""

from __future__ import annotations

from cluster_assets.lake.frames import LakeTable
from cluster_assets.lake.lake import Lake, open_lake

__all__ = ["Lake", "LakeTable", "open_lake"]
