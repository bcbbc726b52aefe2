"""Growth: the same work at several sizes, and the exponent of its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure.comparing import ResultsDifferError
from benchmarks.measure.readings import TIMEOUT_S, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure.options import Options
    from benchmarks.measure.readings import Reading


@dataclass(frozen=True)
class Growth:
    """Work whose time is measured at several sizes.

    Attributes:
        title: Shown in the table.
        function: Takes a reading, see `read`.
        prepare: Makes the input of a size, and returns the arguments; its memory does not count.
        most: The largest exponent that is expected.
        unit: What the size counts.
    """

    title: str
    function: str
    prepare: Callable[[int], tuple[object, ...]]
    most: float
    unit: str = "points"


def grow(
    growth: Growth,
    sizes: Sequence[int],
    options: Options,
    check: Callable[[int, Reading], str] | None = None,
) -> None:
    """Print seconds and memory at each size, and the exponents of processor time.

    The exponent is the slope of a line through all sizes, on logarithmic axes; the second one is that of the
    last step alone, in which fixed costs count least.

    Args:
        growth: The work.
        sizes: Ascending.
        options: Of the run.
        check: Returns what is wrong with a reading, or nothing.

    Raises:
        ResultsDifferError: The check of a reading failed.
    """
    if not options.wants(growth.title):
        return
    print(f"\n{growth.title}")
    found: list[tuple[int, Reading]] = []
    for size in sizes:
        reading = read(options, growth.function, *growth.prepare(size))
        if reading is None:
            print(f"  {size:12,} {growth.unit}: over {TIMEOUT_S} s", flush=True)
            break
        if check is not None and (fault := check(size, reading)):
            raise ResultsDifferError(f"{growth.title}, {size:,} {growth.unit}: {fault}")
        found.append((size, reading))
        print(
            f"  {size:12,} {growth.unit}: {reading.cpu_s:9.3f} s of processor {reading.wall_s:9.3f} s,"
            f" {reading.largest_mib:6,.0f} MiB, all {reading.total_mib:6,.0f} MiB  {reading.note}",
            flush=True,
        )
    if len(found) > 1:
        whole, last = exponent(found), exponent(found[-2:])
        judged = judge(max(whole, last), growth.most, options)
        print(f"  exponent {whole:.2f}, of the last step {last:.2f}: {judged}", flush=True)


def judge(exponent: float, most: float, options: Options) -> str:
    """Say whether an exponent is within its limit; those of a small run say nothing."""
    if options.small:
        return "not judged"
    return f"{'within' if exponent <= most else 'ABOVE'} {most:g}"


def exponent(found: Sequence[tuple[int, Reading]]) -> float:
    """Return the slope of processor time over size, both logarithmic."""
    return slope([size for size, _ in found], [reading.cpu_s for _, reading in found])


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the slope of the line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
