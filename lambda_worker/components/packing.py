"""Packing: the components of a day into bins, each for one invocation, in the order of their numbers.

Components are numbered by their smallest point, and points mostly by place or content, so a bin of
neighbours reads few blocks of the tables. A bin holds all its points and pairs, and works on one component at
a time. A component that takes more than half of the memory or of the time has a bin of its own. The others
share theirs: what they hold together is kept below half of the memory, so that the work on any of them fits
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.contract import Bin, CapacityError, InputError, PackReply
from lambda_worker.contract.memory import bin_memory_mb, component_memory_mb, component_seconds
from lambda_worker.graph import CandidatePairs, read_weights
from lambda_worker.parquet_io import BATCH_ROWS, read_bigints
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract import PackEvent


def pack_components(event: PackEvent, batch_rows: int = BATCH_ROWS) -> PackReply:
    """Write the bin of every point; memory is O(points), whatever the pairs.

    Raises:
        ContractError: The event or an input file is not of the contract.
        CapacityError: A component does not fit an invocation.
    """
    component = read_components(event, batch_rows)
    sizes = count_components(event, component, batch_rows)
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
    """Counts of each component, shape (components,), float64: whole numbers whose squares do not overflow."""

    points: NDArray[np.float64]
    entities: NDArray[np.float64]
    pairs: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Needs:
    """What each component takes, shape (components,).

    Attributes:
        held_mb: MiB its points and pairs take while its bin is worked on.
        work_mb: MiB besides, while it is worked on itself.
        seconds: To read and to cluster it.
    """

    held_mb: NDArray[np.float64]
    work_mb: NDArray[np.float64]
    seconds: NDArray[np.float64]


def read_components(event: PackEvent, batch_rows: int = BATCH_ROWS) -> NDArray[np.signedinteger]:
    """The component of every point, shape (points,).

    Raises:
        InputError: A point has none or two, or components are not numbered from 0 without gaps.
    """
    points = event.point_count
    component = np.full(points, -1, index_type(points))
    rows = 0
    for address in event.labels:
        for ids, found in read_bigints(address, ("point_id", "cluster"), batch_rows):
            if ids.min() < 0 or ids.max() >= points or found.min() < 0 or found.max() >= points:
                raise InputError(f"{address} is not a table of components of the {points} points")
            component[ids] = found
            rows += len(ids)
    if rows != points or bool((component < 0).any()):
        raise InputError(f"the labels hold {rows} rows for {points} points; each must have one component")
    if points and not np.bincount(component).all():
        raise InputError("the components are not numbered without gaps")
    return component


def count_components(
    event: PackEvent, component: NDArray[np.signedinteger], batch_rows: int = BATCH_ROWS
) -> Sizes:
    """Points, entities and pairs of each component, from one pass over the pairs.

    Raises:
        InputError: A pair joins two components, or a file is not of the contract.
    """
    weights = read_weights(event.points, event.point_count, batch_rows)
    points = np.bincount(component)
    entities = np.bincount(component, weights=weights, minlength=len(points))
    del weights
    pairs = np.zeros(len(points), np.int64)
    for a, b in CandidatePairs(event.candidates, event.point_count, batch_rows).batches():
        of_pair = component.take(a)
        apart = of_pair != component.take(b)
        if apart.any():
            row = int(np.argmax(apart))
            raise InputError(f"the points {a[row]} and {b[row]} are a pair, but of two components")
        np.add.at(pairs, of_pair, 1)
    return Sizes(points.astype(np.float64), entities.astype(np.float64), pairs.astype(np.float64))


def predict_needs(event: PackEvent, sizes: Sizes) -> Needs:
    """What each component takes, by the models of `lambda_worker.contract.memory`."""
    nothing = bin_memory_mb(0.0, 0.0, event.point_bytes, 0.0)
    # A component of one point is no work: they are labelled all at once.
    counts = (sizes.points, sizes.entities, sizes.pairs)
    larger = sizes.points > 1
    return Needs(
        bin_memory_mb(sizes.points, sizes.pairs, event.point_bytes, np.zeros(len(larger))) - nothing,
        np.where(larger, component_memory_mb(event.algorithm, *counts), 0.0),
        np.where(larger, component_seconds(event.algorithm, *counts), 0.0),
    )


def assign_bins(event: PackEvent, needs: Needs) -> NDArray[np.signedinteger]:
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
    # A bin that is shared goes on behind those that stand alone in its midst.
    bins[shared] = np.maximum.accumulate(np.where(first[shared], opened[shared], 0))
    return bins


def _cut(
    held_mb: NDArray[np.float64], seconds: NDArray[np.float64], most_mb: float, most_s: float
) -> NDArray[np.intp]:
    """Where a new bin begins, so that no bin of neighbours exceeds either sum."""
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


def _describe(
    event: PackEvent, bins: NDArray[np.signedinteger], sizes: Sizes, needs: Needs
) -> tuple[Bin, ...]:
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
