"""The clusters of OPTICS, from the reachability plot of a whole day, by scikit-learn's own extraction.

The method `xi` compares neighbours in the plot and counts rows, up to `min_samples` in a flat and up to
`min_cluster_size` in a cluster. The rows of a point after its first have equal reachability and predecessor
and are never predecessors themselves. Such a flat is cut only after its first or before its last row: a
cluster begins at the last row of a flat (where the plot turns down), and its end, at a turn upwards, moves
back to the first row of a flat or past the whole flat. So beyond max(min_samples + 2, min_cluster_size) rows,
further rows change no comparison, and the clusters are those of all entities.

scikit-learn may therefore give equal entities different labels. A point gets the label of most of its
entities; on a tie, the one that comes first in the plot.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.clusterers.components.optics import NONE
from lambda_worker.clusterers.components.optics_bins import DISTANCES, PLOT, UNDEFINED
from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.contract.components import XI
from lambda_worker.tables.labels import BORDER_ROLE, CORE_ROLE, NOISE, NOISE_ROLE, Labels, number_by_smallest
from lambda_worker.tables.reading import read_features

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract.components import ExtractEvent


def extract_clusters(event: ExtractEvent) -> ClusterReply:
    """Combine the plots of a day and write the labels of its points."""
    plot = read_plot(event)
    cluster = _label_points(event, plot)
    clusters = number_by_smallest(cluster)
    # Rounding to 15 decimals may have lifted a core distance above the threshold.
    eps = np.finfo(np.float64).max if event.cluster_method == XI else _eps(event)
    core = np.zeros(event.point_count, np.bool_)
    core[plot.point.compress(plot.core_distance <= eps)] = True
    role = np.where(cluster == NOISE, NOISE_ROLE, np.where(core, CORE_ROLE, BORDER_ROLE))
    weights = np.zeros(event.point_count, np.int64)
    np.add.at(weights, plot.point, plot.copies)
    return write_day(ClusterReply, event.output, Labels(cluster, role, clusters), weights)


@dataclass(frozen=True, slots=True)
class DayPlot:
    """The events of a day in their order, shape (events,) each.

    Attributes:
        point: The point taken.
        copies: Rows that it represents.
        reachability: Infinite where undefined.
        predecessor: A point, or -1.
        core_distance: Of the point, infinite where undefined.
    """

    point: Ints
    copies: Ints
    reachability: Floats
    predecessor: Ints
    core_distance: Floats

    def first_events(self, points: int) -> Ints:
        """The first event of each point, shape (points,), -1 where there is none."""
        first = np.full(points, -1)
        first[self.point[::-1]] = np.arange(len(self.point))[::-1]
        return first


def read_plot(event: ExtractEvent) -> DayPlot:
    """The plots of all bins, in the order of the day.

    Raises:
        InputError: The plots are not those of `point_count` points.
    """
    numbers = [np.empty((len(PLOT), 0), np.int64)]
    distances = [np.empty((len(DISTANCES), 0))]
    for address in event.plots:
        for columns, found in read_features(address, PLOT, DISTANCES):
            numbers.append(np.stack(columns))
            distances.append(found)
    start, position, point, copies, predecessor = np.concatenate(numbers, axis=1)
    del numbers
    order = np.lexsort((position, start))
    start, position = start.take(order), position.take(order)
    if ((start[1:] == start[:-1]) & (position[1:] == position[:-1])).any():
        raise InputError("the plots hold an event twice")
    del start, position
    reachability, core = (
        np.where(column == UNDEFINED, np.inf, column).take(order)
        for column in np.concatenate(distances, axis=1)
    )
    plot = DayPlot(point.take(order), copies.take(order), reachability, predecessor.take(order), core)
    _check_plot(plot, event.point_count)
    return plot


def _check_plot(plot: DayPlot, points: int) -> None:
    for name, ids, least in (("point", plot.point, 0), ("predecessor", plot.predecessor, NONE)):
        if len(ids) and (ids.min() < least or ids.max() >= points):
            raise InputError(f"the plots hold a {name} that is not one of {points} points")
    first = plot.first_events(points)
    if (first < 0).any():
        raise InputError(f"the plots do not hold point {int(np.argmax(first < 0))} of {points}")
    more = np.ones(len(plot.point), np.bool_)
    more[first] = False
    twice = len(np.unique(plot.point.compress(more))) < np.count_nonzero(more)
    if twice or (plot.copies < 1).any() or (plot.copies.take(first) != 1).any():
        raise InputError("the plots hold a point too often, or first with more than one row")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Events as rows, flats shortened."""

    begins: Ints  # shape (events,), the first row of each event
    lengths: Ints  # shape (events,), its rows
    count: int  # rows of all

    @classmethod
    def of(cls, copies: Ints, most: int) -> _Rows:
        lengths = np.minimum(copies, most)
        ends = np.cumsum(lengths)
        return cls(ends - lengths, lengths, int(lengths.sum()))

    def multiplicity(self, copies: Ints) -> Ints:
        """Entities of each row; omitted rows count as the second row of their event."""
        entities = np.ones(self.count, np.int64)
        short = np.flatnonzero(self.lengths < copies)
        entities[self.begins.take(short) + 1] += (copies - self.lengths).take(short)
        return entities


