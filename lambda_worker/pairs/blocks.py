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
from lambda_worker.pairs.grid import search_grid
from lambda_worker.pairs.pairs import PairFiles
from lambda_worker.pairs.product import Product
from lambda_worker.pairs.tree import measure_tree
from lambda_worker.tables.points import Points, join_points, read_block, read_halo_block

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract import MeasureEvent
    from lambda_worker.pairs.product import PairFilter

_MOST_TREE_DIMENSIONS = 32  # with more dimensions, a box reaches nearly everything


def measure_blocks(event: MeasureEvent) -> MeasureReply:
    """Write the near pairs of an event; equal input gives equal bytes.

    One block and one of the others are in memory at a time, and a bounded number of pairs.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    blocks = list(read_halo_block(event.home, event.columns, event.halo_column))
    if event.within and not event.others and not compares_directions(event.metric):
        reply = _measure_on_grid(event, *blocks)
        if reply is not None:
            return reply
    # The products are small, so more threads do not pay off, and two invocations use two cores.
    with threadpool_limits(limits=1, user_api="blas"):
        if event.metric == "haversine":
            return _measure_places(event, *blocks)
        return _measure(event, blocks)


def _measure_on_grid(event: MeasureEvent, home: Points, halo: Points) -> MeasureReply | None:
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


def _measure(event: MeasureEvent, blocks: list[Points]) -> MeasureReply:
    """Measure home and halo; the list is emptied, so that they are freed once they are directions."""
    metric = build_metric(event.metric, event.threshold)
    prepare = _directions if metric.metric.of_directions else _as_they_are
    halo, home = prepare(blocks.pop()), prepare(blocks.pop())
    files = PairFiles(event.output, event.max_pairs)
    product = Product(metric, _choose_filter(event, home), files)
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


def _measure_places(event: MeasureEvent, home: Points, halo: Points) -> MeasureReply:
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


def _choose_filter(event: MeasureEvent, home: Points) -> PairFilter:
    if not compares_directions(event.metric):
        return distance_filter(event.metric, event.threshold, len(home.values))
    pairs = len(home) * event.point_count - len(home) ** 2 // 2
    return leading_filter(event.threshold, home.values, pairs) or CosineFilter(event.threshold)


def _check_count(event: MeasureEvent, points: int) -> None:
    if points != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {points}")


def _directions(points: Points) -> Points:
    return directions(points, fastest_layout())


def _as_they_are(points: Points) -> Points:
    return points
