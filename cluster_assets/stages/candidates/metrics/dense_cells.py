"""Dense cells: near pairs and core points that give DBSCAN the same clusters as all near pairs.

Cells are so narrow that all points of a cell are near each other. All points of a heavy cell are therefore
core points, a star of pairs connects them, and one pair connects two cells, however many pairs are near.
The proof is in `sql/candidates/dense_cells/candidates.sql`.

Sources: Gunawan, "A faster algorithm for DBSCAN", 2013; Gan and Tao, "DBSCAN revisited", SIGMOD 2015.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics import haversine, vectors
from cluster_assets.stages.candidates.metrics.grids import half_neighbourhood
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Statement
    from cluster_assets.backends.statements import Value
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.candidates.metrics.plans import Comparison

_NARROWER = 1 - 2.0**-10  # shrinks cells below their maximum width, for the rounding of quotients
_LEAST_CHORD = 2.0**-30  # in radii of the Earth, 6 mm: for smaller cells, rounding errors are too large
_SPHERE_AXES = ("u0", "u1", "u2")


@dataclass(frozen=True, slots=True)
class _Grid:
    """The distances, the columns they are measured on, and the cells.

    Attributes:
        metric: As in `candidates/grid/cells/measures.jinja`.
        box_metric: Distance of a point from a box, on `axis_columns`.
        cells: The template that assigns points to cells.
        columns: Columns that distances are measured on.
        axis_columns: Columns that define the cells.
        side: Side length of a cell.
        is_apart: Whether points of one cell may be far from each other.
        thresholds: Values bound where distances are measured.
        box_threshold: A point farther from a box than this is near none of its points.
    """

    metric: str
    box_metric: str
    cells: str
    columns: tuple[str, ...]
    axis_columns: tuple[str, ...]
    side: float
    is_apart: bool
    thresholds: Mapping[str, float]
    box_threshold: float


def plan_vectors(comparison: Comparison, min_samples: int) -> CandidatePlan:
    """Return the certificate plan for euclidean, manhattan or chebyshev in at most three dimensions."""
    columns = tuple(column.name for column in comparison.columns)
    thresholds = vectors.thresholds(comparison)
    grid = _Grid(
        metric=comparison.metric,
        box_metric=comparison.metric,
        cells="candidates/grid/cells/vector.sql",
        columns=columns,
        axis_columns=columns,
        side=max(comparison.threshold, vectors.LEAST) / _widest(comparison.metric, len(columns)) * _NARROWER,
        is_apart=comparison.threshold < vectors.LEAST,
        thresholds=thresholds,
        box_threshold=thresholds["reduced_threshold"],
    )
    return _plan(grid, min_samples)


def plan_haversine(comparison: Comparison, min_samples: int) -> CandidatePlan:
    """Return the certificate plan for great-circle distances, with cells in the space of the unit sphere."""
    chord = haversine.chord(comparison.threshold)
    grid = _Grid(
        metric="haversine",
        box_metric="euclidean",
        cells="candidates/grid/cells/haversine.sql",
        columns=haversine.MEASURED_ON,
        axis_columns=_SPHERE_AXES,
        side=max(chord, _LEAST_CHORD) / _widest("euclidean", 3) * _NARROWER,
        is_apart=chord < _LEAST_CHORD,
        thresholds=haversine.thresholds(comparison),
        box_threshold=(chord * (1 + 2.0**-20) + 2.0**-40) ** 2,
    )
    return _plan(grid, min_samples)


def directed_steps(metric: str, axes: int) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return the steps to a cell itself, first, and to the upper half of its neighbours, with directions.

    Directions number the signs of a step as `half_neighbourhood(axes)` lists them, without the cell itself.

    >>> directed_steps("chebyshev", 1)
    (((0,), 0), ((1,), 0), ((2,), 0))
    """
    widest = _widest(metric, axes)
    reach = math.ceil(widest * (1 + 2.0**-9))
    directions = half_neighbourhood(axes)[1:]
    own = (0,) * axes
    steps = [(own, 0)]
    for step in itertools.product(range(-reach, reach + 1), repeat=axes):
        if step > own and _size(metric, [max(abs(k) - 1, 0) for k in step]) * (1 - 2.0**-8) <= widest:
            signs = tuple((k > 0) - (k < 0) for k in step)
            steps.append((step, directions.index(signs)))
    return tuple(steps)


