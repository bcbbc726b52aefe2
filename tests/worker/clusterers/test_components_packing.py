"""Bins hold what is promised of them, and components that fit in none are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from component_days import AVERAGE, answer, read

from lambda_worker.clusterers.components.packing import pack_components
from lambda_worker.contract import CapacityError, PackReply
from lambda_worker.contract.component_costs import bin_memory_mb, component_memory_mb
from lambda_worker.handler import handler


def test_bins_hold_what_is_promised(new_table: Any) -> None:
    table = new_table(3000, reach=0.012)
    event = table.pack_event(memory_mb=50.2, budget_s=1.0, point_bytes=16.0)
    reply = answer(event, PackReply)
    packed = read(event.output)
    assert (packed["point_id"] == np.arange(3000)).all()
    assert (packed["component"] == table.component).all()
    assert len(reply.bins) > 3
    assert reply.components == table.component.max() + 1
    assert reply.largest_points == np.bincount(table.component).max()
    assert reply.bytes == len((table.folder / "bins.parquet").read_bytes())
    of_component = np.zeros(reply.components, np.int64)
    of_component[table.component] = packed["bin"]
    assert (of_component[table.component] == packed["bin"]).all()
    sizes = np.bincount(table.component)
    pairs = np.bincount(table.component[table.pairs[:, 0]], minlength=len(sizes))
    for number, content in enumerate(reply.bins):
        mine = np.flatnonzero(of_component == number)
        assert (content.points, content.pairs) == (sizes[mine].sum(), pairs[mine].sum())
        assert content.components == len(mine)
        work = max(
            component_memory_mb(AVERAGE, float(sizes[k]), 0.0, float(pairs[k])) if sizes[k] > 1 else 0.0
            for k in mine
        )
        expected = bin_memory_mb(float(content.points), float(content.pairs), 16.0, work)
        assert content.memory_mb == pytest.approx(expected, abs=0.06)
        assert content.memory_mb <= 50.2 + 0.05
        assert content.seconds <= 1.0


def test_bins_are_ranges_of_components_around_the_large_ones(new_table: Any) -> None:
    """A large component in the midst has a bin of its own and does not cut the others' one."""
    table = new_table(0)
    table.rows = np.zeros((1000, 2))
    table.weights = np.ones(1000, np.int64)
    table.component = np.repeat(np.arange(61), [10] * 30 + [400] + [10] * 30)
    table.pairs = np.empty((0, 2), np.int64)
    table.distance = np.empty(0)
    room = 2 * component_memory_mb(AVERAGE, 400.0, 0.0, 0.0)
    reply = answer(
        table.pack_event(memory_mb=bin_memory_mb(0.0, 0.0, 1.0, 0.0) + room, point_bytes=1.0), PackReply
    )
    packed = read(str(table.folder / "bins.parquet"))["bin"]
    assert packed.tolist() == [0] * 300 + [1] * 400 + [0] * 300
    assert [content.points for content in reply.bins] == [600, 400]


def test_a_component_that_takes_long_is_alone(new_table: Any) -> None:
    table = new_table(300, reach=0.05)
    whole = answer(table.pack_event(budget_s=100.0), PackReply)
    assert len(whole.bins) == 1
    cut = answer(table.pack_event(budget_s=whole.bins[0].seconds / 3), PackReply)
    assert len(cut.bins) >= 3


def test_what_does_not_fit_is_refused_with_the_memory_that_would_do(new_table: Any) -> None:
    table = new_table(300, reach=0.3)
    assert table.component.max() == 0
    with pytest.raises(CapacityError, match=r"component 0 has 300 points") as refused:
        pack_components(table.pack_event(memory_mb=50.1))
    needed = float(str(refused.value).split("would need ")[1].split(" MiB")[0])
    assert len(pack_components(table.pack_event(memory_mb=needed + 1)).bins) == 1
    refusal = PackReply.from_json(handler(table.pack_event(memory_mb=50.1).to_json(), None))
    assert (refusal.ok, refusal.error_type) == (False, "CapacityError")
