"""The rows that the sensors record on one day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.sample.addresses import NOISE
from cluster_assets.sample.habits import MAX_PROFILE, habits_on, random_targets

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from cluster_assets.sample.addresses import Addresses
    from cluster_assets.sample.campaigns import Wing
    from cluster_assets.sample.config import SampleConfig
    from cluster_assets.sample.habits import Habits
    from cluster_assets.sample.lots import Lots

    Ints = NDArray[np.int64]

SENSORS = (
    *("sensor-frankfurt", "sensor-ireland", "sensor-mumbai", "sensor-ohio", "sensor-oregon"),
    *("sensor-sao-paulo", "sensor-singapore", "sensor-sydney", "sensor-tokyo"),
)
MINUTES_A_DAY = 1440
_BURST_MINUTES = 90
_BLOCK = 1 << 16  # addresses


@dataclass(frozen=True, slots=True)
class Rows:
    """Connection attempts, all arrays (rows,) in the order of `minute`.

    Attributes:
        minute: Minute of the day.
        entity: Index into the day's addresses.
        sensor: Index into SENSORS.
        target: `protocol * TARGET_BASE + port`, for ICMP the type in place of the port.
        source_port: 0..65535, meaningless for ICMP.
    """

    minute: Ints
    entity: Ints
    sensor: Ints
    target: Ints
    source_port: Ints

    def take(self, index: Ints) -> Rows:
        """Return the rows at these indices, which may repeat."""
        return Rows(
            self.minute[index],
            self.entity[index],
            self.sensor[index],
            self.target[index],
            self.source_port[index],
        )


def rows_on(date: dt.date, lots: Lots, wings: list[Wing], addresses: Addresses, config: SampleConfig) -> Rows:
    """Return all rows of a day in time order."""
    habits = habits_on(date.toordinal(), lots, wings, addresses, config.rows_per_entity)
    # In blocks, because a row takes many times the memory of its result while it is being drawn.
    blocks = [
        _rows_of(date.toordinal(), lots, addresses, habits, slice(start, start + _BLOCK))
        for start in range(0, len(habits.rows), _BLOCK)
    ]
    rows = Rows(*(np.concatenate(columns) for columns in zip(*map(_columns, blocks), strict=True)))
    del blocks, habits
    return rows.take(np.argsort(rows.minute, kind="stable"))


def _rows_of(day: int, lots: Lots, addresses: Addresses, habits: Habits, block: slice) -> Rows:
    """Return the rows of a block of addresses, address by address, in small integers."""
    counts = habits.rows[block]
    entity = np.repeat(np.arange(len(habits.rows))[block], counts)
    turn = np.arange(len(entity)) - np.repeat(np.cumsum(counts) - counts, counts)
    number = addresses.number[entity]
    start = np.repeat(lots.below(MINUTES_A_DAY, "burst", addresses.number[block], day), counts)
    first_sensor = np.repeat(lots.below(len(SENSORS), "sensor", addresses.number[block], day), counts)
    minute = (start + lots.below(_BURST_MINUTES, "minute", number, day, turn)) % MINUTES_A_DAY
    span = habits.source_port_span[entity]
    source_port = habits.source_port[entity] + lots.below(span, "source port", number, day, turn)
    return Rows(
        minute=minute.astype(np.int16),
        entity=entity.astype(np.int32),
        sensor=((first_sensor + turn % habits.sensors[entity]) % len(SENSORS)).astype(np.int8),
        target=_targets(day, lots, addresses, habits, entity, turn).astype(np.int32),
        source_port=source_port.astype(np.int32),
    )


def _columns(rows: Rows) -> tuple[Ints, ...]:
    return rows.minute, rows.entity, rows.sensor, rows.target, rows.source_port


def _targets(day: int, lots: Lots, addresses: Addresses, habits: Habits, entity: Ints, turn: Ints) -> Ints:
    """Return the target of each row; each address cycles through its targets, so that all of them appear."""
    which = turn % habits.shown[entity]
    noise = addresses.wing[entity] == NOISE
    target: Ints = habits.targets[entity, np.minimum(which, MAX_PROFILE)]
    target[noise] = random_targets(lots, addresses.number[entity[noise]], day, which[noise])
    return target
