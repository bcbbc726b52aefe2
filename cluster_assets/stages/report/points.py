"""A bounded sample of the day's points, projected onto the plane by feature kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import sqlglot.expressions as exp

from cluster_assets.backends.statements import bind, column, literal
from cluster_assets.spec.metrics import metric_of
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.report.pictures import plane
from cluster_assets.stages.report.pictures.facts import PointCloud
from cluster_assets.stages.report.pictures.legend import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.report.facts import ReportReader
    from cluster_assets.stages.report.pictures.page import ClusterRow

    Rows = Sequence[Mapping[str, Any]]

SAMPLE = 1000
"""Approximate number of points on a map."""

_ARRAY_SAMPLE = 500  # points of embeddings, which are long
_SEPARATOR = "\x1f"


def point_cloud(
    spec: PipelineSpec, reader: ReportReader, rows: Sequence[ClusterRow], total: int
) -> PointCloud:
    """Return the points of a map.

    Args:
        spec: The pipeline; its kind must not be `set`, which has no projection.
        reader: Reads the sample.
        rows: The clusters of the day, largest first.
        total: Number of points of the day.
    """
    columns = features.columns_of(spec.features)
    most = _ARRAY_SAMPLE if spec.features.kind == "embedding" else SAMPLE
    statement = bind(
        "report/sampled.sql",
        structure={"columns": tuple((f'"{one.name}"', one.type) for one in columns)},
        expressions={"step": _step(rows, total, most)},
    )
    sampled = reader.fetch(statement, reader.tables("points", "clusters"))
    laid_out = _plane(spec, sampled)
    return PointCloud(
        positions=laid_out.positions,
        clusters=np.array([row["cluster"] for row in sampled], dtype=np.int64),
        weights=np.array([row["weight"] for row in sampled], dtype=np.int64),
        axes=laid_out.axes,
        is_globe=spec.features.kind == "geo",
        total=total,
    )


def _step(rows: Sequence[ClusterRow], total: int, most: int) -> exp.Expr:
    """Return the sampling step per cluster: named clusters share one half of the points, others the rest."""
    if total <= most:
        return literal(1)
    named = rows[:NAMED]
    others = total - sum(row.points for row in named)
    rest = literal(max(1, -(-others * 2 // most)))
    if not named:
        return literal(max(1, -(-total // most)))
    share = most // (2 * len(named))
    cases = exp.Case(this=column("cluster"))
    for row in named:
        cases = cases.when(literal(row.cluster), literal(max(1, -(-row.points // share))))
    return cases.else_(rest)


def _plane(spec: PipelineSpec, rows: Rows) -> plane.Plane:
    kind = spec.features.kind
    if kind == "geo":
        return plane.Plane(_numbers(rows, "longitude", "latitude"), ("longitude", "latitude"))
    if kind == "vector":
        names = tuple(one.name for one in features.columns_of(spec.features))
        said = [str(text) for text in spec.features.vector or ()]
        if spec.features.scale.type != "none":
            said = [f"{text} (scaled)" for text in said]
        return plane.plane_of_dimensions(_numbers(rows, *names), said)
    if kind == "embedding":
        values = [np.array(row["embedding"].split(), dtype=np.float64) for row in rows]
        table = np.stack(values) if values else np.zeros((0, 1))
        return plane.plane_of_directions(table, is_cosine=_is_cosine(spec))
    if kind == "text":
        return plane.plane_of_texts([row["text"] for row in rows])
    return plane.plane_of_parts([_part(spec, name, rows) for name in spec.features.mixed or {}])


def _part(spec: PipelineSpec, name: str, rows: Rows) -> npt.NDArray[np.float64]:
    assert spec.features.mixed is not None  # noqa: S101  # callers pass the name of one of its features
    kind = spec.features.mixed[name].kind
    if kind == "geo":
        return _numbers(rows, f"{name}_latitude", f"{name}_longitude")
    if kind == "number":
        return _numbers(rows, name)
    if kind == "set":
        return plane.one_hot([row[name].split(_SEPARATOR) for row in rows])
    return plane.one_hot([row[name] for row in rows])


def _numbers(rows: Rows, *names: str) -> npt.NDArray[np.float64]:
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(
        len(rows), len(names)
    )


def _is_cosine(spec: PipelineSpec) -> bool:
    return spec.distance is not None and metric_of(spec.features.kind, spec.near.metric).of_directions
