"""YAML model of alerts: which events of a day are reported, and to which recipients."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from cluster_assets.spec.base import Part

Recipient = Literal["webhook", "slack", "sns", "email"]
"""A kind of recipient; its address is a setting, because files of pipelines hold no secrets."""


class ClusterEvent(Part):
    """An event of clusters of at least a size."""

    min_entities: int = Field(1, ge=1, description="Events of smaller clusters are not reported")


class Growth(ClusterEvent):
    """A cluster that has grown by a factor."""

    factor: float = Field(
        2.0, gt=1, allow_inf_nan=False, description="Entities today per entity of the day before, at least"
    )


def _switch(value: Any) -> Any:
    """Accept `true` for the defaults and `false` for none."""
    return {} if value is True else None if value is False else value


_ClusterEvent = Annotated[
    ClusterEvent | None, BeforeValidator(_switch, json_schema_input_type=bool | ClusterEvent | None)
]
_Growth = Annotated[Growth | None, BeforeValidator(_switch, json_schema_input_type=bool | Growth | None)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Notify(Part):
    """The alerts of a pipeline. Only events that the YAML names are reported."""

    born: _ClusterEvent = Field(None, description="A new cluster")
    split: _ClusterEvent = Field(None, description="A part of a cluster became a cluster")
    merged: _ClusterEvent = Field(None, description="A cluster absorbed another one")
    grown: _Growth = Field(None, description="A cluster has grown by a factor")
    drift: bool = Field(False, description="The check `drift` warned or failed")
    failed: bool = Field(False, description="The day could not be computed or published")
    max_age_days: int = Field(
        2, ge=0, le=100_000, description="Runs do not report days that are older, so that backfills are quiet"
    )
    most: int = Field(
        20, ge=1, le=40, description="Clusters named in the alerts of a day; the others are counted"
    )
    to: Annotated[
        list[Recipient], BeforeValidator(_as_list, json_schema_input_type=Recipient | list[Recipient])
    ] = Field(min_length=1, description="webhook or slack, sns, email; the settings have their addresses")

    @field_validator("to")
    @classmethod
    def _has_one_format_per_address(cls, to: list[Recipient]) -> list[Recipient]:
        if len(set(to)) < len(to):
            raise ValueError("names a recipient twice")
        if {"webhook", "slack"} <= set(to):
            raise ValueError(
                "webhook and slack are two formats of one address, CLUSTER_NOTIFY_WEBHOOK_URL; name one"
            )
        return to

    @field_validator("to")
    @classmethod
    def _has_an_event(cls, to: list[Recipient], info: ValidationInfo) -> list[Recipient]:
        events = ("born", "split", "merged", "grown", "drift", "failed")
        # An event that is invalid is not in `info.data`, and has its own error.
        if all(name in info.data and not info.data[name] for name in events):
            raise ValueError(f"there is no event to report; name one of {', '.join(events)}")
        return to
