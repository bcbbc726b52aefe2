"""Scaling of vector dimensions: subtract a center, divide by a spread, multiply by a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.stages.points.kinds.plans import ScalePlan

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Statement
    from cluster_assets.spec.pipeline import Features
    from cluster_assets.stages.points.kinds.plans import Shape

_EPSILON = 2.0**-52  # spacing of doubles at 1; scikit-learn's scalers use it to detect constant columns
_CONSTANT = {"standard": {"epsilon": _EPSILON}, "minmax": {"narrowest": 10 * _EPSILON}}
_CONSTANT["robust"] = _CONSTANT["minmax"]


def scale_plan(features: Features, shape: Shape) -> ScalePlan | None:
    """Return the statements that scale a vector; None if no scaling is configured."""
    weights = features.weights or []
    if features.scale.type == "none" and not weights:
        return None
    structure = {
        "dimensions": len(shape.columns),
        "scaled": features.scale.type != "none",
        "weighted": bool(weights),
    }
    return ScalePlan(
        scales=_scales(features.scale.type, shape),
        scaled=bind(
            "points/features/scaled.sql",
            structure=structure,
            values={f"weight{k}": float(weight) for k, weight in enumerate(weights)},
            expressions={"is_valid": shape.is_valid},
        ),
    )


def _scales(scale: str, shape: Shape) -> Statement | None:
    if scale == "none":
        return None
    return bind(
        f"points/scales/{scale}.sql",
        structure={"dimensions": len(shape.columns)},
        values=_CONSTANT[scale],
        expressions={"is_valid": shape.is_valid},
    )
