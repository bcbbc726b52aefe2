"""How the dimensions of vectors are brought to one unit: less a center, over a spread, times a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.features.plans import ScalePlan, summary_of
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.features.plans import Reason, Shape
    from cluster_assets.pipeline_spec import Features
    from cluster_assets.ports import Statement

_EPSILON = 2.0**-52  # spacing of doubles at 1; scikit-learn's scalers measure constant columns by it
_CONSTANT = {"standard": {"epsilon": _EPSILON}, "minmax": {"narrowest": 10 * _EPSILON}}
_CONSTANT["robust"] = _CONSTANT["minmax"]


def scale_plan(features: Features, shape: Shape) -> ScalePlan | None:
    """The statements that scale a vector; None when nothing is asked for."""
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
            "features/scaled.sql",
            structure=structure,
            values={f"weight{k}": float(weight) for k, weight in enumerate(weights)},
            expressions={"is_valid": shape.is_measured or shape.is_valid},
        ),
        summary=summary_of(shape.reasons),
    )


def measured_reasons(shape: Shape) -> tuple[Reason, ...]:
    """Why what was measured may be invalid, before it is scaled."""
    return tuple(reason for reason in shape.reasons if not reason.concerns_scaled)


def _scales(scale: str, shape: Shape) -> Statement | None:
    if scale == "none":
        return None
    return bind(
        f"scales/{scale}.sql",
        structure={"dimensions": len(shape.columns)},
        values=_CONSTANT[scale],
        expressions={"is_valid": shape.is_measured or shape.is_valid},
    )
