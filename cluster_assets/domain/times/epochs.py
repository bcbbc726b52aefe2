"""Numbers that count from 1970: which of them belong to another unit than the declared one."""

from __future__ import annotations

from cluster_assets.domain.times.formats import EPOCHS

_LEAST = 10**8
"""Smaller numbers are accepted in every unit: 0 and -1 often mean that a time is missing."""
_FIRST_SECONDS, _LAST_SECONDS = 10**7, 10**11  # 26 April 1970 and the year 5138


def other_units(ticks: int) -> tuple[tuple[int, int | None], ...]:
    """Return the ranges `first <= number < end` of numbers that count in another unit.

    The units are a factor of 1000 apart. So a time from 1973 to 2286 in a coarser unit is one of the first
    months of 1970 in this unit, and in a finer unit one after 5138.

    Args:
        ticks: Ticks per second of the declared unit, one of the values of `EPOCHS`.

    Returns:
        One or two ranges; an end of None is open.

    >>> other_units(1), other_units(1000)
    (((100000000000, None),), ((100000000, 10000000000), (100000000000000, None)))
    """
    ranges: list[tuple[int, int | None]] = []
    if ticks > min(EPOCHS.values()):
        ranges.append((_LEAST, _FIRST_SECONDS * ticks))
    if ticks < max(EPOCHS.values()):
        ranges.append((_LAST_SECONDS * ticks, None))
    return tuple(ranges)
