"""Comparisons: the product and its peers in turn, their results checked, medians printed."""

from __future__ import annotations

import importlib.util
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.measure.readings import TIMEOUT_S, read
from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure.options import Options
    from benchmarks.measure.readings import Reading

OURS = "cluster-assets"


@dataclass(frozen=True)
class Side:
    """One of those that are compared.

    Attributes:
        name: Shown in the table.
        function: Takes a reading, see `read`.
        arguments: Of the function.
        needs: Module without which the side is left out.
        is_exact: Whether it must find what the product found.
        tolerance: Relative error allowed in numbers.
        is_peer: Whether it is another library, so that its results are an independent truth.
    """

    name: str
    function: str
    arguments: tuple[Any, ...] = ()
    needs: str = ""
    is_exact: bool = True
    tolerance: float = 0.0
    is_peer: bool = True

    @property
    def is_installed(self) -> bool:
        """Whether this environment has it."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


class ResultsDifferError(SystemExit):
    """A side found something else than the product, or nothing was compared."""


def compare(title: str, ours: Side, peers: Sequence[Side], options: Options) -> None:
    """Take readings of all sides in turn and print their medians; the ratios are medians of rounds.

    Raises:
        ResultsDifferError: A side found something else, or no exact peer is installed.
    """
    if not options.wants(title):
        return
    rounds = 1 if options.small else options.rounds
    present = [peer for peer in peers if peer.is_installed]
    taken: dict[str, list[Reading]] = {side.name: [] for side in (ours, *present)}
    slow: set[str] = set()
    for number in range(rounds):
        sides = [side for side in (ours, *present) if side.name not in slow]
        # Every round begins with another side.
        for side in (*sides[number % len(sides) :], *sides[: number % len(sides)]):
            reading = read(options, side.function, *side.arguments)
            if reading is None:
                slow.add(side.name)
            else:
                taken[side.name].append(reading)
    if ours.name in slow:
        print(f"\n{title}\n  {ours.name} took over {TIMEOUT_S} s", flush=True)
        return
    compared = [peer for peer in present if peer.name not in slow]
    _check(title, taken[ours.name], [(peer, taken[peer.name]) for peer in compared])
    how = "a small run" if options.small else f"median of {counted(rounds, 'round')}"
    print(f"\n{title}; {how}")
    _print_head()
    for side in (ours, *compared):
        _print_row(side.name, taken[side.name], taken[ours.name])
    for name in sorted(slow - {ours.name}):
        print(f"  {name:28} took over {TIMEOUT_S} s")
    if missing := [peer.name for peer in peers if not peer.is_installed]:
        print(f"  not installed: {', '.join(missing)}", flush=True)


def _check(title: str, ours: Sequence[Reading], peers: Sequence[tuple[Side, list[Reading]]]) -> None:
    """Compare what was found, in all rounds."""
    first = ours[0].found
    for reading in ours[1:]:
        if reading.found != first:
            raise ResultsDifferError(f"{title}: found {first}, then {reading.found}")
    exact = [(peer, readings) for peer, readings in peers if peer.is_exact]
    if not any(peer.is_peer for peer, _ in exact):
        raise ResultsDifferError(f"{title}: no exact peer is installed, so that nothing is checked")
    for peer, readings in exact:
        for reading in readings:
            if not is_same(first, reading.found, peer.tolerance):
                raise ResultsDifferError(f"{title}: ours found {first}, {peer.name} {reading.found}")


def is_same(first: dict[str, Any], second: dict[str, Any], tolerance: float = 0.0) -> bool:
    """Whether two sides found the same where they have the same names; they must share one."""
    names = first.keys() & second.keys()
    return bool(names) and all(
        first[name] == second[name]
        or (
            isinstance(first[name], float)
            and math.isclose(float(second[name]), first[name], rel_tol=tolerance)
        )
        for name in names
    )


def _print_head() -> None:
    print(
        f"  {'':28} {'processor s':>12} {'wall s':>9} {'largest MiB':>12} {'all MiB':>9}"
        f" {'processor / ours':>17} {'wall / ours':>12}"
    )


def _print_row(name: str, readings: Sequence[Reading], ours: Sequence[Reading]) -> None:
    cpu, wall = (statistics.median(getattr(one, what) for one in readings) for what in ("cpu_s", "wall_s"))
    cpu_ratio, wall_ratio = (
        statistics.median(
            getattr(one, what) / getattr(mine, what) for one, mine in zip(readings, ours, strict=False)
        )
        for what in ("cpu_s", "wall_s")
    )
    largest = max(one.largest_mib for one in readings)
    total = max(one.total_mib for one in readings)
    print(
        f"  {name:28} {cpu:12.3f} {wall:9.3f} {largest:12,.0f} {total:9,.0f}"
        f" {cpu_ratio:17.2f} {wall_ratio:12.2f}  {readings[0].note}",
        flush=True,
    )
