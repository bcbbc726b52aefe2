"""Errors while building a layer."""

from __future__ import annotations

from cluster_assets.domain.errors import ClusterAssetsError


class LayerError(ClusterAssetsError):
    """The layer cannot be built, or the result must not be used."""
