"""YAML models of the features: the kinds and their options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from cluster_assets.spec.base import Aggregate, DayText, Part, RowExpression

Kind = Literal["set", "vector", "embedding", "geo", "text", "mixed"]
KINDS: tuple[Kind, ...] = ("set", "vector", "embedding", "geo", "text", "mixed")
MixedKind = Literal["number", "category", "set", "text", "geo"]
MIXED_KINDS: tuple[MixedKind, ...] = ("number", "category", "set", "text", "geo")


def _scale_by_name(value: object) -> object:
    """`scale: standard` is short for `scale: {type: standard}`."""
    return {"type": value} if isinstance(value, str) else value


def _check_feature_name(text: str) -> str:
    if text in ("point_id", "weight", "entity", "first_entity", "prefix"):
        raise ValueError(f"{text} is a column of the table points; choose another name")
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
    """How the dimensions of a vector are scaled to a common unit."""

    type: ScaleType = Field(
        description="standard: mean 0, deviation 1; minmax: 0..1; robust: median 0, interquartile range 1"
    )
    reference_day: DayText | None = Field(
        None,
        description="Day whose statistics define the scale, so that distances are comparable across days; "
        "default: each day uses its own",
    )

    @model_validator(mode="after")
    def _refers_to_something(self) -> Scale:
        if self.type == "none" and self.reference_day is not None:
            raise ValueError("reference_day needs a scale; write type: standard, minmax or robust")
        return self


class TokenLimits(Part):
    """Limits for the values of a set, by the number of entities that have them on the day."""

    min_df: Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0, le=1)] = Field(
        1, description="Omit values of fewer entities than this number, or than this share if it has a point"
    )
    max_df: Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="Omit values of more entities than this number, or than this share if it has a point"
    )


class MixedFeature(Part):
    """One of several features that are compared together: exactly one kind, and its weight."""

    number: Aggregate | None = Field(None, description="Distance: difference divided by the day's range")
    category: Aggregate | None = Field(None, description="Distance: 0 if equal, else 1")
    set: RowExpression | None = Field(None, description="Distance: Jaccard")
    text: Aggregate | None = Field(None, description="Distance: edits divided by the longer length")
    geo: Geo | None = Field(
        None, description="Distance: great-circle distance divided by half the Earth's circumference"
    )
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
        """The kind that is set."""
        return next(name for name in MIXED_KINDS if getattr(self, name) is not None)

    def columns_of(self, name: str) -> tuple[str, ...]:
        """Return the columns of the feature in the table `points`: a place has two, named after it."""
        return (f"{name}_latitude", f"{name}_longitude") if self.geo is not None else (name,)


class Features(Part):
    """The features to compare: exactly one kind."""

    set: RowExpression | None = Field(None, description="The set of an entity's values on the day")
    vector: list[Aggregate] | None = Field(
        None, min_length=1, max_length=500, description="One aggregate per dimension"
    )
    embedding: Aggregate | None = Field(
        None, description="An array of numbers, with the same length for all entities of a day"
    )
    geo: Geo | None = Field(None, description="Latitude and longitude")
    text: Aggregate | None = Field(None, description="One text")
    mixed: dict[FeatureName, MixedFeature] | None = Field(
        None, min_length=1, max_length=16, description="Several features by name, each with a weight"
    )
    scale: Annotated[Scale, BeforeValidator(_scale_by_name, json_schema_input_type=ScaleType | Scale)] = (
        Field(Scale(type="none"), description="Scaling of the dimensions (vectors only)")
    )
    weights: list[Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]] | None = Field(
        None, description="Factor of each (scaled) dimension (vectors only)"
    )
    tokens: TokenLimits | None = Field(None, description="Limits for the values of a set (sets only)")

    @model_validator(mode="after")
    def _one_kind(self) -> Features:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}; found {', '.join(kinds) or 'none'}")
        if self.scale.type != "none" and kinds != ["vector"]:
            raise ValueError(f"scale is for vectors; remove it or use vector instead of {kinds[0]}")
        if self.weights is not None and len(self.weights) != len(self.vector or ()):
            raise ValueError(f"give as many weights as vector has dimensions: {len(self.vector or ())}")
        if self.tokens is not None and kinds != ["set"]:
            raise ValueError(f"tokens is for sets; remove it or use set instead of {kinds[0]}")
        self._refuse_shared_columns()
        return self

    def _refuse_shared_columns(self) -> None:
        """Refuse a feature with the name of one of the two columns of a place."""
        mixed = self.mixed or {}
        for name, feature in mixed.items():
            for taken in feature.columns_of(name):
                if taken != name and taken in mixed:
                    raise ValueError(f"{taken} is a column of the place {name}; rename one of them")

    @property
    def kind(self) -> Kind:
        """The kind that is set."""
        return next(name for name in KINDS if getattr(self, name) is not None)
