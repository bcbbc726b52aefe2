"""What distinguishes a cluster, in words: one line for each row of `cluster_features`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KM = 1000.0


def describe_features(row: Mapping[str, Any]) -> str:
    """A line for people.

    >>> describe_features({"kind": "text", "feature": "text", "value": "a", "share": 0.9, "lift": None})
    'a 90%'
    """
    if row["kind"] == "place":
        return _place(row)
    if row["value"] is not None:
        name = "" if row["feature"] == row["kind"] else f"{row['feature']} "
        lift = "" if row["lift"] is None else f" (\u00d7{row['lift']:,.1f})"
        return f"{name}{row['value']} {row['share']:.0%}{lift}"
    zscore = "" if row["zscore"] is None else f" (z {row['zscore']:+.1f})"
    return f"{row['feature']} {_short(row['mean'])}, day {_short(row['day_mean'])}{zscore}"


def _short(value: float) -> str:
    """Three digits; what sums of doubles leave of zero is zero."""
    return f"{round(value, 12) + 0.0:,.3g}"


def _place(row: Mapping[str, Any]) -> str:
    north = "N" if row["latitude"] >= 0 else "S"
    east = "E" if row["longitude"] >= 0 else "W"
    centre = f"{abs(row['latitude']):.2f}°{north} {abs(row['longitude']):.2f}°{east}"
    name = "" if row["feature"] == "place" else f"{row['feature']} "
    return f"{name}{centre}, within {row['radius_m'] / _KM:,.1f} km"
