"""What a YAML may say of lineage: when two clusters of two days are one."""

from __future__ import annotations

from pydantic import Field

from cluster_assets.spec_types import Part


class Lineage(Part):
    """How clusters are recognised from day to day.

    The thresholds are like those of MONIC (Spiliopoulou et al., KDD 2006), but count only entities that
    are seen on both days: who stays away tells nothing of where a cluster went.
    """

    gap_days: int = Field(
        7,
        ge=1,
        le=31,
        description="How far back the previous published day may lie, and how long a cluster may be away "
        "and still reappear",
    )
    match: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A cluster takes over an id when so large a part of the returning entities of one "
        "of the two is in the other",
    )
    part: float = Field(
        0.25, gt=0, le=1, description="What part of the returning entities makes a split or a merger"
    )
    growth: float = Field(
        0.2, ge=0, lt=1, description="A change of size beyond this part is told as grown or shrunk"
    )
    features: bool = Field(
        True, description="Whether clusters without returning entities are recognised by their feature values"
    )
    similar: float = Field(
        0.5, gt=0, le=1, description="Overlap of feature values from which two clusters are one"
    )
