"""The clusters of OPTICS, from the reachability plot of a whole day, by scikit-learn's own extraction.

The method `xi` compares neighbours in the plot and counts rows, up to `min_samples` of a flat and up to
`min_cluster_size` of a cluster. Rows after a point's first one are equal in reachability and predecessor, and
no predecessor themselves. Such a flat is cut nowhere but behind its first or before its last row: a cluster
begins at the last row of a flat (where the plot turns down), and its end, which lies at a turn upwards, moves
back to the first row of a flat or past it as a whole. So beyond max(min_samples + 2, min_cluster_size) rows,
more of them change no comparison, and the clusters are those of all entities.

scikit-learn may so label equal entities apart. A point gets the label of most of its entities; of equally
many, that of the first in the plot.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.components.optics import NONE
from lambda_worker.components.optics_bins import DISTANCES, PLOT, UNDEFINED
from lambda_worker.components.renumbering import number_by_smallest
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.contract.reachability import XI
from lambda_worker.labels import BORDER_ROLE, CORE_ROLE, NOISE, NOISE_ROLE, Labels
from lambda_worker.parquet_io import BATCH_ROWS, read_features, write_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lambda_worker.contract.reachability import ExtractEvent


def extract_clusters(event: ExtractEvent, batch_rows: int = BATCH_ROWS) -> ClusterReply:
    """Put the plots of a day together and write the labels of its points.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    plot = read_plot(event, batch_rows)
    cluster, clusters = number_by_smallest(_label_points(event, plot))
    # Rounding to 15 decimals may have lifted a core distance above the threshold.
    eps = np.finfo(np.float64).max if event.cluster_method == XI else _eps(event)
    core = np.zeros(event.point_count, np.bool_)
    core[plot.point.compress(plot.core_distance <= eps)] = True
    role = np.where(cluster == NOISE, NOISE_ROLE, np.where(core, CORE_ROLE, BORDER_ROLE))
    written = write_labels(event.output, Labels(cluster, role, clusters))
    noise = cluster.take(plot.point) == NOISE
    return ClusterReply(
        ok=True,
        rows=event.point_count,
        bytes=written,
        clusters=clusters,
        core_points=int(np.count_nonzero(role == CORE_ROLE)),
        noise_entities=int(plot.copies.compress(noise).sum()),
    )


@dataclass(frozen=True, slots=True)
class DayPlot:
    """The events of a day in their order, shape (events,) each.

    Attributes:
        point: The point taken.
        copies: Rows it stands for.
        reachability: Infinite where undefined.
        predecessor: A point, or -1.
        core_distance: Of the point, infinite where undefined.
    """

    point: NDArray[np.int64]
    copies: NDArray[np.int64]
    reachability: NDArray[np.float64]
    predecessor: NDArray[np.int64]
    core_distance: NDArray[np.float64]

    def first_events(self, points: int) -> NDArray[np.int64]:
        """The first event of each point, shape (points,), -1 where there is none."""
        first = np.full(points, -1)
        first[self.point[::-1]] = np.arange(len(self.point))[::-1]
        return first


def read_plot(event: ExtractEvent, batch_rows: int = BATCH_ROWS) -> DayPlot:
    """The plots of all bins, in the order of the day.

    Raises:
        InputError: The plots are not those of `point_count` points.
    """
    numbers = [np.empty((len(PLOT), 0), np.int64)]
    distances = [np.empty((len(DISTANCES), 0))]
    for address in event.plots:
        for columns, found in read_features(address, PLOT, DISTANCES, batch_rows):
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
    """Events as rows, flats shortened.

    Attributes:
        begins: Shape (events,), the first row of each event.
        lengths: Shape (events,), its rows.
        count: Rows of all.
    """

    begins: NDArray[np.int64]
    lengths: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, copies: NDArray[np.int64], most: int) -> _Rows:
        lengths = np.minimum(copies, most)
        ends = np.cumsum(lengths)
        return cls(ends - lengths, lengths, int(lengths.sum()))

    def multiplicity(self, copies: NDArray[np.int64]) -> NDArray[np.int64]:
        """Entities of each row: those left out are like the second row of their event."""
        entities = np.ones(self.count, np.int64)
        short = np.flatnonzero(self.lengths < copies)
        entities[self.begins.take(short) + 1] += (copies - self.lengths).take(short)
        return entities


def _label_points(event: ExtractEvent, plot: DayPlot) -> NDArray[np.int64]:
    """Labels of the points, as scikit-learn numbers them."""
    points = event.point_count
    if int(plot.copies.sum()) < max(event.min_samples, event.min_cluster_size or 0):
        return np.full(points, NOISE)  # no cluster can be; scikit-learn raises an error
    # Only here is scikit-learn needed.
    cluster = importlib.import_module("sklearn.cluster")
    if event.cluster_method == XI:
        return _xi_labels(cluster.cluster_optics_xi, event, plot)
    label: NDArray[np.int64] = cluster.cluster_optics_dbscan(
        reachability=plot.reachability,
        core_distances=plot.core_distance,
        ordering=np.arange(len(plot.point)),
        eps=_eps(event),
    )
    return label.take(plot.first_events(points))  # a row reachable within eps makes the next one so, too


def _xi_labels(extract: Callable[..., Any], event: ExtractEvent, plot: DayPlot) -> NDArray[np.int64]:
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
    chosen: NDArray[np.int64] = label.take(first_row[:-1])
    point = np.repeat(plot.point, rows.lengths)
    apart = np.zeros(event.point_count, np.bool_)
    apart[point.compress(label != chosen.take(point))] = True
    split = np.flatnonzero(apart.take(point))
    entities = rows.multiplicity(plot.copies).take(split)
    _choose_most(chosen, point.take(split), label.take(split), entities)
    return chosen


def _choose_most(
    chosen: NDArray[np.int64],
    point: NDArray[np.int64],
    label: NDArray[np.int64],
    entities: NDArray[np.int64],
) -> None:
    """Where rows of a point differ, choose the label of most entities; few points are such.

    Args:
        chosen: Shape (points,), changed in place.
        point: Shape (rows,), in the order of the plot, as the others.
        label: Shape (rows,).
        entities: Shape (rows,).
    """
    votes: dict[int, dict[int, int]] = {}
    for one, its_label, count in zip(point.tolist(), label.tolist(), entities.tolist(), strict=True):
        of_point = votes.setdefault(one, {})
        of_point[its_label] = of_point.get(its_label, 0) + count
    for one, of_point in votes.items():
        chosen[one] = max(of_point, key=of_point.__getitem__)


def _eps(event: ExtractEvent) -> float:
    return event.threshold if event.eps is None else event.eps
