"""YAML models of the checks of a day."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cluster_assets.spec.base import Part, at_most_days

OnFailure = Literal["block", "warn", "skip"]
"""block: a failure prevents publication; warn: a failure is reported; skip: no check."""


class StructureCheck(Part):
    """A check of an invariant."""

    on_failure: OnFailure = Field("block", description="block, warn or skip")


class CountCheck(Part):
    """Compares a count with its median over earlier days."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    tolerance: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Always allowed change: 1.0 means half to double the median",
    )
    deviations: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="Allowed robust standard deviations of log(1 + count)"
    )


class ShareCheck(Part):
    """Compares a share with its median over earlier days."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    tolerance: float = Field(0.15, ge=0, le=1, description="Always allowed difference from the median")
    deviations: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="Allowed robust standard deviations"
    )


class DriftCheck(Part):
    """Compares the distribution of the features with that of earlier days."""

    on_failure: OnFailure = Field("warn", description="block, warn or skip")
    max_psi: float = Field(
        0.25,
        gt=0,
        allow_inf_nan=False,
        description="Population stability index of a feature that is always allowed; more is reported if it "
        "is unusual",
    )


class SuggestionCheck(Part):
    """Compares the configured threshold with the one that `explore` suggests for the newest day."""

    factor: float = Field(
        1.5,
        gt=1,
        le=4,
        description="Warn if the suggested threshold is larger or smaller by at least this factor",
    )


class Checks(Part):
    """The checks of a pipeline's days."""

    days: int = Field(14, ge=1, le=100, description="Number of earlier published days to compare with")
    min_days: int = Field(
        3, ge=1, le=100, description="With fewer earlier days, comparisons pass with a note"
    )
    structure: StructureCheck = Field(
        default_factory=StructureCheck,
        description="Schema and rows of every table, ids, labels, roles, every entity exactly once",
    )
    source_rows: StructureCheck = Field(
        default_factory=StructureCheck,
        description="Rows and entities of the source, counted again; rows also by a second reader",
    )
    entity_types: StructureCheck = Field(
        default_factory=StructureCheck,
        description="Types of the columns of `entity`, which must give the same texts as on earlier days",
    )
    rows: CountCheck = Field(default_factory=CountCheck)
    entities: CountCheck = Field(default_factory=CountCheck)
    clusters: CountCheck = Field(default_factory=CountCheck)
    noise_ratio: ShareCheck = Field(default_factory=ShareCheck)
    continued_share: ShareCheck = Field(default_factory=lambda: ShareCheck(tolerance=0.3))
    drift: DriftCheck = Field(default_factory=DriftCheck)
    suggestion: SuggestionCheck | None = Field(
        None,
        description="Explore the newest day after each run of the daemon, and warn if another threshold is "
        "suggested; default: no check",
    )

    @property
    def needed_days(self) -> int:
        """Number of earlier days that a comparison needs."""
        return min(self.min_days, self.days)

    def structure_part(self, name: str) -> StructureCheck:
        """Return the settings of an invariant check; some invariants have their own YAML part."""
        own = getattr(self, name, None)
        return own if isinstance(own, StructureCheck) else self.structure

    _are_looked_at = field_validator("min_days")(at_most_days)
