"""Behaviour of a campaign's addresses: what they probe, how often, from which port, on which sensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.sample.lots import Lots

PROTOCOLS = ("TCP", "UDP", "ICMP")
TCP, UDP, ICMP = range(3)
ICMP_TYPES = (8, 8, 8, 8, 8, 8, 8, 3, 0, 11)  # shares as on the honeypots: mostly echo requests
TARGET_BASE = 1 << 16

# Any campaign with three or more targets may probe these: one shared target of three joins nothing at 0.4.
_COMMON = tuple(TCP * TARGET_BASE + port for port in (22, 23, 80, 445))
_TCP_SERVICES = (
    *(21, 25, 110, 135, 139, 443, 1080, 1433, 1521, 1723, 2222, 2323, 3000, 3128, 3306, 3389, 4899),
    *(5000, 5432, 5555, 5631, 5900, 6379, 6666, 7547, 8000, 8080, 8090, 8443, 8888, 9200),
)
_UDP_SERVICES = (19, 53, 69, 111, 123, 137, 161, 500, 1434, 1900, 5060, 5353)
_SERVICES = tuple(
    [TCP * TARGET_BASE + port for port in _TCP_SERVICES]
    + [UDP * TARGET_BASE + port for port in _UDP_SERVICES]
)
_HIGH_PORT = 10_000  # services are below this port
_HIGH_PORTS = 55_000
_STRIDE = 40_009  # coprime to 2 * _HIGH_PORTS, so that a walk visits no target twice

_SIGNATURE = 3  # targets that no other active campaign has
_PROFILE_SIZES = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4)
_SENSOR_LEVELS = (2, 3, 4)
_SOURCE_PORT_LEVELS = 11
_SOURCE_PORT_STEP = 5_900
_SOURCE_PORT_SPANS = (1, 60, 120)  # a fixed source port, as many tools use, or a narrow range


@dataclass(frozen=True, slots=True)
class Profile:
    """The behaviour of one campaign.

    Attributes:
        targets: Targets it probes, each `protocol * TARGET_BASE + port`.
        rows: Rows of a member per day, before extras.
        sensors: Distinct sensors that a member reaches.
        source_port: Lowest source port.
        source_port_span: Number of source ports from there.
    """

    targets: tuple[int, ...]
    rows: int
    sensors: int
    source_port: int
    source_port_span: int

    @property
    def behaviour(self) -> str:
        """The traits that distinguish its members' aggregates from those of most other campaigns."""
        return f"source port {self.source_port}, {self.sensors} sensors"


class Profiles:
    """Profiles of a world: no two campaigns have the same targets at the same time.

    Args:
        lots: The random draws of the world.
        slots: Number of slots with stories (see campaigns.py).
        rows_per_entity: Approximate mean of rows per address.
    """

    def __init__(self, lots: Lots, slots: int, rows_per_entity: float) -> None:
        self._lots = lots
        self._slots = slots
        self._rows = rows_per_entity

    def of(self, slot: int, cycle: int, letter: int) -> Profile:
        """Return the profile of campaign `letter` (0 or 1) in the story of `slot` in `cycle`."""
        draw = (slot, cycle, letter)
        sizes = [size for size in _PROFILE_SIZES if size <= math.ceil(self._rows)]
        size = sizes[self._lots.one_below(len(sizes), "profile size", *draw)]
        # Consecutive stories of a slot differ too: odd and even cycles have their own blocks.
        block = ((cycle % 2) * 2 + letter) * self._slots + slot
        signature = [self._signature_target(block + part * 4 * self._slots) for part in range(_SIGNATURE)]
        if size > 2:
            common = _COMMON[self._lots.one_below(len(_COMMON), "common target", *draw)]
            targets = (*signature[: size - 1], common)
        else:
            targets = tuple(signature[:size])
        # A cell of the grid source port x sensors; the first 33 (11 and 3 are coprime) are distinct.
        level = letter * self._slots + slot
        sensors = min(_SENSOR_LEVELS[level % len(_SENSOR_LEVELS)], max(1, round(self._rows)))
        tempo = self._rows * (0.5 + 0.5 * float(self._lots.unit("tempo", *draw)[0]))
        return Profile(
            targets=targets,
            rows=max(size, sensors, round(tempo)),
            sensors=sensors,
            source_port=_SOURCE_PORT_STEP * (1 + level % _SOURCE_PORT_LEVELS),
            source_port_span=_SOURCE_PORT_SPANS[self._lots.one_below(3, "source port span", *draw)],
        )

    @cached_property
    def _services(self) -> NDArray[np.int64]:
        """Return the known services in the order in which this world assigns them."""
        known = np.array(_SERVICES, dtype=np.int64)
        order: NDArray[np.int64] = np.argsort(self._lots.bits("service order", known), kind="stable")
        return known[order]

    def _signature_target(self, number: int) -> int:
        """Return a distinct target for each number: services first, then a walk over the high ports."""
        if number < len(_SERVICES):
            return int(self._services[number])
        start = self._lots.one_below(2 * _HIGH_PORTS, "high port start")
        protocol, port = divmod((start + number * _STRIDE) % (2 * _HIGH_PORTS), _HIGH_PORTS)
        return protocol * TARGET_BASE + _HIGH_PORT + port
