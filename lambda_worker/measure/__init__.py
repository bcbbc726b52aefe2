"""Measuring: from a block of points, or from pairs of blocks, to all near pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from lambda_worker.contract import InputError, MeasureReply
from lambda_worker.measure.distances import Cosine, build_metric, directions
from lambda_worker.measure.filters import CosineFilter, DistanceFilter, distance_filter
from lambda_worker.measure.grid import search_grid
from lambda_worker.measure.pairs import PairFiles
from lambda_worker.measure.points import read_block, read_halo_block
from lambda_worker.measure.product import Product
from lambda_worker.measure.tree import measure_tree

if TYPE_CHECKING:
    from lambda_worker.contract import MeasureEvent
    from lambda_worker.measure.distances import Metric
    from lambda_worker.measure.points import Points
    from lambda_worker.measure.product import Filter

_MOST_TREE_DIMENSIONS = 32  # with more, a box reaches nearly everything


def measure_blocks(event: MeasureEvent) -> MeasureReply:
    """Write the near pairs of an event; equal input gives equal bytes.

    One block and one of the others are in memory at a time, and a bounded number of pairs.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    home, halo = read_halo_block(event.home, event.columns, event.halo_column)
    if event.within and not event.others and event.metric != "cosine":
        reply = _measure_on_grid(event, home, halo)
        if reply is not None:
            return reply
    # The products are small: more threads cost more than they give, and two invocations use two cores.
    with threadpool_limits(limits=1, user_api="blas"):
        return _measure(event, home, halo)


def _measure_on_grid(event: MeasureEvent, home: Points, halo: Points) -> MeasureReply | None:
    search = search_grid(home, halo, event.metric, event.threshold)
    if search is None:
        return None
    _check_count(event, len(home) + len(halo))
    if search.tests > event.max_pairs:  # they are counted before one is written
        again = search_grid(home, halo, event.metric, event.threshold)
        PairFiles(None, event.max_pairs).write_listed(again.pairs() if again else iter(()))
    files = PairFiles(event.output, event.max_pairs)
    files.write_listed(search.pairs())
    return _reply(files, search.tested)


def _measure(event: MeasureEvent, home: Points, halo: Points) -> MeasureReply:
    prepare = directions if event.metric == "cosine" else _as_they_are
    home, halo = prepare(home), prepare(halo)
    files = PairFiles(event.output, event.max_pairs)
    search = _search_for(event, len(home.values), files)
    points = len(home) + len(halo)
    search.measure(home, halo, within=event.within)
    del halo
    for addresses in event.others:
        other = prepare(read_block(addresses, event.columns))
        points += len(other)
        search.measure(home, other, within=False)
    _check_count(event, points)
    files.close()
    return _reply(files, search.tested)


def _check_count(event: MeasureEvent, points: int) -> None:
    if points != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {points}")


def _reply(files: PairFiles, tested: int) -> MeasureReply:
    return MeasureReply(
        ok=True,
        files=tuple(files.files),
        pairs=files.pairs,
        bytes=sum(file.bytes for file in files.files),
        tested=tested,
    )


def _as_they_are(points: Points) -> Points:
    return points


class _Search:
    """Boxes first where they tell points apart, then products."""

    def __init__(self, metric: Metric, chooses: Filter, files: PairFiles) -> None:
        self._product = Product(metric, chooses, files)

    @property
    def tested(self) -> int:
        return self._product.tested

    def measure(self, home: Points, others: Points, *, within: bool) -> None:
        if len(others) and len(home) and len(home.values) != len(others.values):
            raise InputError(f"vectors of {len(home.values)} and of {len(others.values)} dimensions meet")
        chooses = self._product.chooses
        if isinstance(chooses, DistanceFilter) and len(home.values) <= _MOST_TREE_DIMENSIONS:
            measure_tree(self._product, chooses.radius, home, others, within=within)
            return
        if within:
            self._product.within(home)
        self._product.between(home, others)


def _search_for(event: MeasureEvent, dimensions: int, files: PairFiles) -> _Search:
    metric = build_metric(event.metric, event.threshold)
    if isinstance(metric, Cosine):
        return _Search(metric, CosineFilter(event.threshold), files)
    return _Search(metric, distance_filter(event.metric, event.threshold, dimensions), files)
