"""The last step of mean shift, over a whole day: which peaks stay, and whose each point is.

As scikit-learn does it: peaks by intensity, then by place, highest first; each drops all later ones within
the bandwidth; a point belongs to the nearest of those that stay. Where scikit-learn asks a tree, one of the
same peaks answers, so that it is even the same one of several at one distance; else the first of them.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.components.mean_shift import load_tree
from lambda_worker.components.mean_shift_bins import read_peaks
from lambda_worker.components.renumbering import number_by_smallest
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.deadline import check_deadline
from lambda_worker.graph import read_weights
from lambda_worker.labels import MEMBER_ROLE, NOISE, NOISE_ROLE, Labels
from lambda_worker.parquet_io import BATCH_ROWS, read_features, write_labels
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lambda_worker.components.mean_shift import Peaks
    from lambda_worker.contract.mean_shift import PeaksEvent

_MOST_TREE_DIMENSIONS = 15
_FEWEST_TREE_PEAKS = 4
_FEWEST_RADIUS_PEAKS = 12
_LEAF = 30
_MOST_TOGETHER = 256
_LOOK_AHEAD = 64


def label_by_peaks(event: PeaksEvent, batch_rows: int = BATCH_ROWS) -> ClusterReply:
    """Write the labels of a day.

    Memory is O(peaks + points of the day in integers): vectors are streamed.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    bandwidth = event.threshold / 2
    label = np.full(event.point_count, NOISE, index_type(event.point_count))
    if event.point_count:
        load_tree()  # limits are set on what is loaded
        # A worker has one core: threads cost more than they bring.
        with threadpool_limits(limits=1):
            centres = keep_highest(read_peaks(event.peaks, batch_rows), bandwidth)
        if not len(centres):
            raise InputError("the files of peaks hold none, but the day has points")
        _label_points(event, _Nearest(centres), label, batch_rows)
    weights = read_weights(event.points, event.point_count, batch_rows)
    cluster, clusters = number_by_smallest(label)
    noise = cluster == NOISE
    role = np.where(noise, NOISE_ROLE, MEMBER_ROLE)
    written = write_labels(event.output, Labels(cluster, role, clusters))
    return ClusterReply(
        ok=True,
        rows=event.point_count,
        bytes=written,
        clusters=clusters,
        noise_entities=int(weights[noise].sum(dtype=np.int64)),
    )


def keep_highest(peaks: Peaks, bandwidth: float) -> NDArray[np.float64]:
    """Drop each peak that is within the bandwidth of a higher one that stays.

    Returns:
        Shape (kept, dimensions), highest first.
    """
    if not len(peaks):
        return peaks.centre
    order = np.lexsort((*peaks.centre.T[::-1], peaks.intensity))[::-1]
    places = peaks.centre.take(order, axis=0)
    around, most = _ways_around(places, bandwidth)
    left = np.ones(len(places), np.bool_)
    together, at = 1, 0
    while at < len(places):
        check_deadline()
        # Several at once, as many as mostly stay: one of these may still drop another.
        asked = at + np.flatnonzero(left[at : at + _LOOK_AHEAD * together])[:together]
        if not len(asked):
            at += _LOOK_AHEAD * together
            continue
        for peak, near in zip(asked.tolist(), around(places.take(asked, axis=0)), strict=True):
            if left[peak]:
                left[near] = False
                left[peak] = True
        at = int(asked[-1]) + 1
        together = min(together * 2, most) if left.take(asked).all() else max(1, together // 2)
    kept: NDArray[np.float64] = places.compress(left, axis=0)
    return kept


def _ways_around(places: NDArray[np.float64], bandwidth: float) -> tuple[Callable[..., Any], int]:
    """What tells the peaks around some, and how many at once it may be asked for.

    Of few peaks, or of many dimensions, scikit-learn multiplies matrices, with a rounding of its own.
    """
    if len(places) >= _FEWEST_RADIUS_PEAKS and places.shape[1] <= _MOST_TREE_DIMENSIONS:
        return partial(load_tree()(places, leaf_size=_LEAF).query_radius, r=bandwidth), _MOST_TOGETHER
    neighbours = importlib.import_module("sklearn.neighbors").NearestNeighbors(radius=bandwidth).fit(places)
    return partial(neighbours.radius_neighbors, return_distance=False), 1


class _Nearest:
    """The nearest of some peaks."""

    def __init__(self, centres: NDArray[np.float64]) -> None:
        self._centres = centres
        self._tree: Any = load_tree()(centres, leaf_size=_LEAF)
        count, self.dimensions = centres.shape
        self._as_tree = count >= _FEWEST_TREE_PEAKS and self.dimensions <= _MOST_TREE_DIMENSIONS

    def of(self, vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distance and number of the nearest peak of each vector; shape (points,) each."""
        found = 1 if self._as_tree else min(2, len(self._centres))
        distance, nearest = self._tree.query(vectors, k=found)
        if found > 1:
            tied = np.flatnonzero(distance[:, 0] == distance[:, 1])
            for row in tied.tolist():
                nearest[row, 0] = self._first(vectors[row])
        return distance[:, 0], nearest[:, 0]

    def _first(self, vector: NDArray[np.float64]) -> int:
        """The first of the nearest peaks."""
        squared = np.zeros(len(self._centres))
        for column, value in zip(self._centres.T, vector, strict=True):
            squared += (value - column) ** 2
        return int(np.argmin(squared))


def _label_points(
    event: PeaksEvent, peaks: _Nearest, label: NDArray[np.signedinteger], batch_rows: int
) -> None:
    bandwidth = event.threshold / 2
    for address in event.points:
        for (ids,), vectors in read_features(address, ("point_id",), event.columns, batch_rows):
            if ids.min() < 0 or ids.max() >= event.point_count:
                raise InputError(f"{address} holds a point that is not in 0..{event.point_count - 1}")
            if len(vectors) != peaks.dimensions:
                raise InputError(f"{address}: {len(vectors)} dimensions; the peaks have {peaks.dimensions}")
            distance, nearest = peaks.of(np.ascontiguousarray(vectors.T))
            if event.cluster_all:
                label[ids] = nearest
            else:
                label[ids] = np.where(distance <= bandwidth, nearest, NOISE)
