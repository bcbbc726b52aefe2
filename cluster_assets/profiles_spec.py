"""What a pipeline's YAML may say of profiles: how much is measured, how much is shown."""

from __future__ import annotations

from pydantic import Field

from cluster_assets.spec_types import Part


class Profiles(Part):
    """How clusters are described. What is measured on a sample is labelled so."""

    exemplars: int = Field(5, ge=1, le=100, description="Entities that show how far a cluster reaches")
    features: int = Field(
        10, ge=1, le=1000, description="Tokens, texts or dimensions of each cluster that tell it from the day"
    )
    medoid_points: int = Field(
        2000,
        ge=2,
        le=20_000,
        description="Clusters of more points are sampled to this many to find their medoid; fewer where the "
        "worker's memory asks for it",
    )
    silhouette_points: int = Field(
        4000,
        ge=4,
        le=20_000,
        description="Days of more clustered points are sampled to this many for silhouettes; fewer where the "
        "worker's memory asks for it",
    )
