"""The kind `geo`: a position on the Earth in degrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.statements import column, literal
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape
from cluster_assets.stages.points.kinds.raw_columns import of_raw
from cluster_assets.stages.points.kinds.vector import number_reasons

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import Features

COLUMNS = (
    Column("latitude", "double", "Latitude in degrees"),
    Column("longitude", "double", "Longitude in degrees"),
)


def shape(features: Features) -> Shape:
    """Latitude within ±90 and longitude within ±180 degrees."""
    assert features.geo is not None  # noqa: S101  # the registry calls the module of the given kind
    latitude, longitude = column("latitude"), column("longitude")
    on_meridian = latitude.between(literal(-90.0), literal(90.0))
    on_parallel = longitude.between(literal(-180.0), literal(180.0))
    return Shape(
        columns=COLUMNS,
        path="points/features/geo.sql",
        structure={},
        expressions={
            "latitude": of_raw(parse_expression(features.geo.latitude)),
            "longitude": of_raw(parse_expression(features.geo.longitude)),
        },
        reasons=(
            *number_reasons([latitude, longitude]),
            Reason("is_off_latitude", "latitude outside -90..90", on_meridian.not_()),
            Reason("is_off_longitude", "longitude outside -180..180", on_parallel.not_()),
        ),
        is_valid=on_meridian.and_(on_parallel),
    )