def _label_points(event: ExtractEvent, plot: DayPlot) -> Ints:
    """Labels of the points, as scikit-learn numbers them."""
    points = event.point_count
    if int(plot.copies.sum()) < max(event.min_samples, event.min_cluster_size or 0):
        return np.full(points, NOISE)  # too few for a cluster; scikit-learn raises an error
    # Imported here, because it takes a second.
    cluster = importlib.import_module("sklearn.cluster")
    if event.cluster_method == XI:
        return _xi_labels(cluster.cluster_optics_xi, event, plot)
    label: Ints = cluster.cluster_optics_dbscan(
        reachability=plot.reachability,
        core_distances=plot.core_distance,
        ordering=np.arange(len(plot.point)),
        eps=_eps(event),
    )
    return label.take(plot.first_events(points))  # if a row is reachable within eps, so is the next one


def _xi_labels(extract: Callable[..., Any], event: ExtractEvent, plot: DayPlot) -> Ints:
    rows = _Rows.of(plot.copies, max(event.min_samples + 2, event.min_cluster_size or 0))
    first = plot.first_events(event.point_count)
    first_row = np.append(rows.begins.take(first), NONE)
    with np.errstate(divide="ignore"):  # equal places are at distance 0
        label, _ = extract(
            reachability=np.repeat(plot.reachability, rows.lengths),
            predecessor=np.repeat(first_row.take(plot.predecessor), rows.lengths),
            ordering=np.arange(rows.count),
            min_samples=event.min_samples,
            min_cluster_size=event.min_cluster_size,
            xi=event.xi,
            predecessor_correction=event.predecessor_correction,
        )
    chosen: Ints = label.take(first_row[:-1])
    point = np.repeat(plot.point, rows.lengths)
    apart = np.zeros(event.point_count, np.bool_)
    apart[point.compress(label != chosen.take(point))] = True
    split = np.flatnonzero(apart.take(point))
    entities = rows.multiplicity(plot.copies).take(split)
    _choose_most(chosen, point.take(split), label.take(split), entities)
    return chosen


def _choose_most(chosen: Ints, point: Ints, label: Ints, entities: Ints) -> None:
    """If the rows of a point have different labels, choose the label of most entities; this is rare.

    `chosen`, shape (points,), is changed in place; the others have shape (rows,), in the order of the plot.
    """
    votes: dict[int, dict[int, int]] = {}
    for one, its_label, count in zip(point.tolist(), label.tolist(), entities.tolist(), strict=True):
        of_point = votes.setdefault(one, {})
        of_point[its_label] = of_point.get(its_label, 0) + count
    for one, of_point in votes.items():
        chosen[one] = max(of_point, key=of_point.__getitem__)


def _eps(event: ExtractEvent) -> float:
    return event.threshold if event.eps is None else event.eps
