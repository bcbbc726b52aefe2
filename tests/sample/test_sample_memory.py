"""Memory of drawing a day's rows: a small multiple of the rows themselves."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from cluster_assets.domain.days import parse_day
from cluster_assets.sample import SampleConfig
from cluster_assets.sample.addresses import addresses_on
from cluster_assets.sample.campaigns import World
from cluster_assets.sample.traffic import rows_on

if TYPE_CHECKING:
    from pathlib import Path

DAY = parse_day("2013-03-04")
MOST_BYTES = 80  # a row has 15


def test_drawing_rows_takes_a_bounded_number_of_bytes_for_each(tmp_path: Path) -> None:
    config = SampleConfig(tmp_path, DAY, days=1, entities=300_000)
    world = World(config)
    wings = world.wings_on(DAY.date)
    addresses = addresses_on(DAY.date, world, wings, config.entities)
    tracemalloc.start()
    try:
        rows = rows_on(DAY.date, world.lots, wings, addresses, config)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES * len(rows.minute)
