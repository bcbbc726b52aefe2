"""The rows that the sensors write about one day."""

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


@dataclass(frozen=True, slots=True)
class Rows:
    """Connection attempts, all arrays (rows,) in the order of `minute`.

    Attributes:
        minute: Minute of the day.
        entity: Index into the day's addresses.
        sensor: Index into SENSORS.
        target: `protocol * TARGET_BASE + port`, for ICMP the type in place of the port.
        source_port: 0..65535, of no meaning for ICMP.
    """

    minute: Ints
    entity: Ints
    sensor: Ints
    target: Ints
    source_port: Ints

    def take(self, index: Ints) -> Rows:
        """The rows at these indices, which may repeat."""
        return Rows(
            self.minute[index],
            self.entity[index],
            self.sensor[index],
            self.target[index],
            self.source_port[index],
        )


def rows_on(date: dt.date, lots: Lots, wings: list[Wing], addresses: Addresses, config: SampleConfig) -> Rows:
    """All rows of a day in the order of time."""
    day = date.toordinal()
    habits = habits_on(day, lots, wings, addresses, config.rows_per_entity)
    entity = np.repeat(np.arange(len(habits.rows)), habits.rows)
    turn = np.arange(len(entity)) - np.repeat(np.cumsum(habits.rows) - habits.rows, habits.rows)
    number = addresses.number[entity]
    start = lots.below(MINUTES_A_DAY, "burst", addresses.number, day)
    minute = (start[entity] + lots.below(_BURST_MINUTES, "minute", number, day, turn)) % MINUTES_A_DAY
    first_sensor = lots.below(len(SENSORS), "sensor", addresses.number, day)
    span = habits.source_port_span[entity]
    rows = Rows(
        minute=minute,
        entity=entity,
        sensor=(first_sensor[entity] + turn % habits.sensors[entity]) % len(SENSORS),
        target=_targets(day, lots, addresses, habits, entity, turn),
        source_port=habits.source_port[entity] + lots.below(span, "source port", number, day, turn),
    )
    return rows.take(np.argsort(minute.astype(np.int16), kind="stable"))


def _targets(day: int, lots: Lots, addresses: Addresses, habits: Habits, entity: Ints, turn: Ints) -> Ints:
    """Each row's target: the shown ones in turn, so that all of them appear."""
    which = turn % habits.shown[entity]
    noise = addresses.wing[entity] == NOISE
    target: Ints = habits.targets[entity, np.minimum(which, MAX_PROFILE)]
    target[noise] = random_targets(lots, addresses.number[entity[noise]], day, which[noise])
    return target