def _widest(metric: str, axes: int) -> float:
    """Return the size of a difference of 1 on all axes."""
    return _size(metric, [1] * axes)


def _size(metric: str, differences: list[int]) -> float:
    if metric == "manhattan":
        return float(sum(differences))
    if metric == "chebyshev":
        return float(max(differences))
    return math.sqrt(sum(k * k for k in differences))


def _plan(grid: _Grid, min_samples: int) -> CandidatePlan:
    axes = len(grid.axis_columns)
    carried = tuple(dict.fromkeys(grid.columns + grid.axis_columns))
    signs = {-1: "-", 1: "+"}
    structure: dict[str, object] = {
        "metric": grid.metric,
        "box_metric": grid.box_metric,
        "cells": grid.cells,
        "columns": grid.columns,
        "carried": carried,
        "axis_columns": grid.axis_columns,
        "axes": axes,
        "dimensions": axes,
        "all_core": min_samples == 1,
        "directed_steps": directed_steps(grid.box_metric, axes),
        "directions": tuple(
            tuple((signs[k], name) for k, name in zip(direction, grid.axis_columns, strict=True) if k)
            for direction in half_neighbourhood(axes)[1:]
        ),
    }
    reduced = {"reduced_threshold": grid.thresholds["reduced_threshold"]}
    box = {"box_threshold": grid.box_threshold}
    samples = {"min_samples": min_samples}

    def statement(path: str, **values: Value) -> Statement:
        return bind(path, structure=structure, values=values)

    if min_samples == 1:
        cores = statement("candidates/dense_cells/every_point.sql")
    else:
        cores = statement("candidates/dense_cells/core_points.sql", **samples, **reduced)
    tables = _tables(axes, carried)
    steps = (
        ("placed", statement("candidates/dense_cells/placed.sql", side=grid.side, is_apart=grid.is_apart)),
        ("neighbours", statement("candidates/dense_cells/neighbours.sql")),
        ("core_points", cores),
        ("extremes", statement("candidates/dense_cells/extremes.sql")),
        ("touches", statement("candidates/dense_cells/touches.sql", **reduced)),
        ("corners", statement("candidates/dense_cells/corners.sql", **reduced, **box)),
        ("facing", statement("candidates/dense_cells/facing.sql", **box)),
    )
    return CandidatePlan(
        scratch=tuple(ScratchStep(tables[name], made) for name, made in steps),
        candidates=statement("candidates/dense_cells/candidates.sql", **grid.thresholds),
        comparisons=statement(
            "candidates/dense_cells/comparisons.sql", **samples, corner_tests=(2 * (3**axes // 2)) ** 2
        ),
        cores=statement("candidates/dense_cells/cores.sql"),
    )


def _tables(axes: int, carried: tuple[str, ...]) -> dict[str, TableContract]:
    """Return the scratch tables; sorting pays only for points that are joined."""
    order = {"placed": ("c0",)}
    measured = dict.fromkeys(carried, "double")
    witnesses = {**_bigints("cell_a", "cell_b", "point_a", "point_b"), "reduced": "double"}
    columns: dict[str, dict[str, str]] = {
        "placed": {
            **_bigints("point_id", "weight", "cell", "cell_weight", *(f"c{k}" for k in range(axes))),
            **measured,
        },
        "neighbours": _bigints("cell_a", "cell_b", "direction"),
        "core_points": {**_bigints("point_id", "cell"), **measured},
        "extremes": {**_bigints("cell", "direction"), "is_high": "boolean", "point_id": "bigint", **measured},
        "touches": {**witnesses, "is_near": "boolean"},
        "corners": witnesses,
        "facing": {**_bigints("cell_a", "cell_b"), "is_a": "boolean", "point_id": "bigint", **measured},
    }
    return {name: scratch_table(name, given, sort_by=order.get(name, ())) for name, given in columns.items()}


def _bigints(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "bigint")
