"""Behaviour of each address on a day: number of rows, sensors and targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.sample.addresses import NOISE
from cluster_assets.sample.profiles import ICMP, ICMP_TYPES, TARGET_BASE, TCP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.sample.addresses import Addresses
    from cluster_assets.sample.campaigns import Wing
    from cluster_assets.sample.lots import Lots

    Ints = NDArray[np.int64]

MAX_PROFILE = 4
_DROP_SHARE = 0.06  # of the members skip one of three or more targets
_EXTRA_SHARE = 0.06  # of the members with two or more targets probe one more
_SWEEP_SHARE = 0.015  # of the noise, if there is enough noise
_LEAST_FOR_SWEEPS = 10
_ROAMER_SHARE = 0.1  # of the noise


@dataclass(frozen=True, slots=True)
class Habits:
    """The behaviour of each address on the day; all arrays are (entities,) except `targets`.

    Attributes:
        rows: Rows of the address.
        sensors: Distinct sensors among them.
        source_port: Lowest source port.
        source_port_span: Number of source ports.
        shown: Number of distinct targets, at most `rows`.
        targets: (entities, MAX_PROFILE + 1), of which the first `shown` count; unused for noise.
    """

    rows: Ints
    sensors: Ints
    source_port: Ints
    source_port_span: Ints
    shown: Ints
    targets: Ints


def habits_on(day: int, lots: Lots, wings: list[Wing], addresses: Addresses, mean_rows: float) -> Habits:
    """Return the habits of all addresses; `mean_rows` is the approximate number of rows per address."""
    members = int(np.count_nonzero(addresses.wing != NOISE))
    parts = (
        _member_habits(day, lots, wings, addresses.number[:members], addresses.wing[:members]),
        _noise_habits(day, lots, addresses.number[members:], mean_rows),
    )
    return Habits(
        rows=np.concatenate([part.rows for part in parts]),
        sensors=np.concatenate([part.sensors for part in parts]),
        source_port=np.concatenate([part.source_port for part in parts]),
        source_port_span=np.concatenate([part.source_port_span for part in parts]),
        shown=np.concatenate([part.shown for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
    )


def _member_habits(day: int, lots: Lots, wings: list[Wing], number: Ints, wing: Ints) -> Habits:
    """Return the profile of each member's campaign, sometimes with a target dropped or added."""
    profiles = [one.profile for one in wings]
    table = np.zeros((len(wings), MAX_PROFILE + 1), dtype=np.int64)
    for index, profile in enumerate(profiles):
        table[index, : len(profile.targets)] = profile.targets
    facts = np.array(
        [(len(p.targets), p.rows, p.sensors, p.source_port, p.source_port_span) for p in profiles],
        dtype=np.int64,
    ).reshape(-1, 5)
    shown, rows, sensors, source_port, span = facts[wing].T
    targets = table[wing]
    fate = lots.unit("fate", number, day)
    # Never both: a dropped and an added target give a distance of 0.4 or more from the profile.
    drop = (fate < _DROP_SHARE) & (shown >= 3)
    extra = (fate > 1 - _EXTRA_SHARE) & (shown >= 2)
    dropped = lots.below(shown, "dropped target", number, day)
    last = targets[np.arange(len(number)), shown - 1]
    targets[drop, dropped[drop]] = last[drop]
    targets[extra, shown[extra]] = random_targets(lots, number[extra], day, 0)
    # Large counts vary by a tenth; small counts are typical of the tool and do not vary.
    rows = np.rint(rows * (0.9 + 0.2 * lots.unit("busy", number, day))).astype(np.int64)
    shown = shown - drop + extra
    return Habits(np.maximum(rows, shown), sensors, source_port, span, shown, targets)


def _noise_habits(day: int, lots: Lots, number: Ints, mean_rows: float) -> Habits:
    """Return scanners of random targets: visitors of one sensor, roamers over most, a few port sweeps.

    None of them reaches two to four sensors as campaigns do, because visitors cover the source ports so
    densely that they would join neighbouring campaigns.
    """
    count = len(number)
    chance = np.maximum(lots.unit("noise rows", number, day), 1e-6)
    # By rank, not at random, because the number of sweeps determines the spread that scales the features.
    rank = np.argsort(np.argsort(lots.bits("noise kind", number, day), kind="stable"), kind="stable")
    sweeps = rank < (math.ceil(_SWEEP_SHARE * count) if count >= _LEAST_FOR_SWEEPS else 0)
    roams = ~sweeps & (rank < (_SWEEP_SHARE + _ROAMER_SHARE) * count)
    reach = np.minimum(5 + lots.below(5, "noise sensors", number, day), max(1, round(2 * mean_rows)))
    few = 0.3 * mean_rows / chance**0.35
    many = (35 + 20 * chance) * mean_rows
    rows = np.maximum(1, np.rint(np.where(sweeps, many, few))).astype(np.int64)
    rows = np.where(roams, np.maximum(rows, reach), rows)
    least = np.where(sweeps, rows // 2, 1)
    return Habits(
        rows=rows,
        sensors=np.where(sweeps | roams, reach, 1),
        source_port=1024 + lots.below(64_000, "noise source port", number, day),
        source_port_span=np.full(count, 120, dtype=np.int64),
        shown=least + lots.below(rows - least + 1, "noise targets", number, day),
        targets=np.zeros((count, MAX_PROFILE + 1), dtype=np.int64),
    )


def random_targets(lots: Lots, number: Ints, day: int, which: Ints | int) -> Ints:
    """Return TCP or UDP with a random port for each address; rows after its first may also be ICMP."""
    chance = lots.unit("random protocol", number, day, which)
    protocol = np.digitize(chance, (0.68, 0.88))
    port = 1 + lots.below(TARGET_BASE - 1, "random port", number, day, which)
    types = np.array(ICMP_TYPES, dtype=np.int64)[port % len(ICMP_TYPES)]
    # Only dirt creates addresses without ports (see dirt.py).
    protocol = np.where((protocol == ICMP) & (np.asarray(which) == 0), TCP, protocol)
    target: Ints = protocol * TARGET_BASE + np.where(protocol == ICMP, types, port)
    return target
