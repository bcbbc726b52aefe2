"""Cluster a data-lake table every day, exactly, without servers: the Dagster code location.

`open_lake` reads published days in Python; `ClusterLake` reads them in assets of your own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cluster_assets.assets.lake import ClusterLake
    from cluster_assets.lake import Lake, LakeTable, open_lake

__all__ = ["ClusterLake", "Lake", "LakeTable", "open_lake"]

_MODULES = dict.fromkeys(__all__, "cluster_assets.lake") | {"ClusterLake": "cluster_assets.assets.lake"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: the worker's processes and the command line import this package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
