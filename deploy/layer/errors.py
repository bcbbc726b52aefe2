"""What can be wrong while a layer is built."""

from __future__ import annotations

from cluster_assets.domain.errors import ClusterAssetsError


class LayerError(ClusterAssetsError):
    """The layer cannot be built, or what was built must not be used."""


class ElfError(LayerError):
    """A shared object is truncated, of another processor, or not what the dynamic loader expects."""
