"""What a pipeline's YAML may say of its features: the kinds and their options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from cluster_assets.spec_types import Aggregate, DayText, Part, RowExpression

Kind = Literal["set", "vector", "embedding", "geo", "text", "mixed"]
KINDS: tuple[Kind, ...] = ("set", "vector", "embedding", "geo", "text", "mixed")
MixedKind = Literal["number", "category", "set", "text", "geo"]
MIXED_KINDS: tuple[MixedKind, ...] = ("number", "category", "set", "text", "geo")


def _scale_by_name(value: object) -> object:
    """`scale: standard` is short for `scale: {type: standard}`."""
    return {"type": value} if isinstance(value, str) else value


def _check_feature_name(text: str) -> str:
    if text in ("point_id", "weight", "entity", "first_entity", "prefix"):
        raise ValueError(f"{text} is a column of its own in the table points; choose another name")
    return text


FeatureName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$"), AfterValidator(_check_feature_name)
]


class Geo(Part):
    """A place per entity, in degrees of WGS84."""

    latitude: Aggregate
    longitude: Aggregate


ScaleType = Literal["none", "standard", "minmax", "robust"]


class Scale(Part):
    """How the dimensions of a vector are brought to one unit."""

    type: ScaleType = Field(
        description="standard: mean 0, deviation 1; minmax: 0..1; robust: median 0, quartiles 1 apart"
    )
    reference_day: DayText | None = Field(
        None,
        description="Day whose statistics are used, so that distances compare across days; "
        "left out: each day uses its own",
    )

    @model_validator(mode="after")
    def _refers_to_something(self) -> Scale:
        if self.type == "none" and self.reference_day is not None:
            raise ValueError("reference_day needs a scale; write type: standard, minmax or robust")
        return self


class TokenLimits(Part):
    """Which values of a set count, by the number of entities that show them that day."""

    min_df: Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0, le=1)] = Field(
        1, description="Values that fewer entities show are left out: a number, or a share with a point"
    )
    max_df: Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="Values that more entities show are left out: a number, or a share with a point"
    )


class MixedFeature(Part):
    """One of several features that are compared together: exactly one kind, and how much it counts."""

    number: Aggregate | None = Field(None, description="Difference over the day's range")
    category: Aggregate | None = Field(None, description="0 when equal, else 1")
    set: RowExpression | None = Field(None, description="Jaccard distance")
    text: Aggregate | None = Field(None, description="Edits over the longer length")
    geo: Geo | None = Field(None, description="Great-circle distance over half the way round the Earth")
    weight: float = Field(1.0, gt=0, le=1e6, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_kind(self) -> MixedFeature:
        kinds = [name for name in MIXED_KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(MIXED_KINDS)}; found {', '.join(kinds) or 'none'}"
            )
        return self

    @property
    def kind(self) -> MixedKind:
        """The one kind that is given."""
        return next(name for name in MIXED_KINDS if getattr(self, name) is not None)


class Features(Part):
    """What is compared: exactly one kind."""

    set: RowExpression | None = Field(None, description="The set of values an entity shows that day")
    vector: list[Aggregate] | None = Field(
        None, min_length=1, max_length=500, description="One aggregate a dimension"
    )
    embedding: Aggregate | None = Field(
        None, description="One array of numbers, of one length for all entities of a day"
    )
    geo: Geo | None = Field(None, description="Latitude and longitude")
    text: Aggregate | None = Field(None, description="One text")
    mixed: dict[FeatureName, MixedFeature] | None = Field(
        None, min_length=1, max_length=16, description="Several features by name, each with a weight"
    )
    scale: Annotated[Scale, BeforeValidator(_scale_by_name, json_schema_input_type=ScaleType | Scale)] = (
        Field(Scale(type="none"), description="How the values of each dimension are scaled (vectors only)")
    )
    weights: list[Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]] | None = Field(
        None, description="What each (scaled) dimension is multiplied by (vectors only)"
    )
    tokens: TokenLimits | None = Field(None, description="Which values of a set count (sets only)")

    @model_validator(mode="after")
    def _one_kind(self) -> Features:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}; found {', '.join(kinds) or 'none'}")
        if self.scale.type != "none" and kinds != ["vector"]:
            raise ValueError(f"scale is for vectors; remove it or use vector instead of {kinds[0]}")
        if self.weights is not None and len(self.weights) != len(self.vector or ()):
            raise ValueError(
                f"give one of weights for each of the {len(self.vector or ())} vector dimensions"
            )
        if self.tokens is not None and kinds != ["set"]:
            raise ValueError(f"tokens limits the values of a set; remove it or use set instead of {kinds[0]}")
        self._refuse_shared_columns()
        return self

    def _refuse_shared_columns(self) -> None:
        """A place has two columns, named after it; another feature may have one of their names."""
        for name, feature in (self.mixed or {}).items():
            for taken in (f"{name}_latitude", f"{name}_longitude"):
                if feature.geo is not None and taken in (self.mixed or {}):
                    raise ValueError(f"{taken} is a column of the place {name}; rename one of them")

    @property
    def kind(self) -> Kind:
        """The one kind that is given."""
        return next(name for name in KINDS if getattr(self, name) is not None)
