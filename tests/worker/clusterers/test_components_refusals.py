"""Files that are not those of a day in bins are refused, each with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from component_days import part_of

from lambda_worker.clusterers.components.bins import cluster_components
from lambda_worker.clusterers.components.numbering import number_clusters
from lambda_worker.clusterers.components.packing import pack_components
from lambda_worker.contract import ContractError, InputError


def test_every_point_must_be_labelled_once(new_table: Any) -> None:
    table = new_table(5)
    assert number_clusters(table.number_event(part_of(table))).clusters == 5
    with pytest.raises(InputError, match="promises 5 points, the files hold 10"):
        number_clusters(table.number_event(part_of(table) * 2))
    with pytest.raises(InputError, match="4 is missing, another comes twice"):
        number_clusters(table.number_event(part_of(table, point_id=np.array([0, 1, 2, 3, 3]))))
    with pytest.raises(InputError, match="hold 0"):
        number_clusters(table.number_event(()))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("point_id", [0, 1, 2, 3, 5]),
        ("point_id", [0, 1, 2, 3, -1]),
        ("component", [0, 1, 2, 3, 5]),
        ("component", [0, 1, 2, 3, -1]),
        ("cluster", [0, 0, 0, 0, 1]),
        ("cluster", [0, 0, 0, 0, -2]),
        ("cluster", [0, 0, 0, 0, -1]),
        ("role", [3, 3, 3, 3, 0]),
        ("role", [3, 3, 3, 3, 4]),
        ("role", [3, 3, 3, 3, -1]),
        ("probability", [1.0, 1.0, 1.0, 1.0, 1.5]),
        ("probability", [1.0, 1.0, 1.0, 1.0, float("nan")]),
        ("probability", [1, 1, 1, 1, 1]),
    ],
)
def test_parts_that_no_bin_wrote_are_refused(new_table: Any, column: str, values: list[Any]) -> None:
    table = new_table(5)
    with pytest.raises(InputError):
        number_clusters(table.number_event(part_of(table, **{column: np.array(values)})))


def test_a_bin_must_be_whole(new_table: Any) -> None:
    table = new_table(60)
    every = np.ones(60, np.bool_)
    event = table.bin_event(every, point_count=61)
    with pytest.raises(InputError, match="promises 61"):
        cluster_components(event)
    event = table.bin_event(every)
    with pytest.raises(InputError, match="twice"):
        cluster_components(table.bin_event(every, points=event.points * 2, point_count=120))
    with pytest.raises(InputError, match="a pair comes twice"):
        cluster_components(table.bin_event(every, candidates=event.candidates * 2))
    largest = table.component == np.argmax(np.bincount(table.component))
    with pytest.raises(InputError, match="not in the bin"):
        cluster_components(table.bin_event(~largest, 1, candidates=event.candidates))
    table.component = np.arange(60)
    with pytest.raises(InputError, match="two components"):
        cluster_components(table.bin_event(every, 2))
    with pytest.raises(InputError, match="two components"):
        pack_components(table.pack_event())
    table.weights = np.zeros(60, np.int64)
    with pytest.raises(InputError, match="weight below 1"):
        cluster_components(table.bin_event(every, 3))


def test_points_have_one_component_each(new_table: Any) -> None:
    table = new_table(30)
    for component, wrong in (
        (np.where(table.component == 0, -1, table.component), "not a table of components"),
        (np.where(table.component == 0, 30, table.component), "not a table of components"),
        (np.where(table.component == 1, 29, table.component), "without gaps"),
    ):
        labels = table.write("wrong", point_id=np.arange(30), cluster=component.astype(np.int64))
        with pytest.raises(InputError, match=wrong):
            pack_components(table.pack_event(labels=labels))
    right = table.pack_event()
    with pytest.raises(InputError, match="promises 30 points, the files hold 60"):
        pack_components(table.pack_event(labels=right.labels * 2))
    with pytest.raises(ContractError, match="linkage"):
        cluster_components(
            table.bin_event(np.ones(30, np.bool_), algorithm={"type": "agglomerative", "linkage": "x"})
        )
