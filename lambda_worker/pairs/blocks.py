"""Finds all near pairs of a block of points or of pairs of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.contract import InputError, MeasureReply
from lambda_worker.metrics.filters import CosineFilter, DistanceFilter, distance_filter
from lambda_worker.metrics.globe import Globe, Places
from lambda_worker.metrics.leading import leading_filter
from lambda_worker.metrics.listed import build_metric, compares_directions, directions, fastest_layout
from lambda_worker.pairs.grid import MOST_DIMENSIONS, search_grid
from lambda_worker.pairs.known import KnownPairs
from lambda_worker.pairs.pairs import PairFiles
from lambda_worker.pairs.product import Product
from lambda_worker.pairs.tree import measure_tree
from lambda_worker.tables.points import Points, join_points, read_block, read_halo_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract import MeasureEvent
    from lambda_worker.contract.candidates import BlockEvent, MeasureNewEvent
    from lambda_worker.metrics.listed import Nearness
    from lambda_worker.pairs.product import PairFilter

_MOST_TREE_DIMENSIONS = 32  # with more dimensions, a box reaches nearly everything


def measure_blocks(event: MeasureEvent) -> MeasureReply:
    """Write the near pairs of an event; equal input gives equal bytes.

    One block and one of the others are in memory at a time, and a bounded number of pairs.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    return _compare_all(event)


def _compare_all(event: BlockEvent) -> MeasureReply:
    blocks = list(read_halo_block(event.home, event.columns, event.halo_column))
    if _suits_grid(event):
        reply = _measure_on_grid(event, *blocks)
        if reply is not None:
            return reply
    # The products are small, so more threads do not pay off, and two invocations use two cores.
    with threadpool_limits(limits=1, user_api="blas"):
        if event.metric == "haversine":
            return _measure_places(event, *blocks)
        return _measure(event, blocks)


def _suits_grid(event: BlockEvent) -> bool:
    return event.within and not event.others and not compares_directions(event.metric)


def _measure_on_grid(event: BlockEvent, home: Points, halo: Points) -> MeasureReply | None:
    search = search_grid(home, halo, event.metric, event.threshold)
    if search is None:
        return None
    _check_count(event, len(home) + len(halo))
    if search.tests > event.max_pairs:  # pairs are counted before any is written
        again = search_grid(home, halo, event.metric, event.threshold)
        PairFiles(None, event.max_pairs).write_listed(again.pairs() if again else iter(()))
    files = PairFiles(event.output, event.max_pairs)
    files.write_listed(search.pairs())
    return MeasureReply(ok=True, tested=search.tested, **files.fields())


def _measure(event: BlockEvent, blocks: list[Points]) -> MeasureReply:
    """Measure home and halo; the list is emptied, so that they are freed once they are directions."""
    metric = build_metric(event.metric, event.threshold)
    prepare = _preparation(metric)
    halo, home = prepare(blocks.pop()), prepare(blocks.pop())
    files = PairFiles(event.output, event.max_pairs)
    pairs = len(home) * event.point_count - len(home) ** 2 // 2
    product = Product(metric, _choose_filter(event, home, pairs), files)
    points = len(home) + len(halo)
    _search(product, home, halo, within=event.within)
    del halo

    def search_other(addresses: tuple[str, ...]) -> int:
        other = prepare(read_block(addresses, event.columns))
        _search(product, home, other, within=False)
        return len(other)

    points += sum(map(search_other, event.others))
    _check_count(event, points)
    files.close()
    return MeasureReply(ok=True, tested=product.tested, **files.fields())


def measure_new(event: MeasureNewEvent) -> MeasureReply:
    """Write the near pairs of an event whose pairs of two kept points are known, as `measure_blocks` would.

    Raises:
        ContractError: As in `measure_blocks`, or a known pair is not of the home block.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        reply = _measure_new(event)
    return _compare_all(event) if reply is None else reply


def _measure_new(event: MeasureNewEvent) -> MeasureReply | None:
    """Return None if the order in which pairs are found decides on the files: of a grid, or several files."""
    metric = build_metric(event.metric, event.threshold)
    prepare = _preparation(metric)

    def read(addresses: tuple[str, ...]) -> tuple[Points, Points]:
        new, kept = read_halo_block(addresses, event.columns, event.kept_column)
        return prepare(new), prepare(kept)

    new, kept = read(event.home)
    if _suits_grid(event) and len(new.values) <= MOST_DIMENSIONS:
        return None
    known = KnownPairs.read(event.known, kept.ids)
    files = PairFiles(event.output, event.max_pairs)
    chooses = _choose_filter(event, max(new, kept, key=len), len(new) * event.point_count)
    product = Product(metric, chooses, files)
    points = len(new) + len(kept)
    if event.within:
        _search(product, new, kept, within=True)
        known.add_to(files, kept.ids)
    for addresses in event.others:
        others, kept_others = read(addresses)
        for one, other in ((new, others), (new, kept_others), (kept, others)):
            _search(product, one, other, within=False)
        known.add_to(files, kept_others.ids)
        points += len(others) + len(kept_others)
    _check_count(event, points)
    files.close()
    if len(files.files) > 1:
        return None
    return MeasureReply(ok=True, tested=product.tested, **files.fields())


def _measure_places(event: BlockEvent, home: Points, halo: Points) -> MeasureReply:
    """Without the kernel: boxes and products find short chords, then great circles decide."""
    places = join_points(home, halo)
    _check_count(event, len(places))
    files = PairFiles(event.output, event.max_pairs)
    taker = _GreatCircles(Globe(Places.of(places.values), event.threshold), places.ids, files)
    chord = taker.globe.longest_chord
    product = Product(build_metric("euclidean", chord), distance_filter("euclidean", chord, 3), taker)
    points = Points(np.arange(len(places)), taker.globe.places.units)
    at_home = points.take(slice(0, len(home)))
    _search(product, at_home, points.take(slice(len(home), None)), within=True)
    files.close()
    return MeasureReply(ok=True, tested=product.tested, **files.fields())


@dataclass(frozen=True, slots=True)
class _GreatCircles:
    """Passes on the pairs of places that are near along a great circle."""

    globe: Globe
    ids: Ints
    files: PairFiles

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        first, second, metres = self.globe.settle(one, other, distance)
        self.files.add(self.ids.take(first), self.ids.take(second), metres)


def _search(product: Product, home: Points, others: Points, *, within: bool) -> None:
    """Boxes first, if they separate the points, then matrix products."""
    if len(others) and len(home) and len(home.values) != len(others.values):
        raise InputError(f"vectors of {len(home.values)} and of {len(others.values)} dimensions meet")
    chooses = product.chooses
    if isinstance(chooses, DistanceFilter) and len(home.values) <= _MOST_TREE_DIMENSIONS:
        measure_tree(product, chooses.radius, home, others, within=within)
        return
    if within:
        product.within(home)
    product.between(home, others)


def _choose_filter(event: BlockEvent, home: Points, pairs: int) -> PairFilter:
    if not compares_directions(event.metric):
        return distance_filter(event.metric, event.threshold, len(home.values))
    return leading_filter(event.threshold, home.values, pairs) or CosineFilter(event.threshold)


def _check_count(event: BlockEvent, points: int) -> None:
    if points != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {points}")


def _preparation(metric: Nearness) -> Callable[[Points], Points]:
    return _directions if metric.metric.of_directions else _as_they_are


def _directions(points: Points) -> Points:
    return directions(points, fastest_layout())


def _as_they_are(points: Points) -> Points:
    return points
