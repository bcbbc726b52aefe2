"""What a pipeline's YAML may say about the checks of its days."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from cluster_assets.spec_types import Part

OnFailure = Literal["block", "warn", "skip"]
"""block: the day is not published and nothing goes on with it; warn: it is told; skip: not looked at."""


class StructureCheck(Part):
    """A check of what always holds."""

    on_failure: OnFailure = Field("block", description="block, warn or skip")


class CountCheck(Part):
    """A count against its median of the days before."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    tolerance: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="Always allowed: 1.0 is half to double the median"
    )
    deviations: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="Robust standard deviations of log(1 + count) allowed"
    )


class ShareCheck(Part):
    """A share against its median of the days before."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    tolerance: float = Field(0.15, ge=0, le=1, description="Always allowed: 0.15 either way of the median")
    deviations: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="Robust standard deviations allowed"
    )


class DriftCheck(Part):
    """The distribution of the features against that of the days before."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    max_psi: float = Field(
        0.25, gt=0, allow_inf_nan=False, description="Largest population stability index of a feature"
    )


class Checks(Part):
    """The checks of a pipeline's days."""

    days: int = Field(14, ge=1, le=100, description="Published days before a day that it is compared with")
    min_days: int = Field(3, ge=1, le=100, description="With fewer of them, comparisons pass and say so")
    structure: StructureCheck = Field(
        default_factory=StructureCheck,
        description="Schema and rows of every table, ids, labels, roles, every entity exactly once",
    )
    source_rows: StructureCheck = Field(
        default_factory=StructureCheck,
        description="Rows and entities counted in the source once more, after the points were made",
    )
    rows: CountCheck = Field(default_factory=CountCheck)
    entities: CountCheck = Field(default_factory=CountCheck)
    clusters: CountCheck = Field(default_factory=CountCheck)
    noise_ratio: ShareCheck = Field(default_factory=ShareCheck)
    continued_share: ShareCheck = Field(default_factory=lambda: ShareCheck(tolerance=0.3))
    drift: DriftCheck = Field(default_factory=DriftCheck)

    @property
    def needed_days(self) -> int:
        """How many days before a day a comparison takes."""
        return min(self.min_days, self.days)

    @field_validator("min_days")
    @classmethod
    def _are_looked_at(cls, min_days: int, info: ValidationInfo) -> int:
        days = info.data.get("days")
        if days is not None and min_days > days:
            raise ValueError(f"min_days {min_days} is more than days {days}")
        return min_days
