"""Bins, plots and parameters that OPTICS cannot take are refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from day_splits import Split
from msgspec.structs import replace
from optics_days import Day, extraction, order_day

from lambda_worker.clusterers.components.optics_bins import order_bin
from lambda_worker.clusterers.components.optics_clusters import extract_clusters
from lambda_worker.contract import VERSION, ContractError, InputError
from lambda_worker.contract.components import ExtractEvent, OrderEvent
from lambda_worker.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_handler_answers_both_events(new_day: Callable[[], Any], read_labels: Any) -> None:
    folder = new_day()
    folder.add_points([7, 3, 5], [1, 4, 1])
    folder.add_pairs([(3, 5)], [0.5])
    plot, labels = str(folder.folder / "plot.parquet"), str(folder.output)
    body = {
        "version": VERSION,
        "operation": "order",
        "points": folder.points,
        "candidates": folder.candidates,
    }
    reply = handler({**body, "point_count": 3, "min_samples": 4, "output": plot}, None)
    assert (reply["ok"], reply["rows"], reply["core_points"], reply["runs"]) == (True, 4, 2, 2)
    body = {"version": VERSION, "operation": "extract", "plots": [plot], "threshold": 1.0, "min_samples": 4}
    reply = handler({**body, "point_count": 3, "output": labels}, None)
    assert not reply["ok"]
    assert "point 7" in reply["error"] or "not one of 3 points" in reply["error"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_samples": 1}, "min_samples"),
        ({"xi": 1.0}, "xi"),
        ({"eps": 3.0}, "eps"),
        ({"cluster_method": "leaf"}, "cluster_method"),
        ({"min_cluster_size": 1}, "min_cluster_size"),
        ({"predecessor_correction": 1}, "predecessor_correction"),
        ({"threshold": 0}, "threshold"),
    ],
)
def test_bad_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    body = {"version": VERSION, "plots": [], "point_count": 0, "threshold": 2.0, "min_samples": 5}
    with pytest.raises(ContractError, match=message):
        ExtractEvent.from_json({**body, "output": "/tmp/x", **change})  # noqa: S108


def test_plots_that_are_not_of_the_day_are_refused(new_day: Callable[[], Any]) -> None:
    folder = new_day().folder
    day = Day(np.array([[0.0], [1.0], [9.0]]), np.array([2, 1, 1]), 1.5, 2)
    plots = order_day(day, folder, Split(2, seed=1))
    event = extraction(day, plots, folder)
    with pytest.raises(InputError, match="do not hold point"):
        extract_clusters(replace(event, plots=()))
    with pytest.raises(InputError, match="an event twice"):
        extract_clusters(replace(event, plots=event.plots * 2))
    with pytest.raises(InputError, match="not one of"):
        extract_clusters(replace(event, point_count=event.point_count - 1))


@pytest.mark.parametrize(
    ("points", "pairs", "message"),
    [
        ([(0, 1), (0, 1)], [], "comes twice"),
        ([(0, 1), (1, 0)], [], "weight below 1"),
        ([(0, 1), (1, 1)], [(0, 2)], "not in the bin"),
        ([(0, 1), (1, 1)], [(1, 0)], "not a < b"),
    ],
)
def test_bad_bins_are_refused(
    new_day: Callable[[], Any], points: list[tuple[int, int]], pairs: list[tuple[int, int]], message: str
) -> None:
    folder = new_day()
    folder.add_points(*zip(*points, strict=True))
    if pairs:
        folder.add_pairs(pairs)
    event = OrderEvent(
        points=tuple(folder.points),
        candidates=tuple(folder.candidates),
        point_count=len(points),
        min_samples=2,
        output=str(folder.output),
    )
    with pytest.raises(InputError, match=message):
        order_bin(event)
    with pytest.raises(InputError, match="promises"):
        order_bin(replace(event, point_count=9))
