"""Packs the components of a day into bins, each for one invocation, in the order of their numbers.

Components are numbered by their smallest point, and points mostly by place or content, so a bin of neighbours
reads few blocks of the tables. An invocation loads all points and pairs of its bin, and works on one
component at a time. A component that takes more than half of the memory or time has a bin of its own. The
others share bins whose data stays below half of the memory, so that the work on any component fits beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import Bin, CapacityError, InputError, PackReply
from lambda_worker.contract.component_costs import bin_memory_mb, component_memory_mb, component_seconds
from lambda_worker.graph.pairs import CandidatePairs, read_weights
from lambda_worker.graph.union_find import index_type
from lambda_worker.tables.reading import read_day
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices, SignedInts
    from lambda_worker.contract import PackEvent


def pack_components(event: PackEvent) -> PackReply:
    """Write the bin of every point; memory is O(points), independent of the number of pairs.

    Raises:
        CapacityError: A component does not fit an invocation.
    """
    component = read_components(event)
    sizes = count_components(event, component)
    needs = predict_needs(event, sizes)
    _check_capacity(event, sizes, needs)
    bins = assign_bins(event, needs)
    written = write_table(
        event.output,
        {
            "point_id": np.arange(event.point_count, dtype=index_type(event.point_count)),
            "component": component,
            "bin": bins.take(component),
        },
    )
    return PackReply(
        ok=True,
        bins=_describe(event, bins, sizes, needs),
        components=len(bins),
        largest_points=int(sizes.points.max(initial=0)),
        bytes=written,
    )


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts per component, shape (components,), float64, so that squares of integers do not overflow."""

    points: Floats
    entities: Floats
    pairs: Floats


@dataclass(frozen=True, slots=True)
class Needs:
    """Cost of each component, shape (components,).

    Attributes:
        held_mb: MiB of its points and pairs while its bin is processed.
        work_mb: Additional MiB while the component itself is clustered.
        seconds: Time to read and to cluster it.
    """

    held_mb: Floats
    work_mb: Floats
    seconds: Floats


def read_components(event: PackEvent) -> SignedInts:
    """The component of every point, shape (points,).

    Raises:
        InputError: A point has none or two, or components are not numbered from 0 without gaps.
    """
    points = event.point_count
    component = np.empty(points, index_type(points))
    for address, (ids, found), _ in read_day(event.labels, ("cluster",), points):
        if found.min() < 0 or found.max() >= points:
            raise InputError(f"{address} is not a table of components of the {points} points")
        component[ids] = found
    if points and not np.bincount(component).all():
        raise InputError("the components are not numbered without gaps")
    return component


def count_components(event: PackEvent, component: SignedInts) -> Sizes:
    """Points, entities and pairs of each component, from one pass over the pairs.

    Raises:
        InputError: A pair joins two components, or a file is not of the contract.
    """
    weights = read_weights(event.points, event.point_count)
    points = np.bincount(component)
    entities = np.bincount(component, weights=weights, minlength=len(points))
    del weights
    pairs = np.zeros(len(points), np.int64)
    for a, b in CandidatePairs(event.candidates, event.point_count).batches():
        of_pair = component.take(a)
        apart = of_pair != component.take(b)
        if apart.any():
            row = int(np.argmax(apart))
            raise InputError(f"the points {a[row]} and {b[row]} are a pair, but of two components")
        np.add.at(pairs, of_pair, 1)
    return Sizes(points.astype(np.float64), entities.astype(np.float64), pairs.astype(np.float64))


def predict_needs(event: PackEvent, sizes: Sizes) -> Needs:
    """Predict the cost of each component by the models of `lambda_worker.contract.component_costs`."""
    nothing = bin_memory_mb(0.0, 0.0, event.point_bytes, 0.0)
    # Components of one point cost nothing: they are all labelled at once.
    counts = (sizes.points, sizes.entities, sizes.pairs)
    larger = sizes.points > 1
    return Needs(
        bin_memory_mb(sizes.points, sizes.pairs, event.point_bytes, np.zeros(len(larger))) - nothing,
        np.where(larger, component_memory_mb(event.algorithm, *counts), 0.0),
        np.where(larger, component_seconds(event.algorithm, *counts), 0.0),
    )


def assign_bins(event: PackEvent, needs: Needs) -> SignedInts:
    """The bin of each component, shape (components,); bins are numbered by their first component."""
    room = event.memory_mb - bin_memory_mb(0.0, 0.0, event.point_bytes, 0.0)
    alone = (needs.held_mb + needs.work_mb > room / 2) | (needs.seconds > event.budget_s / 2)
    shared = np.flatnonzero(~alone)
    first = np.zeros(len(alone), np.bool_)
    first[alone] = True
    first[
        shared.take(_cut(needs.held_mb.take(shared), needs.seconds.take(shared), room / 2, event.budget_s))
    ] = True
    opened = np.cumsum(first) - 1
    bins = opened.astype(index_type(len(alone)))
    # A shared bin continues after components with bins of their own.
    bins[shared] = np.maximum.accumulate(np.where(first[shared], opened[shared], 0))
    return bins


def _cut(held_mb: Floats, seconds: Floats, most_mb: float, most_s: float) -> Indices:
    """Return where new bins begin, so that no bin of neighbours exceeds either limit."""
    held_up_to, seconds_up_to = np.cumsum(held_mb), np.cumsum(seconds)
    starts = []
    start = 0
    while start < len(held_mb):
        starts.append(start)
        held = held_up_to[start] - held_mb[start] + most_mb
        time = seconds_up_to[start] - seconds[start] + most_s
        ends = np.searchsorted(held_up_to, held, "right"), np.searchsorted(seconds_up_to, time, "right")
        start = max(start + 1, int(min(ends)))
    return np.array(starts, np.intp)


def _check_capacity(event: PackEvent, sizes: Sizes, needs: Needs) -> None:
    process = bin_memory_mb(0.0, 0.0, event.point_bytes, 0.0)
    needed = needs.held_mb + needs.work_mb + process
    if not len(needed) or needed.max() <= event.memory_mb:
        return
    largest = int(np.argmax(needed))
    points, entities, pairs = sizes.points[largest], sizes.entities[largest], sizes.pairs[largest]
    raise CapacityError(
        f"component {largest} has {points:.0f} points ({entities:.0f} entities, {pairs:.0f} pairs): "
        f"{event.algorithm.get('type')} would need {needed[largest]:.0f} MiB for it, an invocation has "
        f"{event.memory_mb:.0f} MiB; lower distance.threshold, give the worker more memory, or use an "
        "algorithm whose shards may be of any size: dbscan, connected_components, single_linkage or hdbscan"
    )


def _describe(event: PackEvent, bins: SignedInts, sizes: Sizes, needs: Needs) -> tuple[Bin, ...]:
    points = np.bincount(bins, weights=sizes.points).astype(np.float64)
    pairs = np.bincount(bins, weights=sizes.pairs).astype(np.float64)
    components, seconds = np.bincount(bins), np.bincount(bins, weights=needs.seconds)
    work = np.zeros(len(points))
    np.maximum.at(work, bins, needs.work_mb)
    memory = bin_memory_mb(points, pairs, event.point_bytes, work)
    return tuple(
        Bin(int(p), int(q), int(c), round(float(m), 1), round(float(s), 3))
        for p, q, c, m, s in zip(points, pairs, components, memory, seconds, strict=True)
    )
